//! Registries: what was pushed to them, and pulling it.

use std::collections::BTreeMap;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{
    ImageReference, PullSource, PulledImage, RepositoryDigest, ServiceName, StackRef,
};

use super::image::Image;
use super::{MemoryBackend, cancelled};

/// All registries of the in-memory world.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    /// What tags name there.
    pub tags: BTreeMap<ImageReference, RepositoryDigest>,
    /// What was pushed.
    pub images: BTreeMap<RepositoryDigest, Image>,
    /// Whether none of them answers.
    pub down: bool,
}

impl MemoryBackend {
    /// Somebody pushes an image elsewhere. The same version is the same image.
    ///
    /// # Errors
    /// When the reference is none.
    pub fn push(&self, reference: &str, version: &str) -> BackendResult<RepositoryDigest> {
        let what = format!("push {reference}");
        let bad = |error: &dyn std::fmt::Display| {
            BackendError::new(BackendErrorKind::Invalid, &what, error.to_string())
        };
        let reference: ImageReference = reference.parse().map_err(|error| bad(&error))?;
        let content = BTreeMap::from([("pushed".to_owned(), version.to_owned())]);
        let image = Image::made_of(&content, self.now());
        let digest = format!("{}@{}", reference.repository(), image.id());
        let digest: RepositoryDigest = digest.parse().map_err(|error| bad(&error))?;
        self.change(&what, |state, _| {
            state.registry.images.entry(digest.clone()).or_insert(image);
            state.registry.tags.insert(reference, digest.clone());
            Ok(digest)
        })
    }

    /// Somebody deletes an image from its registry, with all tags on it.
    ///
    /// # Errors
    /// Never; it is one of the world's changes.
    pub fn delete_pushed(&self, digest: &RepositoryDigest) -> BackendResult<()> {
        self.change(&format!("delete {digest}"), |state, _| {
            state.registry.images.remove(digest);
            state.registry.tags.retain(|_, named| named != digest);
            Ok(())
        })
    }

    /// Registries stop answering, or answer again.
    ///
    /// # Errors
    /// Never; it is one of the world's changes.
    pub fn set_registries_down(&self, down: bool) -> BackendResult<()> {
        self.change("the registries", |state, _| {
            state.registry.down = down;
            Ok(())
        })
    }

    pub(super) async fn pull_from_registry(
        &self,
        stack: &StackRef,
        sources: &BTreeMap<ServiceName, PullSource>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, PulledImage>> {
        self.step().await;
        let what = format!("pull for {}", stack.environment);
        let model = self.environment_model(&what, &stack.environment)?;
        if let Some(service) = sources.keys().find(|service| !model.services.contains_key(*service)) {
            let detail = format!("there is no service {service}");
            return Err(BackendError::new(BackendErrorKind::NotFound, what, detail));
        }
        let mut pulled = BTreeMap::new();
        for (service, source) in sources {
            call.line(&format!("{service}: pulling {source}"));
            self.step().await;
            if call.cancel.is_cancelled() {
                return Err(cancelled(&what));
            }
            pulled.insert(service.clone(), self.pull_one(source)?);
        }
        Ok(pulled)
    }

    fn pull_one(&self, source: &PullSource) -> BackendResult<PulledImage> {
        let what = format!("pull {source}");
        let error = |kind, detail: &str| BackendError::new(kind, &what, detail);
        self.change(&what, |state, _| {
            if state.registry.down {
                return Err(error(BackendErrorKind::Unavailable, "the registry does not answer"));
            }
            let digest = match source {
                PullSource::Tag(reference) => state.registry.tags.get(reference).cloned(),
                PullSource::Digest(digest) => Some(digest.clone()),
                _ => None,
            };
            let found = digest.and_then(|digest| Some((state.registry.images.get(&digest)?.clone(), digest)));
            let Some((image, digest)) = found else {
                return Err(error(BackendErrorKind::NotFound, "the registry has no such image"));
            };
            let identity = state.images.entry(image.id().clone()).or_insert(image).identity.clone();
            if let PullSource::Tag(reference) = source {
                state.references.insert(reference.clone(), identity.id.clone());
            }
            Ok(PulledImage { identity, digest: Some(digest) })
        })
    }
}
