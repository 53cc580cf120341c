//! What an operation starts from and comes to, and whether what it says of itself is so.

use ala_promote_core::domain::Outcome;
use ala_promote_core::engine::EngineError;

use super::{Ended, Fault, Host, Invariant, Look, Scenario, SweepError, Violation};
use crate::faults::{CallRecord, FaultPlan};

/// What a run without any fault shows.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) environment: &'static str,
    pub(super) old: Look,
    /// `None` where it is to be taken back or refused.
    pub(super) new: Option<Look>,
    kind: Kind,
    pub(super) calls: Vec<CallRecord>,
    pub(super) writes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Committed,
    Kept,
    RolledBack,
    Refused,
}

impl Ends {
    /// Runs a scenario once without faults.
    pub(super) async fn of(scenario: &Scenario, host: &Host) -> Result<Self, SweepError> {
        let environment = scenario.environment;
        let request = super::host::request(environment, scenario.verb.clone())?;
        let mut old = Look::at(host.world(), environment);
        let ended = host.operate_with(&request, &scenario.besides(FaultPlan::new())).await;
        let (calls, writes) = (host.faults().calls(), host.faults().writes());
        let kind = match &ended {
            Ended::Done(Ok(Outcome::Committed { .. })) => Kind::Committed,
            Ended::Done(Ok(Outcome::Kept { .. })) => Kind::Kept,
            Ended::Done(Ok(Outcome::RolledBack { .. })) => Kind::RolledBack,
            Ended::Done(Err(EngineError::Refused(_))) => Kind::Refused,
            other => return Err(SweepError::new(format!("{scenario:?} without a fault: {other:?}"))),
        };
        let now = Look::at(host.world(), environment);
        if scenario.is_changed_by_hand() && kind == Kind::Refused {
            old = now.clone();
        }
        let new = matches!(kind, Kind::Committed | Kind::Kept).then(|| now.without_names_of_releases());
        Ok(Self { environment, old, new, kind, calls, writes })
    }

    pub(super) fn is_old(&self, host: &Host) -> bool {
        Look::at(host.world(), self.environment) == self.old
    }

    pub(super) fn is_new(&self, host: &Host) -> bool {
        self.new.as_ref() == Some(&Look::at(host.world(), self.environment).without_names_of_releases())
    }

    /// Whether it is one that is meant to be committed.
    pub(super) fn is_to_commit(&self) -> bool {
        self.kind == Kind::Committed
    }

    /// Whether the end of a process is what is the case.
    pub(super) fn check(
        &self,
        host: &Host,
        ended: &Ended,
        faults: &[Fault],
    ) -> Result<Vec<Violation>, SweepError> {
        let untrue = |how: String| {
            let now = Look::at(host.world(), self.environment);
            let differing: Vec<String> = now.differing(&self.old).into_iter().collect();
            Invariant::OutcomeIsTrue.broken(format!("{how}; other than before: {}", differing.join(", ")))
        };
        let is_true = match ended {
            Ended::Killed => return Ok(Vec::new()),
            Ended::GaveUp if faults.iter().any(|fault| fault.hangs()) => return Ok(Vec::new()),
            Ended::GaveUp => {
                let how = "a process did nothing for an hour, though nothing hung";
                return Ok(vec![Invariant::NothingWaitsForEver.broken(how)]);
            }
            Ended::Done(Ok(Outcome::Committed { .. })) => self.kind == Kind::Committed && self.is_new(host),
            Ended::Done(Ok(Outcome::Kept { .. })) => self.kind == Kind::Kept && self.is_new(host),
            Ended::Done(Ok(Outcome::RolledBack { .. })) => self.is_old(host),
            Ended::Done(Ok(Outcome::NeedsAttention { state, commands, .. })) => {
                return Ok(self.check_attention(host, state, commands)?.map(untrue).into_iter().collect());
            }
            // It says that it does not know, and who looks finds it finished or not.
            Ended::Done(Err(EngineError::Ledger { started: true, .. } | EngineError::LockLost { .. })) => {
                true
            }
            Ended::Done(Err(_)) => !host.view()?.unfinished.is_empty() || self.is_old(host),
            _ => false,
        };
        Ok(if is_true { Vec::new() } else { vec![untrue(format!("{ended:?}"))] })
    }

    /// It must be so, say of everything that differs what it is, and leave the operation to be recovered.
    fn check_attention(
        &self,
        host: &Host,
        state: &[String],
        commands: &[String],
    ) -> Result<Option<String>, SweepError> {
        if host.view()?.unfinished.is_empty() {
            return Ok(Some("it needs attention, but nothing is left to recover".to_owned()));
        }
        if state.is_empty() || commands.is_empty() {
            return Ok(Some("it needs attention, and says neither why nor what to do".to_owned()));
        }
        let is_open = |line: &String| line.starts_with("could not look") || line.starts_with("not undone");
        if state.iter().any(is_open) {
            return Ok(None);
        }
        let now = Look::at(host.world(), self.environment).without_names_of_releases();
        let differing = now.differing(&self.old.clone().without_names_of_releases());
        let unsaid = differing.iter().find(|name| !state.iter().any(|line| line.contains(name.as_str())));
        Ok(unsaid.map(|name| format!("it does not say that {name} differs: {state:?}")))
    }
}
