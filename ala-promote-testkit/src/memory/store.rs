//! The image store's port.

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, ImageStore};
use ala_promote_core::domain::{ImageId, ImageIdentity, ImageReference};
use async_trait::async_trait;

use super::MemoryBackend;
use super::state::State;

#[async_trait]
impl ImageStore for MemoryBackend {
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>> {
        self.step().await;
        Ok(self.state().resolve(reference).map(|image| image.identity.clone()))
    }

    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>> {
        self.step().await;
        Ok(self.state().images.get(id).map(|image| image.identity.clone()))
    }

    async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()> {
        self.step().await;
        let what = format!("tag {} as {reference}", id.short());
        self.change(&what, |state, _| {
            if !state.images.contains_key(id) {
                let detail = "there is no such image in the store";
                return Err(BackendError::new(BackendErrorKind::NotFound, &what, detail));
            }
            state.references.insert(reference.clone(), id.clone());
            Ok(())
        })
    }

    async fn untag(&self, reference: &ImageReference) -> BackendResult<()> {
        self.step().await;
        self.change(&format!("untag {reference}"), |state, _| {
            if let Some(id) = state.references.remove(reference) {
                state.drop_if_unused(&id);
            }
            Ok(())
        })
    }
}

impl State {
    /// Removes an image that has neither a reference nor a container.
    pub(super) fn drop_if_unused(&mut self, id: &ImageId) {
        if !self.references.values().any(|named| named == id) && !self.is_in_use(id) {
            self.images.remove(id);
        }
    }
}
