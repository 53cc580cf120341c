//! What health means for a service, and what was seen.

use serde::{Deserialize, Serialize};

use super::{ImageId, PortMapping, ServiceName};

/// What to look at for one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthTarget {
    /// The service.
    pub service: ServiceName,
    /// What people call it: `Backend`.
    pub display: String,
    /// Whether it is promoted; only then are its published ports asked over HTTP.
    pub promoted: bool,
    /// Whether it is expected to end with exit code 0 rather than to keep running.
    pub job: bool,
    /// The ports that the Compose files publish.
    pub ports: Vec<PortMapping>,
    /// The path asked over HTTP, from the config. Without one `/` is asked, and only of a service that has no health
    /// check of its own: many an API has nothing at `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many containers are expected.
    pub replicas: u32,
}

/// What one look at one service found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// The service.
    pub service: ServiceName,
    /// The verdict of this look.
    pub verdict: HealthVerdict,
    /// What was looked at and found: `HTTP 200 at http://127.0.0.1:8080/`, `port open: 5433`.
    pub evidence: String,
    /// The published port that answered; `None` where none was asked.
    pub port: Option<u16>,
    /// Ids of the images of the containers that were looked at.
    pub images: Vec<ImageId>,
    /// A number that changes whenever a container was restarted or replaced between two looks.
    pub generation: String,
}

/// What a look says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HealthVerdict {
    /// It works.
    Healthy,
    /// It does not yet; look again.
    Starting,
    /// It does not, and will not by waiting.
    Failed,
}
