//! Stacks: what Compose does for us, and what is done by hand over the API.

mod hooks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ala_promote_core::backend::{
    BackendError, BackendErrorKind, BackendResult, Builder, Call, ImageStore, PortHolder, Stacks,
};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    Container, EnvironmentName, ImageIdentity, ImageReference, PortMapping, ProjectName, PullSource,
    PulledImage, Render, ServiceName, StackRef,
};
use async_trait::async_trait;
use bollard::models::ContainerSummary;

use crate::compose::{Compose, RunningProject};
use crate::containers::{Containers, is_one_off, label};
use crate::engine::Engine;
use crate::images::Images;
use crate::labels;
use crate::port_holders::PortHolders;
use crate::probe::Address;
use crate::snapshot::Snapshots;

/// The stacks of an engine.
#[derive(Debug)]
pub(crate) struct DockerStacks {
    engine: Arc<Engine>,
    compose: Arc<Compose>,
    containers: Containers,
    images: Images,
    port_holders: PortHolders,
    snapshots: Snapshots,
}

impl DockerStacks {
    pub(crate) fn new(engine: Arc<Engine>, compose: Arc<Compose>, address: Address) -> Self {
        Self {
            compose,
            containers: Containers::new(Arc::clone(&engine)),
            images: Images::new(Arc::clone(&engine)),
            port_holders: PortHolders::new(Arc::clone(&engine), address),
            snapshots: Snapshots::new(Arc::clone(&engine)),
            engine,
        }
    }

    /// All Compose projects that have containers, by how they were started.
    async fn running_projects(&self) -> BackendResult<Vec<RunningProject>> {
        let listed = self.containers.list(&[("label", labels::PROJECT.to_owned())]).await?;
        let mut found: Vec<RunningProject> = Vec::new();
        for started in listed.iter().filter(|summary| !is_one_off(summary)).filter_map(started) {
            match found.iter_mut().find(|other| is_started_alike(other, &started)) {
                Some(other) => other.containers += 1,
                None => found.push(started),
            }
        }
        Ok(found)
    }
}

/// What a container's labels say of how its project was started. Containers that something else made with Compose's
/// labels have no folder.
fn started(summary: &ContainerSummary) -> Option<RunningProject> {
    let files = label(summary, labels::CONFIG_FILES).unwrap_or_default();
    Some(RunningProject {
        project: ProjectName::new(label(summary, labels::PROJECT)?).ok()?,
        working_dir: label(summary, labels::WORKING_DIR)?.into(),
        config_files: files.split(',').filter(|file| !file.is_empty()).map(PathBuf::from).collect(),
        environment_file: label(summary, labels::ENVIRONMENT_FILE)
            .filter(|file| !file.is_empty())
            .map(Into::into),
        containers: 1,
    })
}

fn is_started_alike(one: &RunningProject, other: &RunningProject) -> bool {
    RunningProject { containers: 0, ..one.clone() } == RunningProject { containers: 0, ..other.clone() }
}

#[async_trait]
impl Stacks for DockerStacks {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        let running = self.running_projects().await?;
        self.compose.resolve(settings, environment, &running).await
    }

    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        self.compose.render(stack).await
    }

    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        Ok(self.containers.of_project(project).await?.into_iter().map(|look| look.container).collect())
    }

    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.port_holders.of(wanted).await
    }

    async fn up(&self, stack: &StackRef, services: &[ServiceName], call: &Call) -> BackendResult<()> {
        self.compose.up(stack, services, call).await
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
        stack: &StackRef,
        targets: &BTreeMap<ServiceName, ImageReference>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, ImageIdentity>> {
        self.compose.build(stack, targets, call).await?;
        let mut built = BTreeMap::new();
        for (service, reference) in targets {
            let image = self.images.resolve(reference).await?.ok_or_else(|| {
                BackendError::new(
                    BackendErrorKind::Failed,
                    format!("build the service `{service}`"),
                    format!("Compose said that it was done, but the engine has no {reference}"),
                )
            })?;
            built.insert(service.clone(), image);
        }
        Ok(built)
    }

    async fn pull(
        &self,
        stack: &StackRef,
        sources: &BTreeMap<ServiceName, PullSource>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, PulledImage>> {
        self.compose.pull(stack, sources, call).await?;
        let mut pulled = BTreeMap::new();
        for (service, source) in sources {
            let image = self.images.pulled(source).await?.ok_or_else(|| {
                // Compose passes over a pull that fails where the service could be built instead.
                BackendError::new(
                    BackendErrorKind::NotFound,
                    format!("pull {source}"),
                    "Compose said that it was done, but the engine does not have it",
                )
            })?;
            pulled.insert(service.clone(), image);
        }
        Ok(pulled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn labels_tell_how_a_project_was_started() {
        let labels = [
            (labels::PROJECT, "ala"),
            (labels::WORKING_DIR, "/srv/ala"),
            (labels::CONFIG_FILES, "/srv/ala/a.yml,b.yml"),
        ];
        let labels: HashMap<String, String> = labels.map(|(key, value)| (key.into(), value.into())).into();
        let summary = ContainerSummary { labels: Some(labels), ..ContainerSummary::default() };
        let found = started(&summary).unwrap();
        assert_eq!(found.project.as_str(), "ala");
        assert_eq!(found.config_files, [PathBuf::from("/srv/ala/a.yml"), PathBuf::from("b.yml")]);
        assert_eq!(found.environment_file, None);
        assert!(is_started_alike(&found, &RunningProject { containers: 7, ..found.clone() }));
        assert!(started(&ContainerSummary::default()).is_none());
    }
}
