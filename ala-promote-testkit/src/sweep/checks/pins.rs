//! What ran before can't be pruned while it may be needed.

use std::collections::BTreeMap;

use ala_promote_core::domain::OperationId;

use crate::memory::{Moment, State};
use crate::sweep::timeline::Operation;
use crate::sweep::{Invariant, Violation};

/// From the first change of a container to the operation's end, every image that ran before must be there and have a
/// name: without one, and without its container, `docker image prune` removes it.
pub(in crate::sweep) fn pins(
    operations: &BTreeMap<OperationId, Operation>,
    moment: &Moment,
) -> Vec<Violation> {
    let open = operations.values().filter(|operation| operation.is_open());
    open.filter_map(|operation| lost(operation, &moment.state))
        .map(|how| Invariant::RollbackImagePinned.broken(format!("{}: {how}", moment.what)))
        .collect()
}

fn lost(operation: &Operation, state: &State) -> Option<String> {
    let before = &operation.plan.before.containers;
    let runs_as_before = |image: &_, name: &str| {
        state.containers.values().any(|container| &container.image == image && container.name == name)
    };
    if before.iter().all(|container| runs_as_before(&container.image, &container.name)) {
        return None;
    }
    let named = |image: &_| state.references.values().any(|id| id == image);
    let container = before.iter().find(|container| !named(&container.image))?;
    let gone = if state.images.contains_key(&container.image) { "has no name" } else { "is gone" };
    Some(format!("the image {} that {} ran {gone}", container.image.short(), container.name))
}
