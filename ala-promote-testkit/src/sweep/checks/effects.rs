//! No effect without a record before it, and none without the lock.

use std::collections::{BTreeMap, BTreeSet};

use ala_promote_core::domain::OperationId;
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
        match operations.values_mut().find(|operation| at_work(operation)) {
            None => {
                let how = format!("{}: {change:?}, which no record before it allows", moment.what);
                violations.push(Invariant::RecordBeforeEffect.broken(how));
            }
            Some(operation) => {
                operation.changed = true;
                if !holds_the_lock(operation, &moment.state) {
                    let how = format!(
                        "{}, by {}, which does not hold the lock",
                        moment.what, operation.plan.operation
                    );
                    violations.push(Invariant::OneMutator.broken(how));
                }
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
        (Action::Build { .. }, Change::ImageCame(_) | Change::ImageWent(_)) => true,
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

fn holds_the_lock(operation: &Operation, state: &State) -> bool {
    let mut held = state.locks.values().chain(state.tree_locks.values());
    held.any(|lock| lock.alive && lock.holder.operation == operation.plan.operation)
}
