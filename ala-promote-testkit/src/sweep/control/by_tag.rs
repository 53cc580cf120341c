//! What a tag names now counts as what a container runs, and a tag that moved counts as a swap: the script that calls
//! `docker-compose restart`, which never takes a retagged image, and looks at `docker images`.

use std::path::Path;

use ala_promote_core::backend::{Backend as _, BackendResult, Call, PortHolder, Probe, Stacks};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    Container, EnvironmentName, HealthTarget, ImageId, PortMapping, ProjectName, Render, ServiceHealth,
    ServiceName, StackRef,
};
use async_trait::async_trait;

use crate::faults::Faulty;
use crate::memory::MemoryBackend;

/// Compares tags.
#[derive(Debug, Clone)]
pub(super) struct ByTag {
    inner: Faulty<MemoryBackend>,
}

impl ByTag {
    pub(super) fn new(inner: Faulty<MemoryBackend>) -> Self {
        Self { inner }
    }
}

#[async_trait]
impl Stacks for ByTag {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        self.inner.stacks().resolve(settings, environment).await
    }
    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        self.inner.stacks().render(stack).await
    }
    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        let mut containers = self.inner.stacks().containers(project).await?;
        for container in &mut containers {
            if let Some(reference) = &container.image_reference
                && let Some(image) = self.inner.images().resolve(reference).await?
            {
                container.image = image;
            }
        }
        Ok(containers)
    }
    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.inner.stacks().port_holders(wanted).await
    }
    async fn up(&self, _: &StackRef, _: &[ServiceName], _: &Call) -> BackendResult<()> {
        Ok(())
    }
    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        self.inner.stacks().snapshot(stack, services, file).await
    }
    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        self.inner.stacks().restore(stack, file, call).await
    }
    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        self.inner.stacks().discard_snapshot(file).await
    }
}

#[async_trait]
impl Probe for ByTag {
    async fn look(&self, stack: &StackRef, targets: &[HealthTarget]) -> BackendResult<Vec<ServiceHealth>> {
        let mut looks = self.inner.probe().look(stack, targets).await?;
        let containers = self.containers(&stack.project).await?;
        for look in &mut looks {
            let of_it = containers.iter().filter(|container| container.service == look.service);
            look.images = of_it.map(|container| container.image.id.clone()).collect::<Vec<ImageId>>();
        }
        Ok(looks)
    }
    fn address(&self) -> String {
        self.inner.probe().address()
    }
}
