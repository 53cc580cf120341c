//! Containers as the engine has them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, ImageStore};
use ala_promote_core::domain::{
    Container, ContainerHealth, ContainerState, ImageId, ImageIdentity, PortMapping, ProjectName, ServiceName,
};
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum as Status, ContainerSummary, HealthStatusEnum, PortMap,
};
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::engine::Engine;
use crate::error::{engine_error, is_not_found};
use crate::images::Images;
use crate::labels;

/// How many containers are looked at side by side.
const LOOKS_AT_ONCE: usize = 8;

/// A look at one container: what the engine says, and what it comes to.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// What it comes to.
    pub(crate) container: Container,
    /// All that the engine says. Holds secrets.
    pub(crate) inspect: ContainerInspectResponse,
}

/// Reads containers of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Containers {
    engine: Arc<Engine>,
    images: Images,
}

impl Containers {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { images: Images::new(Arc::clone(&engine)), engine }
    }

    /// All containers of a project, stopped ones included, one-off ones not; sorted by name.
    pub(crate) async fn of_project(&self, project: &ProjectName) -> BackendResult<Vec<Look>> {
        self.refuse_swarm(project).await?;
        let what = format!("look at the containers of {project}");
        let listed = self.labelled(labels::PROJECT, project.as_str()).await?;
        let mut ids = Vec::new();
        for summary in listed.into_iter().filter(|summary| !is_one_off(summary)) {
            let Some(service) = label(&summary, labels::SERVICE) else { continue };
            let service = ServiceName::new(service)
                .map_err(|error| BackendError::new(BackendErrorKind::Invalid, &what, error.to_string()))?;
            ids.extend(summary.id.map(|id| (id, service)));
        }
        let inspected: Vec<_> = stream::iter(ids)
            .map(|(id, service)| async move {
                Ok::<_, BackendError>(self.inspect(&id).await?.map(|inspect| (inspect, service)))
            })
            .buffered(LOOKS_AT_ONCE)
            .try_collect()
            .await?;
        let mut images = HashMap::new();
        let mut looks = Vec::new();
        for (inspect, service) in inspected.into_iter().flatten() {
            let image = self.image_of(&inspect, &mut images).await?;
            let container = container_of(&inspect, service, image);
            looks.push(Look { container, inspect });
        }
        looks.sort_by(|a, b| a.container.name.cmp(&b.container.name));
        Ok(looks)
    }

    /// `None` when it is gone.
    pub(crate) async fn inspect(&self, id: &str) -> BackendResult<Option<ContainerInspectResponse>> {
        match self.engine.docker().inspect_container(id, None).await {
            Ok(inspect) => Ok(Some(inspect)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(engine_error("look at a container", error)),
        }
    }

    /// All containers that have a label, with this value.
    pub(crate) async fn labelled(&self, key: &str, value: &str) -> BackendResult<Vec<ContainerSummary>> {
        self.list(&[("label", format!("{key}={value}"))]).await
    }

    /// All containers that have all of these labels, each as `key=value`.
    pub(crate) async fn labelled_all(&self, labels: &[String]) -> BackendResult<Vec<ContainerSummary>> {
        let filters: Vec<_> = labels.iter().map(|label| ("label", label.clone())).collect();
        self.list(&filters).await
    }

    /// All containers that pass the filters, stopped ones included.
    pub(crate) async fn list(&self, filters: &[(&str, String)]) -> BackendResult<Vec<ContainerSummary>> {
        let mut by_key: HashMap<String, Vec<String>> = HashMap::new();
        for (key, value) in filters {
            by_key.entry((*key).to_owned()).or_default().push(value.clone());
        }
        let filters = by_key;
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        self.engine
            .docker()
            .list_containers(Some(options))
            .await
            .map_err(|error| engine_error("list the engine's containers", error))
    }

    /// A stack of that name which Swarm runs would be a second one beside ours.
    async fn refuse_swarm(&self, project: &ProjectName) -> BackendResult<()> {
        let owned = self.labelled(labels::SWARM_STACK, project.as_str()).await?;
        match owned.iter().find(|summary| label(summary, labels::SWARM_SERVICE).is_some()) {
            None => Ok(()),
            Some(summary) => Err(BackendError::new(
                BackendErrorKind::Unsupported,
                format!("use the stack {project}"),
                format!(
                    "Swarm owns its container {}, and services that Swarm owns are not supported yet",
                    name_of(summary)
                ),
            )
            .with_hint("deploy it with `docker stack deploy`, or remove it with `docker stack rm` first")),
        }
    }

    async fn image_of(
        &self,
        inspect: &ContainerInspectResponse,
        known: &mut HashMap<String, ImageIdentity>,
    ) -> BackendResult<ImageIdentity> {
        let id = inspect.image.clone().unwrap_or_default();
        if let Some(image) = known.get(&id) {
            return Ok(image.clone());
        }
        let found = self.images.find(&ImageId::new(&id)).await?;
        let image = found.unwrap_or_else(|| ImageIdentity {
            id: ImageId::new(&id),
            store: self.engine.store,
            layers: Vec::new(),
            platform: inspect.platform.clone().unwrap_or_default(),
            created: None,
        });
        known.insert(id, image.clone());
        Ok(image)
    }
}

