//! Host ports: which ones a stack asks for, and which of them it does without.

use std::collections::BTreeSet;

use super::{ObservedEnvironment, PlanInput};
use crate::domain::{DroppedPort, EnvironmentName, PortMapping, ServiceName};

/// Host ports that the environment inherits from another one's files, or from a base that both are laid over, while it
/// maps the same container port elsewhere: Compose appends lists, so both would be asked for.
#[must_use]
pub(super) fn dropped_ports(input: &PlanInput<'_>) -> Vec<DroppedPort> {
    input.target().map_or_else(Vec::new, |target| dropped_ports_of(input, target))
}

fn dropped_ports_of(input: &PlanInput<'_>, environment: &ObservedEnvironment) -> Vec<DroppedPort> {
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
                dropped.insert(DroppedPort { service: service.clone(), port: port.clone() });
            }
        }
    }
    dropped.into_iter().collect()
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

/// The host ports that an environment asks for, without those that it does without.
#[must_use]
pub(super) fn wanted_ports<'a>(
    input: &PlanInput<'_>,
    environment: &'a ObservedEnvironment,
) -> Vec<(&'a ServiceName, &'a PortMapping)> {
    let dropped = dropped_ports_of(input, environment);
    let is_dropped = |service: &ServiceName, port: &PortMapping| {
        dropped.iter().any(|d| &d.service == service && &d.port == port)
    };
    let services = environment.render.services.iter();
    services
        .flat_map(|(service, spec)| spec.ports.iter().map(move |port| (service, port)))
        .filter(|(service, port)| port.published.is_some() && !is_dropped(service, port))
        .collect()
}

/// Whether two mappings can't be bound at the same time.
#[must_use]
pub(super) fn collide(a: &PortMapping, b: &PortMapping) -> bool {
    let any = |ip: &Option<String>| ip.as_deref().is_none_or(|ip| matches!(ip, "" | "0.0.0.0" | "::"));
    a.published.is_some()
        && a.published == b.published
        && a.protocol == b.protocol
        && (any(&a.host_ip) || any(&b.host_ip) || a.host_ip == b.host_ip)
}
