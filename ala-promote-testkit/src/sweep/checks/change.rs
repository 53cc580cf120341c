//! What changed between two moments, as far as operations may change it.

use std::collections::{BTreeMap, BTreeSet};

use ala_promote_core::domain::{EnvironmentName, ImageId, ImageReference, ServiceName};

use crate::memory::State;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sweep) enum Change {
    /// A reference names something else.
    Reference(ImageReference),
    /// A container came, went, or was told to run or to stop.
    Container(EnvironmentName, ServiceName),
    /// An image came.
    ImageCame(ImageId),
    /// An image went.
    ImageWent(ImageId),
    /// Rows of a database changed.
    Rows,
    /// Another commit is checked out.
    Source,
    /// A hook ran, or its files came or went.
    Hook,
}

impl Change {
    pub(in crate::sweep) fn between(before: &State, after: &State) -> BTreeSet<Self> {
        let mut changes = BTreeSet::new();
        changes.extend(differing(&before.references, &after.references).cloned().map(Self::Reference));
        for id in differing(&before.containers, &after.containers) {
            let container = after.containers.get(id).or_else(|| before.containers.get(id));
            changes
                .extend(container.map(|c| Self::Container(c.stack.environment.clone(), c.service.clone())));
        }
        for id in differing(&before.images, &after.images) {
            let went = !after.images.contains_key(id);
            changes.insert(if went { Self::ImageWent(id.clone()) } else { Self::ImageCame(id.clone()) });
        }
        // An empty database comes with its first container.
        let rows = |state: &State| -> Vec<_> {
            state
                .databases
                .iter()
                .filter(|(_, rows)| !rows.is_empty())
                .map(|(k, r)| (k.clone(), r.clone()))
                .collect()
        };
        if rows(before) != rows(after) {
            changes.insert(Self::Rows);
        }
        if before.source != after.source {
            changes.insert(Self::Source);
        }
        if before.files != after.files || before.hooks_ran != after.hooks_ran {
            changes.insert(Self::Hook);
        }
        changes
    }
}

fn differing<'a, K: Ord, V: PartialEq>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    let changed = before.iter().filter(|(key, value)| after.get(*key) != Some(*value)).map(|(key, _)| key);
    changed.chain(after.keys().filter(|key| !before.contains_key(*key)))
}