/// The value of a label in a listing.
pub(crate) fn label<'a>(summary: &'a ContainerSummary, key: &str) -> Option<&'a str> {
    summary.labels.as_ref()?.get(key).map(String::as_str)
}

/// Whether `docker compose run` made it.
pub(crate) fn is_one_off(summary: &ContainerSummary) -> bool {
    label(summary, labels::ONE_OFF).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The name in a listing, without its slash.
pub(crate) fn name_of(summary: &ContainerSummary) -> String {
    let name = summary.names.iter().flatten().next().or(summary.id.as_ref());
    name.map(|name| name.trim_start_matches('/').to_owned()).unwrap_or_default()
}

/// A container's labels.
pub(crate) fn labels_of(inspect: &ContainerInspectResponse) -> BTreeMap<&str, &str> {
    let labels = inspect.config.iter().flat_map(|config| config.labels.iter().flatten());
    labels.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn container_of(inspect: &ContainerInspectResponse, service: ServiceName, image: ImageIdentity) -> Container {
    let labels = labels_of(inspect);
    let made_with = inspect.config.as_ref().and_then(|config| config.image.as_deref());
    // An id has the form of a reference, but is none.
    let reference = labels
        .get(labels::IMAGE_REFERENCE)
        .copied()
        .or(made_with.filter(|name| !name.starts_with("sha256:")));
    Container {
        id: inspect.id.clone().unwrap_or_default(),
        name: inspect.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
        service,
        image,
        image_reference: reference.and_then(|name| name.parse().ok()),
        state: state_of(inspect),
        restarts: inspect.restart_count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
        ports: ports_of(inspect),
        config_hash: labels.get(labels::CONFIG_HASH).map(|hash| (*hash).to_owned()),
        health: health_of(inspect),
    }
}

fn state_of(inspect: &ContainerInspectResponse) -> ContainerState {
    let state = inspect.state.as_ref();
    match state.and_then(|state| state.status) {
        Some(Status::CREATED) => ContainerState::Created,
        Some(Status::RUNNING | Status::STOPPING) => ContainerState::Running,
        Some(Status::PAUSED) => ContainerState::Paused,
        Some(Status::RESTARTING) => ContainerState::Restarting,
        Some(Status::EXITED) => {
            ContainerState::Exited(state.and_then(|state| state.exit_code).unwrap_or_default())
        }
        Some(Status::DEAD | Status::REMOVING | Status::EMPTY) | None => ContainerState::Dead,
    }
}

fn health_of(inspect: &ContainerInspectResponse) -> Option<ContainerHealth> {
    match inspect.state.as_ref()?.health.as_ref()?.status? {
        HealthStatusEnum::STARTING => Some(ContainerHealth::Starting),
        HealthStatusEnum::HEALTHY => Some(ContainerHealth::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(ContainerHealth::Unhealthy),
        HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => None,
    }
}

/// Ports that are bound now, or those that would be.
fn ports_of(inspect: &ContainerInspectResponse) -> Vec<PortMapping> {
    let bound = bound_ports(inspect);
    if !bound.is_empty() {
        return bound;
    }
    mappings(inspect.host_config.as_ref().and_then(|config| config.port_bindings.as_ref()))
}

/// Ports that are bound now.
pub(crate) fn bound_ports(inspect: &ContainerInspectResponse) -> Vec<PortMapping> {
    mappings(inspect.network_settings.as_ref().and_then(|settings| settings.ports.as_ref()))
}

fn mappings(ports: Option<&PortMap>) -> Vec<PortMapping> {
    let mut found = Vec::new();
    for (key, bindings) in ports.into_iter().flatten() {
        let (target, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let Ok(target) = target.parse() else { continue };
        for binding in bindings.iter().flatten() {
            found.push(PortMapping {
                host_ip: binding.host_ip.clone().filter(|ip| is_specific(ip)),
                published: binding
                    .host_port
                    .as_deref()
                    .and_then(|port| port.parse().ok())
                    .filter(|p| *p != 0),
                target,
                protocol: protocol.to_owned(),
            });
        }
    }
    // IPv4 and IPv6 are bound each for itself, and are one mapping to people.
    found.sort();
    found.dedup();
    found
}

/// Whether an address is one, and not all of them.
pub(crate) fn is_specific(ip: &str) -> bool {
    !matches!(ip, "" | "0.0.0.0" | "::" | "[::]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::PortBinding;

    #[test]
    fn a_port_of_both_address_families_is_one() {
        let bind = |ip: &str| PortBinding { host_ip: Some(ip.into()), host_port: Some("8080".into()) };
        let ports = PortMap::from([
            ("80/tcp".to_owned(), Some(vec![bind("0.0.0.0"), bind("::")])),
            ("53/udp".to_owned(), Some(vec![bind("127.0.0.1")])),
            ("9000/tcp".to_owned(), None),
        ]);
        let all = |target, protocol: &str, ip: Option<&str>| PortMapping {
            host_ip: ip.map(str::to_owned),
            published: Some(8080),
            target,
            protocol: protocol.into(),
        };
        assert_eq!(mappings(Some(&ports)), [all(80, "tcp", None), all(53, "udp", Some("127.0.0.1"))]);
    }

    #[test]
    fn an_id_is_no_reference() {
        let inspect = |image: &str, label: Option<&str>| ContainerInspectResponse {
            config: Some(bollard::models::ContainerConfig {
                image: Some(image.into()),
                labels: label.map(|l| HashMap::from([(labels::IMAGE_REFERENCE.to_owned(), l.to_owned())])),
                ..Default::default()
            }),
            ..Default::default()
        };
        let image = ImageIdentity {
            id: ImageId::new("sha256:1"),
            store: ala_promote_core::domain::ImageStoreKind::Classic,
            layers: vec![],
            platform: "linux/amd64".into(),
            created: None,
        };
        let reference = |inspect| {
            let container = container_of(&inspect, ServiceName::new("api").unwrap(), image.clone());
            container.image_reference.map(|r| r.to_string())
        };
        let id = format!("sha256:{}", "0".repeat(64));
        assert_eq!(reference(inspect("ala-api:staging", None)).as_deref(), Some("ala-api:staging"));
        assert_eq!(reference(inspect(&id, None)), None);
        assert_eq!(reference(inspect(&id, Some("ala-api:staging"))).as_deref(), Some("ala-api:staging"));
    }
}
