//! Running cases.

use ala_promote_core::domain::{Outcome, Request, Verb};
use ala_promote_core::engine::EngineError;

use super::checks::is_what_it_says;
use super::ends::Ends;
use super::folder::Remembered;
use super::host::request;
use super::random::Random;
use super::scenario::push;
use super::timeline::{Operation, Timeline};
use super::{Case, Ended, Fault, Host, Invariant, Report, Rig, Scenario, Second, SweepError, Violation};
use crate::faults::{CallRecord, Fate, FaultPlan};
use crate::memory::{ImageBehaviour, SourceCommit};

/// How often it is recovered at most: a recovery without faults leaves nothing to recover.
const RECOVERIES: usize = 3;

/// Which cases are run.
#[derive(Debug, Clone)]
pub struct Extent {
    singles: Singles,
    nth: usize,
    pairs: Pairs,
    seed: u64,
    only: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Singles {
    All,
    None,
    OfChanges(Fate),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pairs {
    None,
    OneIn(usize),
    All,
}

impl Extent {
    /// Every single fault.
    #[must_use]
    pub fn singles() -> Self {
        Self { singles: Singles::All, nth: 1, pairs: Pairs::None, seed: 1, only: None }
    }

    /// The operation without any fault, once.
    #[must_use]
    pub fn without_faults() -> Self {
        Self { singles: Singles::None, ..Self::singles() }
    }

    /// That fate, for each call in turn that changes something.
    #[must_use]
    pub fn of_changes(fate: Fate) -> Self {
        Self { singles: Singles::OfChanges(fate), ..Self::singles() }
    }

    /// One case alone, as [`Case`] is written. It may be of any scenario: where it is another one than the sweep's,
    /// nothing is run, but one that there is not is an error.
    #[must_use]
    pub fn only(mut self, case: &str) -> Self {
        self.only = Some(case.to_owned());
        self
    }

    /// Every nth single fault only.
    #[must_use]
    pub fn every_nth(mut self, n: usize) -> Self {
        self.nth = n.max(1);
        self
    }

    /// Besides, for one in so many single faults a second one, chosen by the seed.
    #[must_use]
    pub fn pair_for_one_in(mut self, singles: usize, seed: u64) -> Self {
        (self.pairs, self.seed) = (Pairs::OneIn(singles), seed);
        self
    }

    /// Besides, for each single fault every second one.
    #[must_use]
    pub fn all_pairs(mut self) -> Self {
        self.pairs = Pairs::All;
        self
    }

    /// As the environment's variables say: `ALA_PROMOTE_CASE` for one case alone, `ALA_PROMOTE_TORTURE=1` for every
    /// single fault and, where pairs are run at all, every pair; `ALA_PROMOTE_SEED` for another choice.
    #[must_use]
    pub fn or_as_told(mut self) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        self.only = variable("ALA_PROMOTE_CASE");
        if let Some(seed) = variable("ALA_PROMOTE_SEED").and_then(|seed| seed.parse().ok()) {
            self.seed = seed;
        }
        if variable("ALA_PROMOTE_TORTURE").is_some_and(|value| value != "0") {
            self.nth = 1;
            if self.pairs != Pairs::None {
                self.pairs = Pairs::All;
            }
        }
        self
    }
}

/// A scenario that is ready to be run again and again.
#[derive(Debug)]
pub struct Sweep {
    scenario: Scenario,
    request: Request,
    rig: Rig,
    prepared: Host,
    files: Remembered,
    ends: Ends,
    command: String,
}

/// What a single fault gave to strike at again.
#[derive(Debug, Default)]
struct Chances {
    after: Vec<Fault>,
    in_recovery: Vec<Fault>,
}

impl Sweep {
    /// Prepares a scenario, and runs it once without faults and without the rig's ports.
    ///
    /// # Errors
    /// When it can't be prepared, or does not end as an operation should without any fault.
    pub async fn of(scenario: Scenario, rig: Rig) -> Result<Self, SweepError> {
        let prepared = scenario.prepare().await?;
        let files = prepared.files()?;
        let plain = Rig { of_engine: rig.of_engine.clone(), of_plan: rig.of_plan.clone(), ..Rig::honest() };
        let ends = Ends::of(&scenario, &prepared.fork(&files, &plain)?).await?;
        let request = request(scenario.environment, scenario.verb.clone())?;
        Ok(Self { scenario, request, rig, prepared, files, ends, command: "cargo test sweep".to_owned() })
    }

    /// Says what runs one case of this test again, for failures.
    #[must_use]
    pub fn repeated_by(mut self, command: &str) -> Self {
        command.clone_into(&mut self.command);
        self
    }

