//! What a stack has otherwise than its files say, so that it can stand beside another environment on one host.

use std::collections::BTreeSet;

use super::ports::collide;
use super::{ObservedEnvironment, PlanInput};
use crate::config::Beside;
use crate::domain::{EnvironmentName, PortMapping, ServiceName, ServiceSpec, StackChange};

/// The changes of the environment that the request is about.
#[must_use]
pub(super) fn changes(input: &PlanInput<'_>) -> Vec<StackChange> {
    input.target().map_or_else(Vec::new, |target| changes_of(input, target))
}

/// The changes of an environment.
#[must_use]
pub(super) fn changes_of(input: &PlanInput<'_>, environment: &ObservedEnvironment) -> Vec<StackChange> {
    let mut changes: Vec<_> = dropped_ports(input, environment).into_iter().collect();
    if let Some(beside) = beside(input, environment) {
        changes.extend(moved_ports(input, environment, beside));
        changes.extend(renamed_containers(input, environment, beside));
    }
    changes
}

fn beside<'a>(input: &'a PlanInput<'_>, environment: &ObservedEnvironment) -> Option<&'a Beside> {
    input.settings.environments.get(&environment.render.stack.environment)?.beside.as_ref()
}

fn others<'a>(
    input: &'a PlanInput<'_>,
    environment: &'a ObservedEnvironment,
) -> impl Iterator<Item = &'a ObservedEnvironment> {
    let name = &environment.render.stack.environment;
    input.observed.environments.values().filter(move |other| &other.render.stack.environment != name)
}

/// Host ports that the environment inherits from another one's files, or from a base that both are laid over, while it
/// maps the same container port elsewhere: Compose appends lists, so both would be asked for.
fn dropped_ports(input: &PlanInput<'_>, environment: &ObservedEnvironment) -> BTreeSet<StackChange> {
    // Only an overlay inherits: it lists the files of the environment below it before its own, or some of those that an
    // environment after it lists too.
    let stack = &environment.render.stack;
    let is_inherited_from = |other: &ObservedEnvironment| {
        let (theirs, other) = (&other.render.stack.files, &other.render.stack.environment);
        is_below(theirs, &stack.files)
            || (theirs.first() == stack.files.first() && is_after(input, other, &stack.environment))
    };
    let others = input.observed.environments.values();
    let below: Vec<&ObservedEnvironment> = others.filter(|other| is_inherited_from(other)).collect();
    let mut dropped = BTreeSet::new();
    for (service, spec) in &environment.render.services {
        let is_inherited = |port: &PortMapping| {
            let base_specs = below.iter().filter_map(|base| base.render.services.get(service));
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

fn is_below(base: &[std::path::PathBuf], files: &[std::path::PathBuf]) -> bool {
    base.len() < files.len() && files.starts_with(base)
}

/// Whether an environment's releases come from another one, by however many steps.
fn is_after(input: &PlanInput<'_>, after: &EnvironmentName, before: &EnvironmentName) -> bool {
    let origin = |name: &EnvironmentName| input.settings.environments.get(name)?.from.clone();
    // A way visits each environment once at most.
    let way = std::iter::successors(origin(after), origin).take(input.settings.environments.len());
    way.into_iter().any(|name| &name == before)
}

/// The host ports that are kept of what the files ask for, before any is moved.
fn kept_ports(input: &PlanInput<'_>, environment: &ObservedEnvironment) -> Vec<(ServiceName, PortMapping)> {
    let dropped: Vec<_> = dropped_ports(input, environment).into_iter().collect();
    let services = environment.render.services.iter();
    let kept = services.flat_map(|(service, spec)| {
        spec.changed(service, &dropped).ports.into_iter().map(|port| (service.clone(), port))
    });
    kept.filter(|(_, port)| port.published.is_some()).collect()
}

/// Host ports that another environment publishes too. One that can't be moved, since there is no such port or the stack
/// publishes it already, stays, and is refused by the isolation gate.
fn moved_ports(
    input: &PlanInput<'_>,
    environment: &ObservedEnvironment,
    beside: &Beside,
) -> Vec<StackChange> {
    let Some(offset) = beside.port_offset else { return Vec::new() };
    let own = kept_ports(input, environment);
    let theirs: Vec<_> = others(input, environment).flat_map(|other| kept_ports(input, other)).collect();
    let moved = own.iter().filter(|(_, port)| theirs.iter().any(|(_, other)| collide(port, other)));
    moved
        .filter_map(|(service, port)| {
            let to = port.published?.checked_add(offset.get())?;
            let there = PortMapping { published: Some(to), ..port.clone() };
            let is_taken = own.iter().any(|(_, other)| collide(other, &there));
            let (service, port) = (service.clone(), port.clone());
            (!is_taken).then_some(StackChange::PortMoved { service, port, to })
        })
        .collect()
}

/// Container names that another environment gives too.
fn renamed_containers(
    input: &PlanInput<'_>,
    environment: &ObservedEnvironment,
    beside: &Beside,
) -> Vec<StackChange> {
    let Some(suffix) = &beside.container_suffix else { return Vec::new() };
    let theirs: BTreeSet<_> = others(input, environment)
        .flat_map(|other| other.render.services.values())
        .filter_map(|spec| spec.container_name.as_ref())
        .collect();
    let named = environment.render.services.iter().filter_map(|(service, spec)| {
        let name = spec.container_name.as_ref().filter(|name| theirs.contains(name))?;
        if is_joined_by_name(environment, name) {
            return None;
        }
        let to = format!("{name}{suffix}");
        let shared = shared_networks(input, environment, spec);
        Some(StackChange::ContainerRenamed { service: service.clone(), name: name.clone(), to, shared })
    });
    named.collect()
}

/// Whether a service lives in the network of a container of this name: it would then live in the other environment's, so
/// the name stays, and is refused by the isolation gate.
fn is_joined_by_name(environment: &ObservedEnvironment, name: &str) -> bool {
    let mode = format!("container:{name}");
    environment.render.services.values().any(|spec| spec.network_mode.as_ref() == Some(&mode))
}

/// The networks of a service that are made elsewhere, or that another environment has too.
fn shared_networks(
    input: &PlanInput<'_>,
    environment: &ObservedEnvironment,
    spec: &ServiceSpec,
) -> Vec<String> {
    let theirs: BTreeSet<_> = others(input, environment)
        .flat_map(|other| other.render.networks.values())
        .map(|network| network.name.as_str())
        .collect();
    let is_shared = |key: &&String| {
        let network = environment.render.networks.get(*key);
        network.is_none_or(|network| network.external || theirs.contains(network.name.as_str()))
    };
    spec.networks.iter().filter(is_shared).cloned().collect()
}
