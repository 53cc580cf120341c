//! What can happen.

use std::time::Duration;

use ala_promote_core::backend::{BackendErrorKind, Call, Stacks as _};
use ala_promote_core::domain::Verb;
use ala_promote_core::plan::{Action, Plan};

use super::model::Model;
use crate::faults::{Fate, FaultPlan, WriteFate};
use crate::memory::{ImageBehaviour, MemoryBackend, SourceCommit};
use crate::sweep::host::request;
use crate::sweep::random::Random;
use crate::sweep::{Fault, Host, SweepError, Violation};

/// One thing that happens to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Somebody commits to the source, to what fails in that environment or works.
    Commit {
        /// Tells it from others.
        number: u64,
        /// Where its backend fails.
        bad_in: Option<&'static str>,
    },
    /// An operation, under a fault or none.
    Operate {
        /// Where.
        environment: &'static str,
        /// What.
        verb: Verb,
        /// The fault.
        fault: Option<Fault>,
    },
    /// Somebody recovers what is not done, under a fault or none.
    Recover {
        /// The fault.
        fault: Option<Fault>,
    },
    /// Time passes, or the clock is set back, in seconds.
    Jump(i64),
    /// Somebody lets a reference name what another one names.
    Retag {
        /// What is moved.
        reference: &'static str,
        /// What it then names.
        to: &'static str,
    },
    /// `docker image prune`.
    Prune,
    /// `docker container prune` takes a lock away that a killed process left.
    PruneLocks,
    /// Somebody stops a service.
    Stop {
        /// Where.
        environment: &'static str,
        /// Which.
        service: &'static str,
    },
    /// Somebody edits a variable of the files.
    Edit {
        /// Where.
        environment: &'static str,
        /// The new value.
        value: u64,
    },
}

const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
const SERVICES: [&str; 3] = ["backend", "worker", "frontend"];
const REFERENCES: [&str; 4] =
    ["ala-api:staging", "ala-api:production", "ala-web:staging", "ala-web:production"];

impl Act {
    pub(super) fn any(random: &mut Random) -> Self {
        let environment = random.pick(&ENVIRONMENTS).copied().unwrap_or("staging");
        match random.below(100) {
            0..15 => Self::Commit {
                number: random.next() % 1000,
                bad_in: random.chance(35).then_some(environment),
            },
            15..60 => {
                let (environment, verb) = match random.below(10) {
                    0..4 => ("staging", Verb::Deploy { build: true, keep_failed: false }),
                    4..8 => ("production", Verb::Promote),
                    _ => (environment, Verb::Rollback { to: None }),
                };
                Self::Operate { environment, verb, fault: random.chance(60).then(|| any_fault(random)) }
            }
            60..75 => Self::Recover { fault: random.chance(30).then(|| any_fault(random)) },
            75..80 => Self::Jump(i64::try_from(random.below(90_000)).unwrap_or_default() - 3_600),
            80..85 => {
                let reference = random.pick(&REFERENCES).copied().unwrap_or(REFERENCES[0]);
                let to = REFERENCES.iter().filter(|to| to.split(':').next() == reference.split(':').next());
                let to: Vec<&str> = to.copied().collect();
                Self::Retag { reference, to: random.pick(&to).copied().unwrap_or(reference) }
            }
            85..90 => Self::Prune,
            90..92 => Self::PruneLocks,
            92..96 => {
                Self::Stop { environment, service: random.pick(&SERVICES).copied().unwrap_or("backend") }
            }
            _ => Self::Edit { environment, value: random.next() % 10 },
        }
    }

    /// Lets it happen; what it breaks.
    pub(super) async fn happen(&self, host: &Host, model: &mut Model) -> Result<Vec<Violation>, SweepError> {
        match self {
            Self::Operate { environment, verb, fault } => {
                let faults = fault.map_or_else(FaultPlan::new, |fault| fault.add_to(FaultPlan::new()));
                model.begins(host, environment, verb)?;
                let ended = host.operate_under(&request(environment, verb.clone())?, faults).await;
                return model.ended(host, environment, &ended, fault.as_slice());
            }
            Self::Recover { fault } => {
                let Some(plan) = host.unfinished()?.into_iter().next() else { return Ok(Vec::new()) };
                let faults = fault.map_or_else(FaultPlan::new, |fault| fault.add_to(FaultPlan::new()));
                return recover_under(host, model, &plan, faults, fault.as_slice()).await;
            }
            other => {
                host.by_hand(|world| other.meddle(world));
                model.meddled();
            }
        }
        Ok(Vec::new())
    }