    /// How many calls of ports the operation takes, and how many writes to the ledger.
    #[must_use]
    pub fn size(&self) -> (usize, u64) {
        (self.ends.calls.len(), self.ends.writes)
    }

    /// Runs the cases that are meant.
    ///
    /// # Errors
    /// When a case can't be run, which is no finding.
    pub async fn run(&self, extent: Extent) -> Result<Report, SweepError> {
        let mut report = Report { command: self.command.clone(), ..Report::default() };
        if let Some(only) = &extent.only {
            let case: Case = only.parse()?;
            if case.scenario == self.scenario.name {
                self.run_case(&case, &mut report).await?;
                return Ok(report);
            }
            let names: Vec<&str> = Scenario::all().iter().map(Scenario::name).collect();
            return if names.contains(&case.scenario.as_str()) {
                Ok(report)
            } else {
                Err(self.unknown(&case, &names))
            };
        }
        let mut random = Random::new(extent.seed);
        self.run_case(&self.case(None, None), &mut report).await?;
        for first in self.singles(extent.singles).into_iter().step_by(extent.nth) {
            let chances = self.run_case(&self.case(Some(first), None), &mut report).await?;
            let all: Vec<Second> = chances.seconds().collect();
            let seconds: Vec<Second> = match extent.pairs {
                Pairs::None => Vec::new(),
                Pairs::OneIn(singles) if random.below(singles) == 0 => {
                    random.pick(&all).copied().into_iter().collect()
                }
                Pairs::OneIn(_) => Vec::new(),
                Pairs::All => all,
            };
            for second in seconds {
                self.run_case(&self.case(Some(first), Some(second)), &mut report).await?;
            }
        }
        Ok(report)
    }

    /// A mistyped scenario would else run nothing, and pass.
    fn unknown(&self, case: &Case, names: &[&str]) -> SweepError {
        let (wanted, own) = (&case.scenario, self.scenario.name);
        SweepError::new(format!(
            "ALA_PROMOTE_CASE names the scenario `{wanted}`, which is neither that of this test, `{own}`, nor one of {}",
            names.join(", ")
        ))
    }

    fn case(&self, first: Option<Fault>, second: Option<Second>) -> Case {
        Case { scenario: self.scenario.name.to_owned(), first, second }
    }

    fn singles(&self, which: Singles) -> Vec<Fault> {
        match which {
            Singles::None => Vec::new(),
            Singles::OfChanges(fate) => {
                let changes = self.ends.calls.iter().filter(|call| call.changes);
                changes.map(|call| Fault::Call(call.number, fate)).collect()
            }
            Singles::All => faults_of(&self.ends.calls, self.ends.writes),
        }
    }

    /// Runs one case, and checks all that is promised.
    async fn run_case(&self, case: &Case, report: &mut Report) -> Result<Chances, SweepError> {
        let host = self.prepared.fork(&self.files, &self.rig)?;
        let mut timeline = Timeline::beginning_at(&host)?;
        let untouched = Untouched::of(&host, &self.request);
        let mut violations = Vec::new();

        let then = match case.second {
            Some(Second::Then(fault)) => Some(fault),
            _ => None,
        };
        let struck: Vec<Fault> = case.first.into_iter().chain(then).collect();
        let ended = self.first_process(&host, &struck).await;
        *report.ends.entry(name_of(&ended)).or_default() += 1;
        let mut chances = Chances::default();
        if let (Some(first), false) = (case.first, matches!(ended, Ended::Killed)) {
            chances.after = faults_after(first, &host);
        }
        violations.extend(self.ends.check(&host, &ended, &struck)?);

        if let Some(Second::Recovery(fault)) = case.second
            && let Some(plan) = host.unfinished()?.first()
        {
            let ended = host.recover(plan, fault.add_to(FaultPlan::new())).await;
            violations.extend(self.ends.check(&host, &ended, &[fault])?);
        }
        for round in 0..RECOVERIES {
            let Some(plan) = host.unfinished()?.into_iter().next() else { break };
            let ended = host.recover(&plan, FaultPlan::new()).await;
            if round == 0 {
                chances.in_recovery = faults_of(&host.faults().calls(), host.faults().writes());
            }
            violations.extend(self.ends.check(&host, &ended, &[])?);
        }
        violations.extend(timeline.catch_up(&host));
        violations.extend(self.when_quiet(&host, &timeline, &untouched, report).await?);

        report.cases += 1;
        report.pairs += usize::from(case.second.is_some());
        report.violations.extend(violations.into_iter().map(|violation| (case.clone(), violation)));
        Ok(chances)
    }

