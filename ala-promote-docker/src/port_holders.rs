//! Who holds host ports.

use std::sync::Arc;

use ala_promote_core::backend::{BackendResult, PortHolder};
use ala_promote_core::domain::{PortMapping, ProjectName, ServiceName};
use bollard::models::{ContainerSummary, PortSummaryTypeEnum as Protocol};
use futures_util::future::join_all;

use crate::containers::{Containers, is_specific, label, name_of};
use crate::engine::Engine;
use crate::labels;
use crate::probe::{Address, answers};

/// Looks who holds ports.
#[derive(Debug, Clone)]
pub(crate) struct PortHolders {
    containers: Containers,
    address: Address,
}

impl PortHolders {
    pub(crate) fn new(engine: Arc<Engine>, address: Address) -> Self {
        Self { containers: Containers::new(engine), address }
    }

    /// Containers of any project, and other processes as far as a connection shows them.
    pub(crate) async fn of(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        let wanted: Vec<&PortMapping> = wanted.iter().filter(|port| port.published.is_some()).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let containers = self.containers.list(&[("status", "running".to_owned())]).await?;
        let mut holders = Vec::new();
        let mut free = Vec::new();
        for port in wanted {
            let before = holders.len();
            holders.extend(containers.iter().filter(|c| holds(c, port)).map(|c| holder(c, port)));
            if holders.len() == before {
                free.push(port);
            }
        }
        let others = join_all(free.into_iter().map(|port| self.other_process(port))).await;
        holders.extend(others.into_iter().flatten());
        Ok(holders)
    }

    async fn other_process(&self, port: &PortMapping) -> Option<PortHolder> {
        let number = port.published.filter(|_| port.protocol == "tcp")?;
        if !answers(self.address.of(port), number).await {
            return None;
        }
        Some(PortHolder {
            port: port.clone(),
            holder: format!("a process outside Docker (find it with: ss -ltnp 'sport = :{number}')"),
            project: None,
            service: None,
        })
    }
}

fn holds(container: &ContainerSummary, wanted: &PortMapping) -> bool {
    container.ports.iter().flatten().any(|port| {
        let protocol = match port.typ {
            Some(Protocol::UDP) => "udp",
            Some(Protocol::SCTP) => "sctp",
            _ => "tcp",
        };
        port.public_port == wanted.published
            && protocol == wanted.protocol
            && overlap(port.ip.as_deref(), wanted.host_ip.as_deref())
    })
}

/// All addresses and one of them exclude each other.
fn overlap(one: Option<&str>, other: Option<&str>) -> bool {
    match (one.filter(|ip| is_specific(ip)), other.filter(|ip| is_specific(ip))) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn holder(container: &ContainerSummary, port: &PortMapping) -> PortHolder {
    PortHolder {
        port: port.clone(),
        holder: name_of(container),
        project: label(container, labels::PROJECT).and_then(|name| ProjectName::new(name).ok()),
        service: label(container, labels::SERVICE).and_then(|name| ServiceName::new(name).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::PortSummary;

    #[test]
    fn addresses_and_protocols_count() {
        let container = |ip: &str, typ| ContainerSummary {
            ports: Some(vec![PortSummary {
                ip: Some(ip.into()),
                private_port: 80,
                public_port: Some(8080),
                typ: Some(typ),
            }]),
            ..Default::default()
        };
        let wanted = |ip: Option<&str>, protocol: &str| PortMapping {
            host_ip: ip.map(str::to_owned),
            published: Some(8080),
            target: 1,
            protocol: protocol.into(),
        };
        let all = container("0.0.0.0", Protocol::TCP);
        assert!(holds(&all, &wanted(None, "tcp")));
        assert!(holds(&all, &wanted(Some("127.0.0.1"), "tcp")));
        assert!(!holds(&all, &wanted(None, "udp")));
        let one = container("127.0.0.1", Protocol::TCP);
        assert!(holds(&one, &wanted(None, "tcp")));
        assert!(!holds(&one, &wanted(Some("192.0.2.1"), "tcp")));
    }
}
