//! Ports that say what one hopes for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ala_promote_core::backend::{Backend as _, BackendResult, ImageStore, Probe};
use ala_promote_core::domain::{
    HealthTarget, HealthVerdict, ImageId, ImageIdentity, ImageReference, ServiceHealth, StackRef,
};
use async_trait::async_trait;

use crate::faults::Faulty;
use crate::memory::MemoryBackend;

/// Releases' own tags are said to be set, and are not.
#[derive(Debug)]
pub(super) struct NoPins {
    inner: Faulty<MemoryBackend>,
    said: Mutex<BTreeMap<ImageReference, ImageIdentity>>,
}

impl NoPins {
    pub(super) fn new(inner: Faulty<MemoryBackend>) -> Self {
        Self { inner, said: Mutex::default() }
    }

    fn said(&self) -> MutexGuard<'_, BTreeMap<ImageReference, ImageIdentity>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ImageStore for NoPins {
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>> {
        let said = self.said().get(reference).cloned();
        match said {
            Some(said) => Ok(Some(said)),
            None => self.inner.images().resolve(reference).await,
        }
    }
    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>> {
        self.inner.images().find(id).await
    }
    async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()> {
        let keeps = ["adopted-", "-tested-", "-old"].iter().any(|part| reference.tag().contains(part));
        let found = self.inner.images().find(id).await?;
        match found.filter(|_| keeps) {
            Some(image) => {
                self.said().insert(reference.clone(), image);
                Ok(())
            }
            None => self.inner.images().tag(id, reference).await,
        }
    }
    async fn untag(&self, reference: &ImageReference) -> BackendResult<()> {
        self.said().remove(reference);
        self.inner.images().untag(reference).await
    }
}

/// A tag that could not be put back is said to be back, also when it is looked at.
#[derive(Debug)]
pub(super) struct Undoing {
    inner: Faulty<MemoryBackend>,
    said: Mutex<BTreeMap<ImageReference, Option<ImageIdentity>>>,
}

impl Undoing {
    pub(super) fn new(inner: Faulty<MemoryBackend>) -> Self {
        Self { inner, said: Mutex::default() }
    }

    /// What was done is so; what failed is said to be.
    fn note(&self, reference: &ImageReference, image: Option<ImageIdentity>, done: &BackendResult<()>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(()) => drop(said.remove(reference)),
            Err(_) => drop(said.insert(reference.clone(), image)),
        }
    }
}

#[async_trait]
impl ImageStore for Undoing {
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).get(reference).cloned();
        match said {
            Some(said) => Ok(said),
            None => self.inner.images().resolve(reference).await,
        }
    }
    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>> {
        self.inner.images().find(id).await
    }
    async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()> {
        let done = self.inner.images().tag(id, reference).await;
        let image = self.inner.images().find(id).await?;
        self.note(reference, image, &done);
        Ok(())
    }
    async fn untag(&self, reference: &ImageReference) -> BackendResult<()> {
        let done = self.inner.images().untag(reference).await;
        self.note(reference, None, &done);
        Ok(())
    }
}

/// Everything is healthy.
#[derive(Debug)]
pub(super) struct Hopeful {
    inner: Faulty<MemoryBackend>,
}

impl Hopeful {
    pub(super) fn new(inner: Faulty<MemoryBackend>) -> Self {
        Self { inner }
    }
}

#[async_trait]
impl Probe for Hopeful {
    async fn look(&self, stack: &StackRef, targets: &[HealthTarget]) -> BackendResult<Vec<ServiceHealth>> {
        let mut looks = self.inner.probe().look(stack, targets).await?;
        looks.iter_mut().for_each(|look| look.verdict = HealthVerdict::Healthy);
        Ok(looks)
    }
    fn address(&self) -> String {
        self.inner.probe().address()
    }
}