    async fn first_process(&self, host: &Host, struck: &[Fault]) -> Ended {
        let plan = struck.iter().fold(FaultPlan::new(), |plan, fault| fault.add_to(plan));
        let moments = host.world().moments();
        let ended = host.operate_with(&self.request, &self.scenario.besides(plan)).await;
        // Somebody's hand comes anyway, also where the process did not live to see it.
        let came = (moments..host.world().moments()).any(|moment| host.was_by_hand(moment));
        if !came {
            self.scenario.change_by_hand(host);
        }
        ended
    }

    /// All that must be so when nothing is left to recover.
    async fn when_quiet(
        &self,
        host: &Host,
        timeline: &Timeline,
        untouched: &Untouched,
        report: &mut Report,
    ) -> Result<Vec<Violation>, SweepError> {
        let mut violations = Vec::new();
        let left = host.unfinished()?;
        if let Some(plan) = left.first() {
            let how = format!("{} is not done after {RECOVERIES} recoveries", plan.operation);
            violations.push(Invariant::EveryChangeRecorded.broken(how));
        }
        let (is_old, is_new) = (self.ends.is_old(host), self.ends.is_new(host));
        let undone_again = timeline.operations.values().any(|o| o.undone.values().any(|times| *times > 1));
        report.undone_again += usize::from(undone_again);
        if !is_old && !is_new {
            let invariant = if undone_again { Invariant::UndoTwiceIsOnce } else { Invariant::AllOldOrAllNew };
            let differing = super::Look::at(host.world(), self.ends.environment).differing(&self.ends.old);
            let how = format!("other than before: {}", differing.into_iter().collect::<Vec<_>>().join(", "));
            violations.push(invariant.broken(how));
        }
        violations.extend(untouched.check(host));
        violations.extend(left_behind(host));
        violations.extend(recorded(timeline));
        for operation in timeline.operations.values() {
            violations.extend(operation.backups.iter().filter_map(|backup| is_what_it_says(backup).err()));
        }
        violations.extend(again_changes_nothing(host, timeline).await?);
        violations.extend(self.life_goes_on(host, is_old).await?);
        Ok(violations)
    }

    /// What was taken back can be done, and what was done can be gone back from.
    async fn life_goes_on(&self, host: &Host, is_old: bool) -> Result<Option<Violation>, SweepError> {
        let broken = |how: String| Ok(Some(Invariant::LifeGoesOn.broken(how)));
        let goes_back = matches!(self.request.verb, Verb::Deploy { keep_failed: false, .. } | Verb::Promote)
            && self.ends.is_to_commit()
            && !self.ends.old.containers.is_empty();
        if !is_old && goes_back {
            let back = request(self.ends.environment, Verb::Rollback { to: None })?;
            let ended = host.operate(&back).await;
            let now = super::Look::at(host.world(), self.ends.environment);
            let is_back = matches!(ended, Ended::Done(Ok(Outcome::Committed { .. })));
            if !is_back || now.containers != self.ends.old.containers {
                return broken(format!("a rollback after it: {ended:?}"));
            }
            return Ok(None);
        }
        if !self.ends.is_to_commit() {
            host.by_hand(|world| world.commit(SourceCommit::new("mended")));
            push(host, "mended", ImageBehaviour::default())?;
            let deploy = request("staging", Verb::Deploy { build: true, keep_failed: false })?;
            let ended = host.operate(&deploy).await;
            return match ended {
                Ended::Done(Ok(Outcome::Committed { .. })) => Ok(None),
                other => broken(format!("a deployment after it: {other:?}")),
            };
        }
        let ended = host.operate_with(&self.request, &self.scenario.besides(FaultPlan::new())).await;
        match ended {
            Ended::Done(Ok(Outcome::Committed { .. })) if !is_old || self.ends.is_new(host) => Ok(None),
            // Where it is done already there may be nothing more to do.
            Ended::Done(Err(EngineError::Refused(_))) if !is_old => Ok(None),
            other => broken(format!("the same again: {other:?}")),
        }
    }
}

impl Chances {
    fn seconds(&self) -> impl Iterator<Item = Second> {
        let after = self.after.iter().copied().map(Second::Then);
        after.chain(self.in_recovery.iter().copied().map(Second::Recovery))
    }
}

fn name_of(ended: &Ended) -> &'static str {
    match ended {
        Ended::Killed => "killed",
        Ended::GaveUp => "hung and killed",
        Ended::Done(Ok(Outcome::Committed { warnings })) if warnings.is_empty() => "committed",
        Ended::Done(Ok(Outcome::Committed { .. })) => "committed with warnings",
        Ended::Done(Ok(Outcome::RolledBack { .. })) => "rolled back",
        Ended::Done(Ok(Outcome::Kept { .. })) => "kept",
        Ended::Done(Ok(_)) => "needs attention",
        Ended::Done(Err(EngineError::Refused(_))) => "refused",
        Ended::Done(Err(_)) => "failed",
    }
}

