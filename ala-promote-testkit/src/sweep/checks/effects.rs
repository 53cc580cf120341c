//! No effect without a record before it, and none without the lock.

use std::collections::{BTreeMap, BTreeSet};

use ala_promote_core::domain::{OperationId, PullSource};
use ala_promote_core::plan::{Action, Step};

use super::Change;
use crate::memory::{Moment, State};
use crate::sweep::timeline::Operation;
use crate::sweep::{Invariant, Violation};

/// Each change must be one that a step may make that a record said may be at work, and its operation must hold the lock.
pub(in crate::sweep) fn effects(
    operations: &mut BTreeMap<OperationId, Operation>,
    changes: &BTreeSet<Change>,
    moment: &Moment,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for change in changes {
        let at_work = |operation: &Operation| {
            operation.is_open() && operation.open_steps().any(|step| may_make(step, change))
        };
        // One that was killed may still have steps open that allow the same; then it was not the one.
        let who = operations.values().filter(|operation| at_work(operation));
        let who: Vec<&OperationId> = who.map(|operation| &operation.plan.operation).collect();
        let holds = |id: &&&OperationId| holds_the_lock(id, &moment.state);
        match (who.iter().find(holds), who.first()) {
            (Some(id), _) => {
                let id = (**id).clone();
                operations.get_mut(&id).into_iter().for_each(|operation| operation.changed = true);
            }
            (None, Some(id)) => {
                let id = (**id).clone();
                operations.get_mut(&id).into_iter().for_each(|operation| operation.changed = true);
                let how = format!("{}, by {id}, which does not hold the lock", moment.what);
                violations.push(Invariant::OneMutator.broken(how));
            }
            (None, None) => {
                let how = format!("{}: {change:?}, which no record before it allows", moment.what);
                violations.push(Invariant::RecordBeforeEffect.broken(how));
            }
        }
    }
    violations
}

/// Whether a step, or its undo, may make this change.
fn may_make(step: &Step, change: &Change) -> bool {
    match (&step.action, change) {
        (Action::Fetch { .. }, Change::Source)
        | (Action::Hook { .. }, Change::Hook)
        | (Action::External { .. }, _) => true,
        (Action::Build { targets, .. }, Change::Reference(changed)) => targets.values().any(|r| r == changed),
        (Action::Pull { targets, .. }, Change::Reference(changed)) => {
            targets.values().any(|target| matches!(&target.source, PullSource::Tag(tag) if tag == changed))
        }
        // Pulling again, or giving a tag back, may leave an image without its last reference.
        (Action::Build { .. } | Action::Pull { .. }, Change::ImageCame(_) | Change::ImageWent(_)) => true,
        (Action::Tag { reference, .. } | Action::Untag { reference }, Change::Reference(changed)) => {
            reference == changed
        }
        // With its last reference an image may go.
        (Action::Untag { .. } | Action::Tag { prior: None, .. }, Change::ImageWent(_)) => true,
        (Action::Swap { stack, services, .. }, Change::Container(environment, service)) => {
            stack.environment == *environment && services.contains(service)
        }
        _ => false,
    }
}

fn holds_the_lock(operation: &OperationId, state: &State) -> bool {
    let mut held = state.locks.values().chain(state.tree_locks.values());
    held.any(|lock| lock.alive && lock.holder.operation == *operation)
}
