//! How each service of each project is made.

use std::path::PathBuf;

use ala_promote_core::backend::BackendResult;
use ala_promote_core::domain::{
    Container, ContainerState, ImageId, ImageIdentity, ImageReference, ImageStoreKind, ProjectName,
    ServiceName,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::file::Config;
use crate::host::{LocalBackend, link, read, remove, write};
use crate::processes;

/// How a service is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// Tells it from every other one.
    pub(crate) id: String,
    /// The folder of the stack that it was started from.
    pub(crate) dir: PathBuf,
    pub(crate) project: ProjectName,
    pub(crate) service: ServiceName,
    pub(crate) image: ImageId,
    pub(crate) reference: ImageReference,
    pub(crate) config: Config,
}

impl Made {
    /// Whether it runs the same release in the same way.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        Self { id: String::new(), ..self.clone() } == Self { id: String::new(), ..other.clone() }
    }

    pub(crate) fn is_running(&self) -> bool {
        !processes::of(&self.id).is_empty()
    }

    /// Changes whenever its process is another one.
    pub(crate) fn generation(&self) -> String {
        let pids: Vec<String> =
            processes::of(&self.id).iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
        format!("{} {}", self.id, pids.join(" "))
    }
}

impl LocalBackend {
    fn folder(&self, project: &ProjectName, service: &ServiceName) -> PathBuf {
        self.place("stacks", project.as_str()).join(service.as_str())
    }

    pub(crate) fn made(&self, project: &ProjectName, service: &ServiceName) -> BackendResult<Option<Made>> {
        read(&self.folder(project, service).join("container.json"))
    }

    /// All services of all projects that were ever started here.
    pub(crate) fn all_made(&self) -> BackendResult<Vec<Made>> {
        let mut found = Vec::new();
        for project in names_in(self.root().join("stacks")) {
            for service in names_in(project) {
                found.extend(read(&service.join("container.json"))?);
            }
        }
        Ok(found)
    }

    /// Ensures that the service is made like this, and runs. What is so already keeps its process.
    pub(crate) async fn make(&self, wanted: &Made) -> BackendResult<()> {
        let folder = self.folder(&wanted.project, &wanted.service);
        let made = match self.made(&wanted.project, &wanted.service)? {
            Some(made) if made.is_like(wanted) => made,
            other => {
                if let Some(other) = other {
                    processes::stop(&other.id).await?;
                }
                write(&folder.join("container.json"), wanted)?;
                wanted.clone()
            }
        };
        // A kill may have come between the file and the link.
        link(&folder.join("current"), &self.release(&made.image))?;
        if made.is_running() {
            return Ok(());
        }
        processes::start(&made.id, &made.config, &folder.join("current"), &folder.join("log"))
    }

    /// Ends the process of a service; how it is made stays.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn end(&self, project: &ProjectName, service: &ServiceName) -> BackendResult<()> {
        match self.made(project, service)? {
            Some(made) => processes::stop(&made.id).await,
            None => Ok(()),
        }
    }

    /// Ensures that the service has no container.
    pub(crate) async fn unmake(&self, project: &ProjectName, service: &ServiceName) -> BackendResult<()> {
        self.end(project, service).await?;
        let folder = self.folder(project, service);
        remove(&folder.join("current"))?;
        remove(&folder.join("container.json"))
    }

    /// Ends all services of a project, and forgets how they were made. The engine has no use for it: who takes down a
    /// host does.
    ///
    /// # Errors
    /// When a process does not end, or a file can't be removed.
    pub async fn take_down(&self, project: &ProjectName) -> BackendResult<()> {
        for made in self.all_made()?.into_iter().filter(|made| made.project == *project) {
            self.unmake(project, &made.service).await?;
        }
        Ok(())
    }

    /// A container as the engine sees it.
    pub(crate) fn observed(&self, made: Made) -> Container {
        let gone = || ImageIdentity {
            id: made.image.clone(),
            store: ImageStoreKind::Other,
            layers: Vec::new(),
            platform: String::new(),
            created: None,
        };
        // With what code it ended is not known: it may have been started by a process that is no more.
        let state = if made.is_running() { ContainerState::Running } else { ContainerState::Exited(1) };
        let config = serde_json::to_vec(&made.config).unwrap_or_default();
        Container {
            name: format!("{}-{}", made.project, made.service),
            image: self.image(&made.image).unwrap_or_else(gone),
            state,
            restarts: 0,
            ports: made.config.ports(),
            config_hash: Some(Sha256::digest(config).iter().map(|byte| format!("{byte:02x}")).collect()),
            health: None,
            id: made.id,
            service: made.service,
            image_reference: Some(made.reference),
        }
    }
}

/// The folders in a folder, in the order of their names.
fn names_in(folder: PathBuf) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}