    /// What people do can fail, where what is meant is not there; then nothing happens.
    fn meddle(&self, world: &MemoryBackend) {
        match self {
            Self::Commit { number, bad_in } => {
                let commit = SourceCommit::new(&format!("commit {number}"));
                let bad =
                    bad_in.and_then(|environment| environment.parse().ok()).map(ImageBehaviour::UnhealthyIn);
                world.commit(match bad {
                    Some(behaviour) => commit.behaviour("backend", behaviour),
                    None => commit,
                });
            }
            Self::Jump(seconds) => {
                let duration = Duration::from_secs(seconds.unsigned_abs());
                if *seconds < 0 { world.clock().set_back(duration) } else { world.clock().advance(duration) }
            }
            Self::Retag { reference, to } => {
                let _ = world.act("retag by hand", |state| {
                    let (Ok(from), Ok(to)) = (reference.parse(), to.parse()) else { return };
                    if let Some(id) = state.references.get(&to).cloned() {
                        state.references.insert(from, id);
                    }
                });
            }
            Self::Prune => drop(world.prune()),
            Self::PruneLocks => {
                let _ = world.act("prune containers", |state| state.locks.clear());
            }
            Self::Stop { environment, service } => {
                let _ = world.kill(environment, service, 137);
            }
            Self::Edit { environment, value } => {
                let _ = world.edit(environment, |e| {
                    e.variable("ENABLE_TEST_DATA", &format!("value {value}"));
                });
            }
            Self::Operate { .. } | Self::Recover { .. } => {}
        }
    }
}

/// A fault somewhere in what an operation does.
fn any_fault(random: &mut Random) -> Fault {
    const FATES: [Fate; 9] = [
        Fate::FailBefore(BackendErrorKind::Failed),
        Fate::FailBefore(BackendErrorKind::Unavailable),
        Fate::FailAfter,
        Fate::ReplyLost,
        Fate::CrashBefore,
        Fate::CrashAfter,
        Fate::CrashWithin { polls: 2 },
        Fate::CrashWithin { polls: 5 },
        Fate::Hang,
    ];
    if random.chance(30) {
        let fate = random.pick(&WriteFate::ALL).copied().unwrap_or(WriteFate::Torn);
        return Fault::Write(1 + random.next() % 32, fate);
    }
    let fate = random.pick(&FATES).copied().unwrap_or(Fate::CrashAfter);
    Fault::Call(40 + random.next() % 90, fate)
}

/// Recovers, and holds what is said against the model.
pub(super) async fn recover(
    host: &Host,
    model: &mut Model,
    plan: &Plan,
    faults: FaultPlan,
) -> Result<Vec<Violation>, SweepError> {
    recover_under(host, model, plan, faults, &[]).await
}

async fn recover_under(
    host: &Host,
    model: &mut Model,
    plan: &Plan,
    faults: FaultPlan,
    struck: &[Fault],
) -> Result<Vec<Violation>, SweepError> {
    let environment = plan.environment().as_str();
    model.recovers(environment);
    let ended = host.recover(plan, faults).await;
    model.ended(host, environment, &ended, struck)
}

/// Somebody puts back what people did to the files.
pub(super) fn mend(host: &Host) -> Result<(), SweepError> {
    for environment in ENVIRONMENTS {
        let value = if environment == "production" { "false" } else { "true" };
        host.by_hand(|world| {
            world.edit(environment, |e| {
                e.variable("ENABLE_TEST_DATA", value);
            })
        })?;
    }
    Ok(())
}

/// Somebody gives references back what an operation found them to name, as far as that image is still there.
pub(super) fn retag(host: &Host, plan: &Plan) -> Result<(), SweepError> {
    let tags = plan.steps().filter_map(|step| match &step.action {
        Action::Tag { reference, prior: Some(prior), .. } => Some((reference.clone(), prior.clone())),
        _ => None,
    });
    for (reference, prior) in tags {
        host.by_hand(|world| {
            world.act("docker tag", |state| {
                if state.images.contains_key(&prior) {
                    state.references.insert(reference, prior);
                }
            })
        })?;
    }
    Ok(())
}

/// Somebody starts what was stopped, as `docker compose up` does.
pub(super) async fn start_all(host: &Host) -> Result<(), SweepError> {
    let world = host.world();
    for environment in ENVIRONMENTS {
        let Some(stack) = world.stack(environment) else { continue };
        let services: Vec<_> =
            world.model().get(environment).map(|e| e.services.keys().cloned().collect()).unwrap_or_default();
        let before = world.moments();
        world.up(&stack, &services, &Call::silent()).await?;
        host.note_by_hand(before..world.moments());
    }
    Ok(())
}
