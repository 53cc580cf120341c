//! What a stack has otherwise than its files say, so that it can stand beside another environment on one host.

use std::collections::{BTreeMap, BTreeSet};

use super::ObservedEnvironment;
use super::planner::name_before;
use super::ports::{collide, wanted_ports};
use crate::config::{Beside, Settings};
use crate::domain::{
    EnvironmentName, ImageReference, PortMapping, Render, ServiceName, ServiceSpec, StackChange,
};

/// Lets every environment stand beside the others: its render becomes what will be started, and names the changes.
pub(crate) fn stand_beside(
    settings: &Settings,
    environments: &mut BTreeMap<EnvironmentName, ObservedEnvironment>,
) {
    let renders = environments.values().map(|environment| &environment.render).collect();
    let host = Host { settings, renders };
    let of = |name: &EnvironmentName, environment: &ObservedEnvironment| {
        (name.clone(), host.changes(&environment.render))
    };
    let all: Vec<_> = environments.iter().map(|(name, environment)| of(name, environment)).collect();
    for (name, changes) in all {
        let render = environments.get_mut(&name).map(|environment| &mut environment.render);
        let is_changed =
            |render: &&mut Render| !changes.is_empty() || !render.stack.service_env_files.is_empty();
        if let Some(render) = render.filter(is_changed) {
            render.change(changes, settings.derived_file(&name));
        }
    }
}

/// The environments of one host, as their files have them.
struct Host<'a> {
    settings: &'a Settings,
    renders: Vec<&'a Render>,
}

impl<'a> Host<'a> {
    fn changes(&self, render: &Render) -> Vec<StackChange> {
        let mut changes: Vec<_> = self.dropped_ports(render).into_iter().collect();
        let settings = self.settings.environments.get(&render.stack.environment);
        if let Some(beside) = settings.and_then(|settings| settings.beside.as_ref()) {
            changes.extend(self.moved_ports(render, beside));
            changes.extend(self.renamed_containers(render, beside));
            changes.extend(self.renamed_images(render, beside));
        }
        changes
    }

