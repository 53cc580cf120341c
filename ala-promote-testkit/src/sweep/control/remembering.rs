//! What was seen once is believed until something is changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ala_promote_core::backend::{Backend as _, BackendResult, Call, ImageStore, PortHolder, Stacks};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    Container, EnvironmentName, ImageId, ImageIdentity, ImageReference, PortMapping, ProjectName, Render,
    ServiceName, StackRef,
};
use async_trait::async_trait;

use crate::faults::Faulty;
use crate::memory::MemoryBackend;

/// Answers again what it answered before.
#[derive(Debug, Clone)]
pub(super) struct Remembering {
    inner: Faulty<MemoryBackend>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    references: BTreeMap<ImageReference, Option<ImageIdentity>>,
    containers: BTreeMap<ProjectName, Vec<Container>>,
}

impl Remembering {
    pub(super) fn new(inner: Faulty<MemoryBackend>) -> Self {
        Self { inner, seen: Arc::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        *self.seen() = Seen::default();
    }
}

#[async_trait]
impl ImageStore for Remembering {
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>> {
        let seen = self.seen().references.get(reference).cloned();
        if let Some(seen) = seen {
            return Ok(seen);
        }
        let found = self.inner.images().resolve(reference).await?;
        self.seen().references.insert(reference.clone(), found.clone());
        Ok(found)
    }
    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>> {
        self.inner.images().find(id).await
    }
    async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()> {
        self.forget();
        self.inner.images().tag(id, reference).await
    }
    async fn untag(&self, reference: &ImageReference) -> BackendResult<()> {
        self.forget();
        self.inner.images().untag(reference).await
    }
}

#[async_trait]
impl Stacks for Remembering {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        self.inner.stacks().resolve(settings, environment).await
    }
    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        self.inner.stacks().render(stack).await
    }
    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        let seen = self.seen().containers.get(project).cloned();
        if let Some(seen) = seen {
            return Ok(seen);
        }
        let found = self.inner.stacks().containers(project).await?;
        self.seen().containers.insert(project.clone(), found.clone());
        Ok(found)
    }
    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.inner.stacks().port_holders(wanted).await
    }
    async fn up(&self, stack: &StackRef, services: &[ServiceName], call: &Call) -> BackendResult<()> {
        self.forget();
        self.inner.stacks().up(stack, services, call).await
    }
    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        self.inner.stacks().snapshot(stack, services, file).await
    }
    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        self.forget();
        self.inner.stacks().restore(stack, file, call).await
    }
    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        self.inner.stacks().discard_snapshot(file).await
    }
}