/// Every fault after a first one, in a process that got over it.
fn faults_after(first: Fault, host: &Host) -> Vec<Fault> {
    let faults = faults_of(&host.faults().calls(), host.faults().writes());
    let is_later = |fault: &Fault| match (first, *fault) {
        (Fault::Call(one, _), Fault::Call(other, _)) | (Fault::Write(one, _), Fault::Write(other, _)) => {
            other > one
        }
        // Calls and writes are counted apart; one that comes before changes the first into another one.
        _ => true,
    };
    faults.into_iter().filter(is_later).collect()
}

fn faults_of(calls: &[CallRecord], writes: u64) -> Vec<Fault> {
    calls.iter().flat_map(Fault::of_call).chain((1..=writes).flat_map(Fault::of_write)).collect()
}

/// What no operation on an environment may touch.
#[derive(Debug, PartialEq, Eq)]
struct Untouched {
    others: Vec<(String, u64)>,
    databases: Vec<(String, u64)>,
    rows: Vec<Vec<String>>,
}

impl Untouched {
    fn of(host: &Host, request: &Request) -> Self {
        let state = host.world().state();
        let environment = &request.environment;
        let started = |is_meant: &dyn Fn(&crate::memory::MemoryContainer) -> bool| {
            state.containers.values().filter(|c| is_meant(c)).map(|c| (c.id.clone(), c.starts)).collect()
        };
        Self {
            others: started(&|c| c.stack.environment != *environment),
            databases: started(&|c| {
                let key = (c.stack.project.clone(), c.service.clone());
                c.stack.environment.as_str() == "production" && state.databases.contains_key(&key)
            }),
            rows: state.databases.values().filter(|rows| !rows.is_empty()).cloned().collect(),
        }
    }

    fn check(&self, host: &Host) -> Option<Violation> {
        let state = host.world().state();
        let is_so =
            |(id, starts): &(String, u64)| state.containers.get(id).is_some_and(|c| c.starts == *starts);
        let rows: Vec<_> = state.databases.values().filter(|rows| !rows.is_empty()).cloned().collect();
        let broken = |how: &str| Some(Invariant::OthersUntouched.broken(how));
        if !self.others.iter().all(is_so) {
            return broken("containers of another environment were replaced or restarted");
        }
        if !self.databases.iter().all(is_so) {
            return broken("a database of production was replaced or restarted");
        }
        if self.rows != rows { broken("rows of a database are others") } else { None }
    }
}

fn left_behind(host: &Host) -> Option<Violation> {
    let state = host.world().state();
    let broken = |how: String| Some(Invariant::NothingLeftBehind.broken(how));
    if let Some(reference) = state.references.keys().find(|r| r.tag().starts_with("ala-promote-")) {
        return broken(format!("the name of a build: {reference}"));
    }
    let locks = state.locks.values().chain(state.tree_locks.values()).filter(|lock| lock.alive).count();
    if locks > 0 {
        return broken("a lock whose holder counts as alive".to_owned());
    }
    let snapshots = std::fs::read_dir(host.settings().state_dir.join("snapshots"));
    let saved = snapshots.into_iter().flatten().flatten().next();
    saved.and_then(|file| broken(format!("saved configuration: {}", file.path().display())))
}

/// Whatever changed something has an end. That the ledger is intact shows when it is read.
fn recorded(timeline: &Timeline) -> Option<Violation> {
    let is_open = |operation: &&Operation| operation.changed && operation.is_open();
    let operation = timeline.operations.values().find(is_open)?;
    let how = format!("{} changed something and has no end", operation.plan.operation);
    Some(Invariant::EveryChangeRecorded.broken(how))
}

async fn again_changes_nothing(host: &Host, timeline: &Timeline) -> Result<Option<Violation>, SweepError> {
    let Some(operation) = timeline.operations.values().find(|operation| !operation.is_open()) else {
        return Ok(None);
    };
    let (moments, bytes) = (host.world().moments(), host.ledger().bytes().len());
    let ended = host.recover(&operation.plan, FaultPlan::new()).await;
    let is_refused = matches!(ended, Ended::Done(Err(EngineError::UnusablePlan { .. })));
    let is_still = host.world().moments() == moments && host.ledger().bytes().len() == bytes;
    let broken = || Invariant::RecoverIsIdempotent.broken(format!("recovered once more: {ended:?}"));
    Ok((!is_refused || !is_still).then(broken))
}
