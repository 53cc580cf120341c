//! Health: what the containers say of themselves, and what answers at their published ports.

mod http;
mod service;
mod tcp;

use std::sync::Arc;

use ala_promote_core::backend::{BackendResult, Probe};
use ala_promote_core::domain::{HealthTarget, PortMapping, ServiceHealth, StackRef};
use async_trait::async_trait;
use futures_util::future::join_all;

use crate::connect::Endpoint;
use crate::containers::{Containers, is_specific};
use crate::engine::Engine;

use http::HttpProbe;
pub(crate) use tcp::answers;

/// Looks at services of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Probes {
    engine: Arc<Engine>,
    containers: Containers,
    http: HttpProbe,
    address: Address,
}

/// Where published ports answer.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    said: Option<String>,
    engine: Option<String>,
}

impl Address {
    /// `said` is what settings or the environment say.
    pub(crate) fn new(said: Option<String>, endpoint: &Endpoint) -> Self {
        Self { said, engine: endpoint.tcp_host().map(str::to_owned) }
    }

    /// The address of all ports that are bound to no particular one.
    pub(crate) fn general(&self) -> &str {
        self.said.as_deref().or(self.engine.as_deref()).unwrap_or("127.0.0.1")
    }

    /// The address of one port.
    pub(crate) fn of<'a>(&'a self, port: &'a PortMapping) -> &'a str {
        match (&self.said, &port.host_ip) {
            (None, Some(ip)) if is_specific(ip) => ip,
            _ => self.general(),
        }
    }
}

impl Probes {
    pub(crate) fn new(engine: Arc<Engine>, address: Address) -> BackendResult<Self> {
        let containers = Containers::new(Arc::clone(&engine));
        Ok(Self { engine, containers, http: HttpProbe::new()?, address })
    }
}

#[async_trait]
impl Probe for Probes {
    async fn look(&self, stack: &StackRef, targets: &[HealthTarget]) -> BackendResult<Vec<ServiceHealth>> {
        let looks = self.containers.of_project(&stack.project).await?;
        Ok(join_all(targets.iter().map(|target| self.service(target, &looks))).await)
    }

    fn address(&self) -> String {
        self.address.general().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_was_said_beats_the_port_s_own() {
        let port = |ip: Option<&str>| PortMapping {
            host_ip: ip.map(str::to_owned),
            published: Some(80),
            target: 80,
            protocol: "tcp".into(),
        };
        let unix = Endpoint::Unix("/run/docker.sock".into());
        let tcp = Endpoint::Loopback { host: "::1".into(), port: 2375 };
        let address = |said: Option<&str>, endpoint: &Endpoint, ip| {
            Address::new(said.map(str::to_owned), endpoint).of(&port(ip)).to_owned()
        };
        assert_eq!(address(Some("10.0.0.2"), &tcp, Some("192.0.2.1")), "10.0.0.2");
        assert_eq!(address(None, &tcp, Some("192.0.2.1")), "192.0.2.1");
        assert_eq!(address(None, &tcp, Some("0.0.0.0")), "::1");
        assert_eq!(address(None, &unix, None), "127.0.0.1");
    }
}