    fn others(&self, render: &Render) -> impl Iterator<Item = &'a Render> {
        let name = render.stack.environment.clone();
        self.renders.iter().copied().filter(move |other| other.stack.environment != name)
    }

    /// Host ports that the environment inherits from another one's files, or from a base that both are laid over, while
    /// it maps the same container port elsewhere: Compose appends lists, so both would be asked for.
    fn dropped_ports(&self, render: &Render) -> BTreeSet<StackChange> {
        // Only an overlay inherits: it lists the files of the environment below it before its own, or some of those that
        // an environment after it lists too.
        let stack = &render.stack;
        let is_inherited_from = |other: &&Render| {
            let (theirs, other) = (&other.stack.files, &other.stack.environment);
            is_below(theirs, &stack.files)
                || (theirs.first() == stack.files.first() && self.is_after(other, &stack.environment))
        };
        let below: Vec<&Render> = self.renders.iter().copied().filter(is_inherited_from).collect();
        let mut dropped = BTreeSet::new();
        for (service, spec) in &render.services {
            let is_inherited = |port: &PortMapping| {
                let base_specs = below.iter().filter_map(|base| base.services.get(service));
                base_specs.into_iter().any(|base_spec| base_spec.ports.contains(port))
            };
            let (inherited, own): (Vec<_>, Vec<_>) = spec.ports.iter().partition(|port| is_inherited(port));
            for port in inherited {
                if own.iter().any(|p| p.target == port.target && p.protocol == port.protocol) {
                    dropped.insert(StackChange::PortDropped { service: service.clone(), port: port.clone() });
                }
            }
        }
        dropped
    }

    /// Whether an environment's releases come from another one, by however many steps.
    fn is_after(&self, after: &EnvironmentName, before: &EnvironmentName) -> bool {
        let origin = |name: &EnvironmentName| self.settings.environments.get(name)?.from.clone();
        // A way visits each environment once at most.
        let way = std::iter::successors(origin(after), origin).take(self.settings.environments.len());
        way.into_iter().any(|name| &name == before)
    }

    /// The host ports that are kept of what the files ask for, before any is moved.
    fn kept_ports(&self, render: &Render) -> Vec<(ServiceName, PortMapping)> {
        let dropped = self.dropped_ports(render);
        let is_dropped = |service: &ServiceName, port: &PortMapping| {
            dropped.contains(&StackChange::PortDropped { service: service.clone(), port: port.clone() })
        };
        let kept = wanted_ports(render).filter(|(service, port)| !is_dropped(service, port));
        kept.map(|(service, port)| (service.clone(), port.clone())).collect()
    }

    /// Host ports that another environment publishes too. One that can't be moved, since there is no such port or either
    /// publishes it already, stays, and is refused by the isolation gate.
    fn moved_ports(&self, render: &Render, beside: &Beside) -> Vec<StackChange> {
        let Some(offset) = beside.port_offset else { return Vec::new() };
        let own = self.kept_ports(render);
        let theirs: Vec<_> = self.others(render).flat_map(|other| self.kept_ports(other)).collect();
        let moved = own.iter().filter(|(_, port)| theirs.iter().any(|(_, other)| collide(port, other)));
        moved
            .filter_map(|(service, port)| {
                let to = port.published?.checked_add(offset.get())?;
                let there = PortMapping { published: Some(to), ..port.clone() };
                let is_taken = own.iter().chain(&theirs).any(|(_, other)| collide(other, &there));
                let (service, port) = (service.clone(), port.clone());
                (!is_taken).then_some(StackChange::PortMoved { service, port, to })
            })
            .collect()
    }

    /// Container names that another environment gives too.
    fn renamed_containers(&self, render: &Render, beside: &Beside) -> Vec<StackChange> {
        let Some(suffix) = &beside.container_suffix else { return Vec::new() };
        let theirs: BTreeSet<_> = self
            .others(render)
            .flat_map(|other| other.services.values())
            .filter_map(|spec| spec.container_name.as_ref())
            .collect();
        let named = render.services.iter().filter_map(|(service, spec)| {
            let name = spec.container_name.as_ref().filter(|name| theirs.contains(name))?;
            if is_joined_by_name(render, name) {
                return None;
            }
            let to = format!("{name}{suffix}");
            let shared = self.shared_networks(render, spec);
            Some(StackChange::ContainerRenamed { service: service.clone(), name: name.clone(), to, shared })
        });
        named.collect()
    }

    /// The networks of a service that are made elsewhere, or that another environment has too.
    fn shared_networks(&self, render: &Render, spec: &ServiceSpec) -> Vec<String> {
        let theirs: BTreeSet<_> = self
            .others(render)
            .flat_map(|other| other.networks.values())
            .map(|network| network.name.as_str())
            .collect();
        let is_shared = |key: &&String| {
            let network = render.networks.get(*key);
            network.is_none_or(|network| network.external || theirs.contains(network.name.as_str()))
        };
        spec.networks.iter().filter(is_shared).cloned().collect()
    }

    /// Images that are built here or promoted, and that another environment calls the same. A name that can't be made
    /// longer, or that is taken, stays, and is refused by the isolation gate.
    fn renamed_images(&self, render: &Render, beside: &Beside) -> Vec<StackChange> {
        let Some(suffix) = &beside.image_suffix else { return Vec::new() };
        let contested: BTreeSet<ImageReference> =
            self.others(render).flat_map(|other| contested_images(self.settings, render, other)).collect();
        // The name by which an environment goes back is its own too.
        let own = |image: &ImageReference| [Some(image.clone()), name_before(image)];
        let taken = self.renders.iter().flat_map(|render| images(render)).flat_map(own).flatten();
        let taken: Vec<ImageReference> = taken.collect();
        let renamed = render.services.iter().filter_map(|(service, spec)| {
            let image = spec.image.as_ref().filter(|image| contested.contains(image))?;
            let to = image.with_tag(&format!("{}{suffix}", image.tag())).ok()?;
            let (service, image) = (service.clone(), image.clone());
            let is_taken = taken.iter().any(|name| name.is_same_name(&to));
            (!is_taken).then_some(StackChange::ImageRenamed { service, image, to })
        });
        renamed.collect()
    }
}

fn is_below(base: &[std::path::PathBuf], files: &[std::path::PathBuf]) -> bool {
    base.len() < files.len() && files.starts_with(base)
}

/// Whether a service lives in the network of a container of this name: it would then live in the other environment's, so
/// the name stays, and is refused by the isolation gate.
fn is_joined_by_name(render: &Render, name: &str) -> bool {
    let mode = format!("container:{name}");
    render.services.values().any(|spec| spec.network_mode.as_ref() == Some(&mode))
}

fn images(render: &Render) -> impl Iterator<Item = &ImageReference> {
    render.services.values().filter_map(|spec| spec.image.as_ref())
}

/// Image references of two environments that an operation on the one would move under the other: of images that either
/// builds, or that the config lists as promoted. What both only pull, such as a database, is theirs to share.
pub(super) fn contested_images(settings: &Settings, a: &Render, b: &Render) -> BTreeSet<ImageReference> {
    let is_listed = |service| settings.services.get(service).and_then(|s| s.promoted) == Some(true);
    let moved: Vec<_> = [a, b]
        .into_iter()
        .flat_map(|render| &render.services)
        .filter(|(service, spec)| spec.build.is_some() || is_listed(*service))
        .filter_map(|(_, spec)| spec.image.as_ref())
        .collect();
    let is_same = |image: &ImageReference| images(b).any(|other| other.is_same_name(image));
    let is_moved = |image: &ImageReference| moved.iter().any(|other| other.is_same_name(image));
    images(a).filter(|image| is_same(image) && is_moved(image)).cloned().collect()
}
