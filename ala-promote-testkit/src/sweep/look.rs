//! An independent look at the world.

use std::collections::{BTreeMap, BTreeSet};

use ala_promote_core::backend::Clock as _;
use ala_promote_core::domain::ImageId;

use crate::memory::MemoryBackend;

/// What an independent look finds of an environment: what its containers are made of and whether they run, what
/// references name, and where the source stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// By name: image, configuration, and whether it runs.
    pub containers: BTreeMap<String, (ImageId, String, bool)>,
    /// By name.
    pub references: BTreeMap<String, ImageId>,
    /// The commit that is checked out.
    pub source: Option<String>,
    /// Files that hooks left, on the host or in a service.
    pub files: BTreeSet<String>,
}

impl Look {
    /// At an environment, and all references.
    #[must_use]
    pub fn at(world: &MemoryBackend, environment: &str) -> Self {
        let (state, now) = (world.state(), world.clock().now());
        let of_it = state.containers.values().filter(|c| c.stack.environment.as_str() == environment);
        let containers =
            of_it.map(|c| (c.name.clone(), (c.image.clone(), c.config.hash(), state.runs(c, now))));
        let references = state.references.iter().map(|(reference, id)| (reference.to_string(), id.clone()));
        Self {
            containers: containers.collect(),
            references: references.collect(),
            files: state.files.iter().map(|file| format!("{file:?}")).collect(),
            source: state.source.as_ref().map(|tree| tree.head.id.clone()),
        }
    }

    /// Without the names of releases, which tell the time: what matters are the containers, and what the environments'
    /// references name.
    #[must_use]
    pub fn without_names_of_releases(mut self) -> Self {
        let is_name_of_release = |reference: &str| {
            let tag = reference.rsplit(':').next().unwrap_or_default();
            tag.contains("-tested-") || tag.starts_with("adopted-") || tag.contains("-built-")
        };
        self.references.retain(|reference, _| !is_name_of_release(reference));
        self
    }

    /// The image of each container, by the container's name.
    #[must_use]
    pub fn images(&self) -> BTreeMap<String, ImageId> {
        self.containers.iter().map(|(name, (image, ..))| (name.clone(), image.clone())).collect()
    }

    /// Names of containers and references that differ.
    pub(super) fn differing(&self, other: &Self) -> BTreeSet<String> {
        let of = |one: &Self, two: &Self| -> Vec<String> {
            let containers =
                one.containers.iter().filter(|(name, made)| two.containers.get(*name) != Some(made));
            let references = one.references.iter().filter(|(name, id)| two.references.get(*name) != Some(id));
            containers.map(|(name, _)| name.clone()).chain(references.map(|(name, _)| name.clone())).collect()
        };
        of(self, other).into_iter().chain(of(other, self)).collect()
    }
}
