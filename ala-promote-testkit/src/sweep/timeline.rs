//! Records and moments in the order in which they came, and what they come to. Reads each of them once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ala_promote_core::domain::{BackupManifest, OperationId, Outcome, StepId};
use ala_promote_core::ledger::{
    Body, FollowError, Follower, LedgerStore as _, MemoryLedger, Record, Sha256Digest,
};
use ala_promote_core::plan::{Output, Plan, Step};
use serde_json::value::RawValue;

use super::checks::{self, Change};
use super::{Host, Invariant, SweepError, Violation};
use crate::memory::State;

/// What the records say of one operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) plan: Plan,
    /// Steps whose effect or undo may be happening.
    pub(super) open: BTreeSet<StepId>,
    pub(super) backups: Vec<BackupManifest>,
    /// How often an undo of each step was begun.
    pub(super) undone: BTreeMap<StepId, u32>,
    pub(super) outcome: Option<Outcome>,
    /// Whether anything was changed for it.
    pub(super) changed: bool,
}

impl Operation {
    pub(super) fn open_steps(&self) -> impl Iterator<Item = &Step> {
        self.plan.steps().filter(|step| self.open.contains(&step.id))
    }

    pub(super) fn is_open(&self) -> bool {
        self.outcome.is_none()
    }
}

/// All that happened on a host, checked as it is read.
#[derive(Debug)]
pub(super) struct Timeline {
    reader: MemoryLedger,
    /// Records before the host was prepared, which are no concern.
    skipped: u64,
    moments: usize,
    last: Arc<State>,
    pub(super) operations: BTreeMap<OperationId, Operation>,
}

impl Timeline {
    /// Begins now.
    pub(super) fn beginning_at(host: &Host) -> Result<Self, SweepError> {
        let reader = host.ledger().open_again();
        let skipped = reader.refresh(&mut Reading::default())?.seq;
        Ok(Self {
            reader,
            skipped,
            moments: host.world().moments(),
            last: host.world().state(),
            operations: BTreeMap::new(),
        })
    }

    /// Reads what is new, and checks it.
    pub(super) fn catch_up(&mut self, host: &Host) -> Vec<Violation> {
        let mut reading = Reading::default();
        let mut violations = Vec::new();
        if let Err(error) = self.reader.refresh(&mut reading) {
            violations
                .push(Invariant::EveryChangeRecorded.broken(format!("the ledger can't be read: {error}")));
        }
        let skipped = self.skipped;
        let mut records = reading.records.into_iter().filter(|(seq, ..)| *seq > skipped).peekable();
        for moment in host.world().history_from(self.moments) {
            while let Some((_, operation, body)) =
                records.next_if(|(seq, ..)| host.notes.moments_at(*seq) <= self.moments)
            {
                violations.extend(self.take_in(operation.as_deref(), &body));
            }
            if host.was_by_hand(self.moments) {
                self.last = moment.state;
            } else {
                let changes = Change::between(&self.last, &moment.state);
                if !changes.is_empty() {
                    violations.extend(checks::effects(&mut self.operations, &changes, &moment));
                    violations.extend(checks::pins(&self.operations, &moment));
                    violations.extend(checks::backups(&self.operations, &changes, host.world(), &moment));
                }
                self.last = moment.state;
            }
            self.moments += 1;
        }
        for (_, operation, body) in records {
            violations.extend(self.take_in(operation.as_deref(), &body));
        }
        violations
    }

    fn take_in(&mut self, id: Option<&str>, body: &Body) -> Vec<Violation> {
        if let Body::OperationStarted { plan, .. } = body {
            let operation = Operation {
                plan: (**plan).clone(),
                open: BTreeSet::new(),
                backups: Vec::new(),
                undone: BTreeMap::new(),
                outcome: None,
                changed: false,
            };
            self.operations.insert(plan.operation.clone(), operation);
            return checks::plan_is_of(plan, &self.last);
        }
        let Some(operation) = id.and_then(|id| self.operations.get_mut(id)) else { return Vec::new() };
        match body {
            Body::StepStarted { step } => drop(operation.open.insert(step.clone())),
            Body::UndoStarted { step } => {
                operation.open.insert(step.clone());
                *operation.undone.entry(step.clone()).or_default() += 1;
            }
            Body::StepFinished { step, output } => {
                operation.open.remove(step);
                if let Output::BackedUp(manifest) = output {
                    operation.backups.push(manifest.clone());
                }
            }
            Body::StepFailed { step, .. } | Body::UndoFinished { step } | Body::UndoFailed { step, .. } => {
                operation.open.remove(step);
            }
            Body::RecoveryStarted { .. } => operation.outcome = None,
            Body::OperationEnded { outcome } => {
                operation.open.clear();
                operation.outcome = Some(outcome.clone());
            }
            _ => {}
        }
        Vec::new()
    }
}

/// Collects records with their numbers and operations.
#[derive(Debug, Default)]
struct Reading {
    records: Vec<(u64, Option<String>, Body)>,
}

impl Follower for Reading {
    fn reset(&mut self) {
        self.records.clear();
    }
    fn restore(&mut self, _: &RawValue) -> Result<(), FollowError> {
        Err("every record is wanted".into())
    }
    fn apply(&mut self, record: &Record<&RawValue>, _: Sha256Digest) -> Result<(), FollowError> {
        let record = record.typed::<Body>()?;
        self.records.push((record.seq, record.operation, record.body));
        Ok(())
    }
    fn snapshot(&self) -> Result<Box<RawValue>, FollowError> {
        Ok(RawValue::from_string("null".to_owned())?)
    }
}
