//! A stack as Compose renders it for one environment, and the containers that run of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    EnvironmentName, ImageId, ImageIdentity, ImageReference, Places, ProjectName, Secret, ServiceName,
};

/// All that a call of Compose needs to mean one environment and no other. Part of plans, so that a recovery needs no
/// config file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRef {
    /// The environment.
    pub environment: EnvironmentName,
    /// The Compose project, given with `-p`.
    pub project: ProjectName,
    /// The project directory, absolute.
    pub dir: PathBuf,
    /// Compose files in order, absolute, given with `-f`.
    pub files: Vec<PathBuf>,
    /// The env file, absolute, given with `--env-file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_file: Option<PathBuf>,
    /// Env files that its services read in the place of those that its files give them, by these; absolute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_env_files: BTreeMap<PathBuf, PathBuf>,
    /// What the stack has otherwise than its files say, so that it can stand beside another one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<StackChange>,
    /// Where the backend writes the rendered files with those changes and env files, 0600, to start the stack from; set
    /// where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived_file: Option<PathBuf>,
}

/// Something that a stack has otherwise than its files say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
#[non_exhaustive]
pub enum StackChange {
    /// It does without a host port that it inherits from its base: an overlay maps the same container port elsewhere, and
    /// Compose, which appends lists, would ask for both.
    PortDropped {
        /// The service that would publish it.
        service: ServiceName,
        /// The mapping that is left out.
        port: PortMapping,
    },
    /// It publishes another host port, since another environment publishes this one.
    PortMoved {
        /// The service that publishes it.
        service: ServiceName,
        /// The mapping as the files have it.
        port: PortMapping,
        /// The host's port that takes its place.
        to: u16,
    },
    /// Its container has another name, since another environment's has this one. The name stays good within the networks
    /// of its own that the container joins.
    ContainerRenamed {
        /// The service.
        service: ServiceName,
        /// The name that the files give.
        name: String,
        /// The name that it has.
        to: String,
        /// Keys of networks that others join too: there the old name would be taken for theirs, so it is not given.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shared: Vec<String>,
    },
    /// It calls an image otherwise, since another environment calls its own so: what is built, pulled or tagged for the
    /// one does not move the other's. Said for each service that runs it.
    ImageRenamed {
        /// The service.
        service: ServiceName,
        /// The reference that the files give.
        image: ImageReference,
        /// The reference that it has.
        to: ImageReference,
    },
}

impl StackChange {
    /// The service that it is about.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::PortDropped { service, .. }
            | Self::PortMoved { service, .. }
            | Self::ContainerRenamed { service, .. }
            | Self::ImageRenamed { service, .. } => service,
        }
    }
}

impl ServiceSpec {
    /// The service with these changes of its stack; those of other services are passed over.
    #[must_use]
    pub fn changed(&self, name: &ServiceName, changes: &[StackChange]) -> Self {
        let mut spec = self.clone();
        for change in changes.iter().filter(|change| change.service() == name) {
            match change {
                StackChange::PortDropped { port, .. } => spec.ports.retain(|p| p != port),
                StackChange::PortMoved { port, to, .. } => {
                    for moved in spec.ports.iter_mut().filter(|p| *p == port) {
                        moved.published = Some(*to);
                    }
                }
                StackChange::ContainerRenamed { to, .. } => spec.container_name = Some(to.clone()),
                StackChange::ImageRenamed { to, .. } => spec.image = Some(to.clone()),
            }
        }
        spec
    }
}

/// What Compose says a stack is: files merged, variables filled in. Holds secrets, so it is neither serialised nor
/// recorded; plans take from it only the names they need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Render {
    /// What was rendered.
    pub stack: StackRef,
    /// Services of the active profiles.
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// Networks by their key in the files.
    pub networks: BTreeMap<String, Resource>,
    /// Named volumes by their key in the files.
    pub volumes: BTreeMap<String, Resource>,
    /// Where the files say it; empty where that is not known.
    pub places: Places,
    /// What was noticed on the way and the reader should know, such as shell variables that were dropped.
    pub notes: Vec<String>,
}

impl Render {
    /// Makes it what is started with these changes of its stack, which names them from now on.
    pub fn change(&mut self, changes: Vec<StackChange>, derived_file: PathBuf) {
        for (service, spec) in &mut self.services {
            *spec = spec.changed(service, &changes);
        }
        self.stack.changes = changes;
        self.stack.derived_file = Some(derived_file);
    }
}

