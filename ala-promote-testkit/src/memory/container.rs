//! Containers of the in-memory backend.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ala_promote_core::domain::{
    Container, ContainerHealth, ContainerState, ImageId, ImageIdentity, ImageReference, ImageStoreKind,
    PortMapping, ProjectName, Secret, ServiceName, ServiceSpec, StackRef,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::image::{Image, ImageBehaviour, Restart, digest};

/// All that a container is made with, besides its image: what Compose's configuration hash is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// Environment; the reason why a snapshot's file is secret.
    #[serde(with = "revealed")]
    pub environment: BTreeMap<String, Secret>,
    /// Published ports.
    pub ports: Vec<PortMapping>,
    /// What happens when it ends by itself.
    pub restart: Restart,
    /// The exit code with which it ends at once, for a job.
    pub exits: Option<i64>,
    /// Services without which it does not work.
    pub depends_on: Vec<ServiceName>,
    /// Keys of networks.
    pub networks: Vec<String>,
    /// Keys of volumes.
    pub volumes: Vec<String>,
    /// Host paths.
    pub binds: Vec<PathBuf>,
    /// Whether it has a healthcheck.
    pub healthcheck: bool,
}

impl ContainerConfig {
    pub(super) fn of(spec: &ServiceSpec, exits: Option<i64>) -> Self {
        Self {
            environment: spec.environment.clone(),
            ports: spec.ports.clone(),
            restart: Restart::from_policy(spec.restart.as_deref()),
            exits,
            depends_on: spec.depends_on.keys().cloned().collect(),
            networks: spec.networks.clone(),
            volumes: spec.volumes.clone(),
            binds: spec.binds.iter().map(|bind| bind.source.clone()).collect(),
            healthcheck: spec.healthcheck,
        }
    }

    /// Equal for equal configurations.
    #[must_use]
    pub fn hash(&self) -> String {
        let environment = self.environment.iter().map(|(key, value)| format!("{key}={}", value.reveal()));
        let environment = environment.collect::<Vec<_>>().join("\0");
        let rest = Self { environment: BTreeMap::new(), ..self.clone() };
        digest(&[&environment, &format!("{rest:?}")])
    }
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryContainer {
    /// Its id; never given twice.
    pub id: String,
    /// Its name; no two containers share one.
    pub name: String,
    /// The stack that it was made for; its project is the container's.
    pub stack: StackRef,
    /// Its service.
    pub service: ServiceName,
    /// The image that it was made from.
    pub image: ImageId,
    /// The reference that named the image then.
    pub reference: ImageReference,
    /// What else it was made with.
    pub config: ContainerConfig,
    /// Starts by somebody, restarts by the engine not counted.
    pub starts: u64,
    /// What it was told to do last.
    pub told: Told,
}

/// What a container was told to do last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// Nothing yet.
    Nothing,
    /// To run, at that time.
    Run(Timestamp),
    /// To stop, or it was killed; with that exit code.
    Stop(i64),
}

impl MemoryContainer {
    /// Its project.
    #[must_use]
    pub fn project(&self) -> &ProjectName {
        &self.stack.project
    }

    /// Whether it is made as `other` is, and called like it.
    pub(super) fn is_made_like(&self, other: &Self) -> bool {
        (&self.name, &self.service, &self.image, &self.config)
            == (&other.name, &other.service, &other.image, &other.config)
    }

    /// Its state and how often the engine restarted it, at a time.
    #[must_use]
    pub fn state_at(&self, image: Option<&Image>, now: Timestamp) -> (ContainerState, u64) {
        let since = match self.told {
            Told::Nothing => return (ContainerState::Created, 0),
            Told::Stop(code) => return (ContainerState::Exited(code), 0),
            Told::Run(since) => since,
        };
        if let Some(code) = self.config.exits {
            return (ContainerState::Exited(code), 0);
        }
        let Some(ImageBehaviour::CrashesAfter(life)) = image.map(|i| &i.behaviour) else {
            return (ContainerState::Running, 0);
        };
        let lives = ran_for(since, now).as_nanos() / life.as_nanos().max(1);
        match (lives, self.config.restart) {
            (0, _) => (ContainerState::Running, 0),
            (_, Restart::Never) => (ContainerState::Exited(1), 0),
            (lives, Restart::Always) => (ContainerState::Running, u64::try_from(lives).unwrap_or(u64::MAX)),
        }
    }

    /// Whether it runs at a time.
    #[must_use]
    pub fn is_running_at(&self, image: Option<&Image>, now: Timestamp) -> bool {
        self.state_at(image, now).0 == ContainerState::Running
    }

    /// Whether its check passes at a time, given that it runs; `None` when there is no verdict yet.
    #[must_use]
    pub fn works_at(&self, image: Option<&Image>, now: Timestamp) -> Option<bool> {
        let ran = match self.told {
            Told::Run(since) => ran_for(since, now),
            Told::Nothing | Told::Stop(_) => return Some(false),
        };
        match image.map(|i| &i.behaviour) {
            Some(ImageBehaviour::UnhealthyIn(environment)) => Some(*environment != self.stack.environment),
            Some(ImageBehaviour::HealthyAfter(wait)) if ran < *wait => None,
            Some(ImageBehaviour::Flaps(period)) => {
                Some((ran.as_nanos() / period.as_nanos().max(1)).is_multiple_of(2))
            }
            Some(ImageBehaviour::Never) => None,
            _ => Some(true),
        }
    }

    /// As the port gives it.
    #[must_use]
    pub fn observed_at(&self, image: Option<&Image>, now: Timestamp) -> Container {
        let (state, restarts) = self.state_at(image, now);
        let health = || match self.works_at(image, now) {
            None => ContainerHealth::Starting,
            Some(true) => ContainerHealth::Healthy,
            Some(false) => ContainerHealth::Unhealthy,
        };
        Container {
            id: self.id.clone(),
            name: self.name.clone(),
            service: self.service.clone(),
            image: image.map_or_else(|| gone(&self.image), |i| i.identity.clone()),
            image_reference: Some(self.reference.clone()),
            state,
            restarts,
            ports: self.config.ports.clone(),
            config_hash: Some(self.config.hash()),
            health: self.config.healthcheck.then(health),
        }
    }
}

fn gone(id: &ImageId) -> ImageIdentity {
    ImageIdentity {
        id: id.clone(),
        store: ImageStoreKind::Other,
        layers: Vec::new(),
        platform: String::new(),
        created: None,
    }
}

fn ran_for(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// Secrets as they are, for the snapshot's file only.
mod revealed {
    use std::collections::BTreeMap;

    use ala_promote_core::domain::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<String, Secret>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(map.iter().map(|(key, value)| (key, value.reveal())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, Secret>, D::Error> {
        let plain = BTreeMap::<String, String>::deserialize(from)?;
        Ok(plain.into_iter().map(|(key, value)| (key, Secret::new(value))).collect())
    }
}
