//! Host ports: which ones a stack asks for.

use super::changes::changes_of;
use super::{ObservedEnvironment, PlanInput};
use crate::domain::{PortMapping, ServiceName};

/// The host ports that an environment asks for, as they will be.
#[must_use]
pub(super) fn wanted_ports<'a>(
    input: &PlanInput<'_>,
    environment: &'a ObservedEnvironment,
) -> Vec<(&'a ServiceName, PortMapping)> {
    let changes = changes_of(input, environment);
    let services = environment.render.services.iter();
    services
        .flat_map(|(service, spec)| {
            spec.changed(service, &changes).ports.into_iter().map(move |port| (service, port))
        })
        .filter(|(_, port)| port.published.is_some())
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
