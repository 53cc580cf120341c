//! Ports that say what one hopes for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ala_promote_core::backend::{Backend as _, BackendResult, Call, ImageStore, PortHolder, Probe, Stacks};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    Container, EnvironmentName, HealthTarget, HealthVerdict, ImageId, ImageIdentity, ImageReference,
    PortMapping, ProjectName, Render, ServiceHealth, ServiceName, StackRef,
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

/// What could not be put back is said to be back, also when it is looked at.
#[derive(Debug)]
pub(super) struct Undoing {
    inner: Faulty<MemoryBackend>,
    /// What ran before it was last changed.
    before: Mutex<Option<Vec<Container>>>,
    pretends: Mutex<bool>,
}

impl Undoing {
    pub(super) fn new(inner: Faulty<MemoryBackend>) -> Self {
        Self { inner, before: Mutex::default(), pretends: Mutex::default() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Stacks for Undoing {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        self.inner.stacks().resolve(settings, environment).await
    }
    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        self.inner.stacks().render(stack).await
    }
    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        let pretended = lock(&self.before).clone().filter(|_| *lock(&self.pretends));
        match pretended {
            Some(before) => Ok(before),
            None => self.inner.stacks().containers(project).await,
        }
    }
    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.inner.stacks().port_holders(wanted).await
    }
    async fn up(&self, stack: &StackRef, services: &[ServiceName], call: &Call) -> BackendResult<()> {
        let before = self.inner.stacks().containers(&stack.project).await?;
        *lock(&self.before) = Some(before);
        self.inner.stacks().up(stack, services, call).await
    }
    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        self.inner.stacks().snapshot(stack, services, file).await
    }
    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        if self.inner.stacks().restore(stack, file, call).await.is_err() {
            *lock(&self.pretends) = true;
        }
        Ok(())
    }
    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        self.inner.stacks().discard_snapshot(file).await
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
