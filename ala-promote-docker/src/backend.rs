//! The backend: all ports over one engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use ala_promote_core::backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Builder, Database, Hooks, ImageStore, Lock,
    Probe, Source, Stacks, Witness,
};
use ala_promote_core::domain::ImageStoreKind;

use crate::compose::Compose;
use crate::connect::Endpoint;
use crate::database::Databases;
use crate::engine::Engine;
use crate::git::Git;
use crate::images::Images;
use crate::lock::Locks;
use crate::probe::{Address, Probes};
use crate::process::LockSlot;
use crate::stacks::DockerStacks;
use crate::witness::Witnesses;

/// What a [`DockerBackend`] is made from. Nothing else is looked at: neither the process's environment nor its
/// working directory.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DockerOptions {
    /// The environment: `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`, `HOME` say which engine, and child processes
    /// get it, but for what would change the meaning of Compose files. `ALA_PROMOTE_ENGINE_ADDRESS` says where
    /// published ports answer.
    pub environment: BTreeMap<String, String>,
    /// Where published ports answer, if the config says so; before what the environment says.
    pub engine_address: Option<String>,
}

impl DockerOptions {
    /// With an environment and nothing else said.
    #[must_use]
    pub fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment, ..Self::default() }
    }

    /// Says where published ports answer.
    #[must_use]
    pub fn with_engine_address(mut self, address: Option<String>) -> Self {
        self.engine_address = address;
        self
    }
}

/// The Docker engine of this host, and the user's own Compose and Git.
#[derive(Debug)]
pub struct DockerBackend {
    description: String,
    images: Images,
    source: Git,
    stacks: DockerStacks,
    databases: Databases,
    probes: Probes,
    locks: Locks,
    witnesses: Witnesses,
}

/// The environment's word on where published ports answer.
const ENGINE_ADDRESS: &str = "ALA_PROMOTE_ENGINE_ADDRESS";

impl DockerBackend {
    /// Finds the engine and Compose, and asks both what they are.
    ///
    /// # Errors
    /// `Unavailable` when the engine or Compose is not there or may not be used, `Unsupported` for engines on other
    /// hosts and for Podman, `Invalid` when the Docker client's configuration can't be used. Each with the mend.
    pub async fn connect(options: DockerOptions) -> BackendResult<Self> {
        let DockerOptions { environment, engine_address } = options;
        let endpoint = Endpoint::from_environment(&environment)?;
        let said = engine_address
            .or_else(|| environment.get(ENGINE_ADDRESS).cloned())
            .filter(|address| !address.is_empty());
        let address = Address::new(said, &endpoint);
        let engine = Arc::new(Engine::connect(endpoint).await?);
        let slot = LockSlot::default();
        let compose = Compose::detect(&environment, &engine.endpoint.docker_host(), slot.clone()).await?;
        if compose.breaks_on(engine.api) {
            return Err(BackendError::new(
                BackendErrorKind::Unsupported,
                format!("use {} with Docker Engine {}", compose.describe(), engine.version),
                "it stops a container and then fails to start the new one (KeyError: 'ContainerConfig')",
            )
            .with_hint("install Docker Compose v2: the package docker-compose-plugin or docker-compose-v2"));
        }
        let compose = Arc::new(compose);
        let shared = || Arc::clone(&engine);
        Ok(Self {
            description: format!("{}, {}", describe(&engine), compose.describe()),
            source: Git::with_lock(&environment, slot.clone()),
            images: Images::new(shared()),
            stacks: DockerStacks::new(shared(), Arc::clone(&compose), address.clone()),
            databases: Databases::new(shared(), compose),
            probes: Probes::new(shared(), address)?,
            locks: Locks::new(shared(), slot),
            witnesses: Witnesses::new(shared()),
        })
    }
}

fn describe(engine: &Engine) -> String {
    let store = match engine.store {
        ImageStoreKind::Containerd => "containerd",
        _ => "classic",
    };
    format!("Docker Engine {} ({store} store)", engine.version)
}

impl Backend for DockerBackend {
    fn describe(&self) -> String {
        self.description.clone()
    }

    fn images(&self) -> &dyn ImageStore {
        &self.images
    }

    fn stacks(&self) -> &dyn Stacks {
        &self.stacks
    }

    fn builder(&self) -> &dyn Builder {
        &self.stacks
    }

    fn source(&self) -> &dyn Source {
        &self.source
    }

    fn database(&self) -> &dyn Database {
        &self.databases
    }

    fn hooks(&self) -> &dyn Hooks {
        &self.stacks
    }

    fn probe(&self) -> &dyn Probe {
        &self.probes
    }

    fn lock(&self) -> &dyn Lock {
        &self.locks
    }

    fn witness(&self) -> &dyn Witness {
        &self.witnesses
    }
}
