//! Stacks: what Compose does for us, and what is done by hand over the API.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::{
    BackendError, BackendErrorKind, BackendResult, Builder, Call, Fetched, PortHolder, Source, Stacks,
};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    Container, EnvironmentName, ImageIdentity, ImageReference, PortMapping, ProjectName, Render, ServiceName,
    SourceState, StackRef,
};
use async_trait::async_trait;

use crate::containers::Containers;
use crate::engine::Engine;
use crate::port_holders::PortHolders;
use crate::probe::Address;
use crate::snapshot::Snapshots;

/// The stacks of an engine.
#[derive(Debug, Clone)]
pub(crate) struct DockerStacks {
    containers: Containers,
    port_holders: PortHolders,
    snapshots: Snapshots,
}

impl DockerStacks {
    pub(crate) fn new(engine: Arc<Engine>, address: Address) -> Self {
        Self {
            containers: Containers::new(Arc::clone(&engine)),
            port_holders: PortHolders::new(Arc::clone(&engine), address),
            snapshots: Snapshots::new(engine),
        }
    }
}

fn to_come(what: &str) -> BackendError {
    BackendError::new(BackendErrorKind::Unsupported, what, "not merged yet")
}

#[async_trait]
impl Stacks for DockerStacks {
    async fn resolve(&self, _settings: &Settings, _environment: &EnvironmentName) -> BackendResult<StackRef> {
        Err(to_come("resolve"))
    }

    async fn render(&self, _stack: &StackRef) -> BackendResult<Render> {
        Err(to_come("render"))
    }

    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        Ok(self.containers.of_project(project).await?.into_iter().map(|look| look.container).collect())
    }

    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.port_holders.of(wanted).await
    }

    async fn up(&self, _stack: &StackRef, _services: &[ServiceName], _call: &Call) -> BackendResult<()> {
        Err(to_come("up"))
    }

    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        self.snapshots.save(stack, services, file).await
    }

    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        self.snapshots.restore(stack, file, call).await
    }

    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        Snapshots::discard(file)
    }
}

#[async_trait]
impl Builder for DockerStacks {
    async fn build(
        &self,
        _stack: &StackRef,
        _targets: &BTreeMap<ServiceName, ImageReference>,
        _call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, ImageIdentity>> {
        Err(to_come("build"))
    }
}

#[async_trait]
impl Source for DockerStacks {
    async fn state(&self, _dir: &Path) -> BackendResult<Option<SourceState>> {
        Err(to_come("state"))
    }

    async fn fetch(&self, _dir: &Path, _call: &Call) -> BackendResult<Fetched> {
        Err(to_come("fetch"))
    }
}
