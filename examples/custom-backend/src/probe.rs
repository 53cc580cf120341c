//! Health: the process is there, and answers on its port.

use std::net::Ipv4Addr;
use std::time::Duration;

use ala_promote_core::backend::{BackendResult, Probe};
use ala_promote_core::domain::{HealthTarget, HealthVerdict, ServiceHealth, StackRef};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::LocalBackend;
use crate::containers::Made;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(2);

#[async_trait]
impl Probe for LocalBackend {
    async fn look(&self, stack: &StackRef, targets: &[HealthTarget]) -> BackendResult<Vec<ServiceHealth>> {
        try_join_all(targets.iter().map(|target| self.look_at(stack, target))).await
    }

    fn address(&self) -> String {
        Ipv4Addr::LOCALHOST.to_string()
    }
}

impl LocalBackend {
    async fn look_at(&self, stack: &StackRef, target: &HealthTarget) -> BackendResult<ServiceHealth> {
        let made = self.made(&stack.project, &target.service)?;
        let (verdict, evidence, port) = match made.as_ref().filter(|made| made.is_running()) {
            Some(made) => answer(made, target).await,
            None => (HealthVerdict::Failed, "it does not run".to_owned(), None),
        };
        Ok(ServiceHealth {
            service: target.service.clone(),
            verdict,
            evidence,
            port,
            images: made.iter().map(|made| made.image.clone()).collect(),
            generation: made.as_ref().map(Made::generation).unwrap_or_default(),
        })
    }
}

/// Without a port there is nothing to ask.
async fn answer(made: &Made, target: &HealthTarget) -> (HealthVerdict, String, Option<u16>) {
    let Some(port) = made.config.port else {
        return (HealthVerdict::Healthy, "its process runs".to_owned(), None);
    };
    let path = target.path.as_deref().unwrap_or("/");
    let url = format!("http://{}:{port}{path}", Ipv4Addr::LOCALHOST);
    match timeout(LIMIT, status_of(port, path)).await {
        Ok(Ok(status)) if status < 400 => {
            (HealthVerdict::Healthy, format!("HTTP {status} at {url}"), Some(port))
        }
        Ok(Ok(status)) => (HealthVerdict::Starting, format!("HTTP {status} at {url}"), Some(port)),
        Ok(Err(error)) => (HealthVerdict::Starting, format!("no answer at {url}: {error}"), Some(port)),
        Err(_) => {
            (HealthVerdict::Starting, format!("no answer at {url} in {} s", LIMIT.as_secs()), Some(port))
        }
    }
}

/// The status that a server answers with.
async fn status_of(port: u16, path: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut begin = Vec::new();
    stream.take(64).read_to_end(&mut begin).await?;
    let text = String::from_utf8_lossy(&begin);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other("that is no HTTP"))
}
