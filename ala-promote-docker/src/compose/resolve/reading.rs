//! How a file may be read that lies beside others: as an overlay on them, or as a stack of its own.

use std::path::{Path, PathBuf};

use ala_promote_core::backend::BackendResult;

use crate::compose::raw::RawFile;

/// A file, and those that it may lie over.
pub(super) struct Beside {
    file: RawFile,
    base: Vec<RawFile>,
}

impl Beside {
    pub(super) fn read(file: &Path, base: &[PathBuf]) -> BackendResult<Self> {
        let base = base.iter().map(|file| RawFile::read(file)).collect::<BackendResult<Vec<_>>>()?;
        Ok(Self { file: RawFile::read(file)?, base })
    }

    /// Whether Compose could render the file by itself.
    pub(super) fn is_complete(&self) -> bool {
        // Compose will say what is wrong with a base that can't be read; that must not be lost by leaving it out.
        self.file.is_complete() && self.base.iter().all(|file| file.understood)
    }

    /// Whether it is a stack of its own: complete, and it leaves out none of the base's services and none of the base's
    /// builds.
    pub(super) fn stands_alone(&self) -> bool {
        self.is_complete()
            && self.has_all_services()
            && self.built_by_base().all(|name| self.file.builds(name))
    }

    /// Whether it could be one as well as an overlay.
    pub(super) fn may_stand_alone(&self) -> bool {
        let is_meant_alone = || self.looks_whole() || self.builds_again() || self.is_named_apart();
        self.has_other_names() || (self.is_complete() && is_meant_alone())
    }

    /// Whether it has all services, and builds what the base builds, though of some it names the Dockerfile alone: in a
    /// folder that is its own by itself, and the base's over that.
    fn looks_whole(&self) -> bool {
        self.has_all_services() && self.built_by_base().all(|name| self.file.may_build(name))
    }

    /// Whether it says again how services of the base are built. One that builds some and replaces the others' builds by
    /// images is an overlay, unless it has all services.
    fn builds_again(&self) -> bool {
        let mut builds =
            self.built_by_base().filter(|name| self.file.has(name)).map(|name| self.file.builds(name));
        let (any, all) =
            builds.by_ref().fold((false, true), |(any, all), builds| (any || builds, all && builds));
        any && (all || self.has_all_services())
    }

    /// Whether it gives its project a name that the base does not give.
    fn is_named_apart(&self) -> bool {
        self.file.name().is_some_and(|name| self.base.iter().all(|file| file.name() != Some(name)))
    }

    /// Whether it could be a stack whose services have other names: each of them has `image` or `build`, and none is one of
    /// the base's, or one of another name is made of the same thing as one of the base's that it does not name. Over the
    /// base it would start the base's services beside its own.
    fn has_other_names(&self) -> bool {
        let file = &self.file;
        if file.services().next().is_none() || file.services().any(|(_, defined, _)| !defined) {
            return false;
        }
        if self.base.iter().any(|file| !file.understood) {
            return false;
        }
        let is_of_the_base = |name: &str| self.base.iter().any(|file| file.has(name));
        let is_renamed = |name: &str| {
            let is_like =
                |base: &RawFile, other: &str| !file.has(other) && file.is_made_alike(name, base, other);
            self.base.iter().any(|base| base.services().any(|(other, ..)| is_like(base, other)))
        };
        let (shared, others): (Vec<&str>, Vec<&str>) =
            file.services().map(|(name, ..)| name).partition(|name: &&str| is_of_the_base(name));
        shared.is_empty() || others.into_iter().any(is_renamed)
    }

    fn has_all_services(&self) -> bool {
        self.base.iter().flat_map(RawFile::services).all(|(name, ..)| self.file.has(name))
    }

    fn built_by_base(&self) -> impl Iterator<Item = &str> {
        self.base.iter().flat_map(RawFile::services).filter_map(|(name, _, builds)| builds.then_some(name))
    }
}