/// A network or a named volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name on the engine.
    pub name: String,
    /// Whether it is made elsewhere, and may so be shared on purpose.
    pub external: bool,
}

/// One service of a render.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceSpec {
    /// The image as rendered, or as Compose names one that it builds; `None` where it is named by digest: such a one can't
    /// be moved, and so is never promoted.
    pub image: Option<ImageReference>,
    /// How to build it; `None` where it is not built here.
    pub build: Option<BuildSpec>,
    /// Published ports.
    pub ports: Vec<PortMapping>,
    /// A fixed container name.
    pub container_name: Option<String>,
    /// Keys of the networks it joins.
    pub networks: Vec<String>,
    /// Keys of the named volumes it mounts.
    pub volumes: Vec<String>,
    /// Host paths it mounts.
    pub binds: Vec<Bind>,
    /// Of these the folders that hold source files and lie in its build context or, where it is not built, in the
    /// project's folder: with where they lie in that.
    pub source_binds: BTreeMap<PathBuf, PathBuf>,
    /// Its environment, env files included. Secret, each of them.
    pub environment: BTreeMap<String, Secret>,
    /// Files given with `env_file:` in the Compose files, or read in their place; they ignore `--env-file`.
    pub env_files: Vec<PathBuf>,
    /// Services that it waits for, with the condition as Compose spells it.
    pub depends_on: BTreeMap<ServiceName, String>,
    /// The restart policy as Compose spells it; `None` where none is set.
    pub restart: Option<String>,
    /// Whether the Compose files declare a healthcheck (the image may bring one of its own).
    pub healthcheck: bool,
    /// How many containers are asked for.
    pub replicas: u32,
    /// The `network_mode`, if one is set.
    pub network_mode: Option<String>,
}

/// A host path that a service mounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bind {
    /// The path, absolute, links followed where it is there.
    pub source: PathBuf,
    /// Where the container has it.
    pub target: String,
    /// Whether the container can't write to it.
    pub read_only: bool,
    /// Whether it is a folder, or not there: then a folder is made.
    pub is_folder: bool,
}

/// The `build:` section of a service, in a form that can be compared across environments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildSpec {
    /// Each setting under its path below `build`, such as `context`, `target`, `args.VITE_API_URL`. Values may hold
    /// secrets.
    pub settings: BTreeMap<String, Secret>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// The host's address that it is bound to; `None` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
    /// The host's port; `None` where the engine chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<u16>,
    /// The container's port.
    pub target: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// One container as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's id.
    pub id: String,
    /// Its name, without a leading slash.
    pub name: String,
    /// The service it runs.
    pub service: ServiceName,
    /// The image it was made from, looked up by id; `identity.layers` is empty where that image is gone.
    pub image: ImageIdentity,
    /// The reference it was made with.
    pub image_reference: Option<ImageReference>,
    /// Its state.
    pub state: ContainerState,
    /// Restarts by the engine since it was made.
    pub restarts: u64,
    /// Ports that are bound now, or would be when it is started.
    pub ports: Vec<PortMapping>,
    /// The configuration hash that Compose put on it.
    pub config_hash: Option<String>,
    /// What its health check says; `None` where it has none.
    pub health: Option<ContainerHealth>,
}

/// Ends of files that are code.
const SOURCE_ENDS: [&str; 11] = ["py", "js", "mjs", "ts", "tsx", "jsx", "go", "rb", "php", "rs", "java"];

/// Whether a file is source code, by its name.
#[must_use]
pub fn is_source_file(path: &Path) -> bool {
    path.extension().and_then(|end| end.to_str()).is_some_and(|end| SOURCE_ENDS.contains(&end))
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "exit_code")]
#[non_exhaustive]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Between two runs.
    Restarting,
    /// Paused.
    Paused,
    /// Ended with an exit code.
    Exited(i64),
    /// Neither usable nor removed.
    Dead,
}

/// What a container's own health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ContainerHealth {
    /// No verdict yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// As many checks in a row failed as the image allows.
    Unhealthy,
}

impl Container {
    /// Whether it runs now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == ContainerState::Running
    }

    /// Whether it is meant to run: one that crashes again and again is between two runs half of the time.
    #[must_use]
    pub fn is_meant_to_run(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Restarting)
    }

    /// Whether it was made from this image.
    #[must_use]
    pub fn runs(&self, id: &ImageId) -> bool {
        &self.image.id == id
    }
}
