//! Host ports: which ones a stack asks for.

use crate::domain::{PortMapping, Render, ServiceName};

/// The host ports that a stack asks for.
pub(super) fn wanted_ports(render: &Render) -> impl Iterator<Item = (&ServiceName, &PortMapping)> {
    let ports =
        render.services.iter().flat_map(|(service, spec)| spec.ports.iter().map(move |port| (service, port)));
    ports.filter(|(_, port)| port.published.is_some())
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
