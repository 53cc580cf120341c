//! All that is the case at one moment, and what can never be the case.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ala_promote_core::backend::{
    BackendError, BackendErrorKind, BackendResult, LockHolder, PortHolder, Witnessed,
};
use ala_promote_core::domain::{
    EnvironmentName, HookName, ImageId, ImageReference, OperationId, PortMapping, ProjectName, ServiceName,
};
use jiff::Timestamp;

use super::container::MemoryContainer;
use super::hooks::{FilePlace, RanHook};
use super::image::Image;
use super::registry::Registry;
use super::source::SourceTree;

/// All that is the case at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The image store.
    pub images: BTreeMap<ImageId, Image>,
    /// What references name.
    pub references: BTreeMap<ImageReference, ImageId>,
    /// Containers of all projects, by id.
    pub containers: BTreeMap<String, MemoryContainer>,
    /// Rows of databases. They outlive containers, as a volume's data does.
    pub databases: BTreeMap<(ProjectName, ServiceName), Vec<String>>,
    /// Rows of databases outside of all stacks, by their URLs.
    pub outside: BTreeMap<String, Vec<String>>,
    /// Host ports that are held by something that is no container, with what holds them.
    pub foreign_ports: BTreeMap<u16, String>,
    /// Held locks of projects: on the engine, so that they outlive who made them.
    pub locks: BTreeMap<ProjectName, HeldLock>,
    /// Held locks of source trees: on the host, so that they end with who made them.
    pub tree_locks: BTreeMap<PathBuf, HeldLock>,
    /// What registries have.
    pub registry: Registry,
    /// Files that commands of the team's own made.
    pub files: BTreeSet<(FilePlace, String)>,
    /// Commands of the team's own that are at work, or that a killed process left.
    pub hooks_at_work: BTreeSet<(OperationId, HookName)>,
    /// Commands of the team's own that began, oldest first.
    pub hooks_ran: Vec<RanHook>,
    /// Notes on ledgers by folder.
    pub witness: BTreeMap<PathBuf, Witnessed>,
    /// The source tree, if there is one.
    pub source: Option<SourceTree>,
    /// Free space on every disk.
    pub free_bytes: u64,
    /// After how many bytes a database stops to answer a dump, as if that were all.
    pub dumps_end_after: Option<u64>,
}

/// A held lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    /// Who holds it.
    pub holder: LockHolder,
    /// Whether the holder is alive.
    pub alive: bool,
    /// A child of a dead holder, and until when it works.
    pub child: Option<(String, Timestamp)>,
    /// Tells this holding from any other.
    pub(super) token: u64,
}

impl State {
    /// Containers of a project's service, by name.
    pub fn containers_of<'a>(
        &'a self,
        project: &'a ProjectName,
        service: &'a ServiceName,
    ) -> impl Iterator<Item = &'a MemoryContainer> + 'a {
        self.containers_in(project).filter(move |c| &c.service == service)
    }

    /// Containers of a project, by name.
    pub fn containers_in<'a>(
        &'a self,
        project: &'a ProjectName,
    ) -> impl Iterator<Item = &'a MemoryContainer> + 'a {
        let mut all: Vec<_> = self.containers.values().filter(|c| c.project() == project).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.into_iter()
    }

    /// The image that a reference names.
    #[must_use]
    pub fn resolve(&self, reference: &ImageReference) -> Option<&Image> {
        self.references.get(reference).and_then(|id| self.images.get(id))
    }

    /// Whether a container runs at a time.
    #[must_use]
    pub fn runs(&self, container: &MemoryContainer, now: Timestamp) -> bool {
        container.is_running_at(self.images.get(&container.image), now)
    }

    /// What runs at a time for an environment: the ids of the images of each service's running containers.
    #[must_use]
    pub fn running(
        &self,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> BTreeMap<ServiceName, Vec<ImageId>> {
        let mut running: BTreeMap<ServiceName, Vec<ImageId>> = BTreeMap::new();
        for container in self.containers.values().filter(|c| &c.stack.environment == environment) {
            if self.runs(container, now) {
                running.entry(container.service.clone()).or_default().push(container.image.clone());
            }
        }
        running.values_mut().for_each(|ids| ids.sort());
        running
    }

    /// Ids of an environment's containers, whatever they do.
    #[must_use]
    pub fn container_ids(&self, environment: &EnvironmentName) -> BTreeSet<String> {
        let of_it = |c: &&MemoryContainer| &c.stack.environment == environment;
        self.containers.values().filter(of_it).map(|c| c.id.clone()).collect()
    }

    /// Who holds host ports at a time.
    #[must_use]
    pub fn port_holders(&self, now: Timestamp) -> Vec<PortHolder> {
        let foreign = self.foreign_ports.iter().map(|(port, holder)| PortHolder {
            port: PortMapping {
                host_ip: None,
                published: Some(*port),
                target: *port,
                protocol: "tcp".to_owned(),
            },
            holder: holder.clone(),
            project: None,
            service: None,
        });
        let bound = self.containers.values().filter(|c| self.runs(c, now)).flat_map(|container| {
            container.config.ports.iter().filter(|p| p.published.is_some()).map(|port| PortHolder {
                port: port.clone(),
                holder: container.name.clone(),
                project: Some(container.project().clone()),
                service: Some(container.service.clone()),
            })
        });
        foreign.chain(bound).collect()
    }

    /// Whether any container, running or not, was made from this image.
    #[must_use]
    pub fn is_in_use(&self, id: &ImageId) -> bool {
        self.containers.values().any(|c| &c.image == id)
    }

    /// Fails when this can't be: a reference or a container without its image, a name or a host port taken twice.
    pub(super) fn check(&self, what: &str, now: Timestamp) -> BackendResult<()> {
        let conflict = |detail: String| Err(BackendError::new(BackendErrorKind::Conflict, what, detail));
        if let Some((reference, id)) = self.references.iter().find(|(_, id)| !self.images.contains_key(id)) {
            return conflict(format!(
                "{reference} would name the image {}, which does not exist",
                id.short()
            ));
        }
        let mut names = BTreeSet::new();
        for container in self.containers.values() {
            if !self.images.contains_key(&container.image) {
                return conflict(format!("the image of container {} is in use and can't go", container.name));
            }
            if !names.insert(&container.name) {
                return conflict(format!("the container name {} is already in use", container.name));
            }
        }
        let holders = self.port_holders(now);
        for (index, one) in holders.iter().enumerate() {
            if let Some(other) = holders.iter().skip(index + 1).find(|other| overlap(&one.port, &other.port))
            {
                let port = one.port.published.unwrap_or_default();
                return conflict(format!(
                    "host port {port} is already allocated: {} and {} both want it",
                    one.holder, other.holder
                ));
            }
        }
        Ok(())
    }
}

/// Whether two mappings can't both be bound.
pub(super) fn overlap(one: &PortMapping, other: &PortMapping) -> bool {
    let all = |ip: Option<&str>| matches!(ip, None | Some("" | "0.0.0.0" | "::"));
    let (ip, other_ip) = (one.host_ip.as_deref(), other.host_ip.as_deref());
    one.published.is_some()
        && one.published == other.published
        && one.protocol == other.protocol
        && (all(ip) || all(other_ip) || ip == other_ip)
}
