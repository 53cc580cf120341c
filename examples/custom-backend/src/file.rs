//! `stack.json`, as people write it:
//!
//! ```json
//! {
//!   "services": {
//!     "web": {
//!       "image": "shop:staging",
//!       "build": { "from": "../source" },
//!       "command": ["./serve"],
//!       "port": 8080
//!     }
//!   }
//! }
//! ```
//!
//! `build.from` is copied; `build.command` runs in the copy. `command` runs in the release, and finds `PORT` and what
//! `environment` says in its environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{
    BuildSpec, ImageReference, PortMapping, Render, Secret, ServiceName, ServiceSpec, StackRef,
};
use serde::{Deserialize, Serialize};

use crate::host::read;

/// A stack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackFile {
    /// Its services.
    pub services: BTreeMap<ServiceName, Service>,
}

/// A service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What it runs.
    pub image: ImageReference,
    /// How that is built; without it, it is built by another service.
    pub build: Option<Build>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The port that it listens on, on 127.0.0.1.
    pub port: Option<u16>,
    /// What it finds in its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// How a release is built.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The folder that is copied, relative to the stack's.
    pub from: PathBuf,
    /// What runs in the copy.
    #[serde(default)]
    pub command: Vec<String>,
}

/// How a service is started, whatever release it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) command: Vec<String>,
    pub(crate) port: Option<u16>,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Config {
    pub(crate) fn ports(&self) -> Vec<PortMapping> {
        let mapping = |port| PortMapping {
            host_ip: Some("127.0.0.1".to_owned()),
            published: Some(port),
            target: port,
            protocol: "tcp".to_owned(),
        };
        self.port.map(mapping).into_iter().collect()
    }
}

impl StackFile {
    /// Reads a stack's file.
    pub(crate) fn of(stack: &StackRef) -> BackendResult<Self> {
        let path = stack.files.first().map_or(Path::new("stack.json"), PathBuf::as_path);
        read(path)?.ok_or_else(|| {
            let detail = format!("{} is not there", path.display());
            BackendError::new(BackendErrorKind::Invalid, format!("render {}", stack.environment), detail)
        })
    }

    pub(crate) fn render(&self, stack: &StackRef) -> Render {
        let services = self.services.iter().map(|(name, service)| (name.clone(), service.spec()));
        Render {
            stack: stack.clone(),
            services: services.collect(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            places: Default::default(),
            notes: Vec::new(),
        }
    }
}

impl Service {
    pub(crate) fn config(&self) -> Config {
        let Self { command, port, environment, .. } = self.clone();
        Config { command, port, environment }
    }

    fn spec(&self) -> ServiceSpec {
        let secret = |(name, value): (&String, &String)| (name.clone(), Secret::new(value.as_str()));
        ServiceSpec {
            image: Some(self.image.clone()),
            build: self.build.as_ref().map(Build::spec),
            ports: self.config().ports(),
            environment: self.environment.iter().map(secret).collect(),
            replicas: 1,
            ..ServiceSpec::default()
        }
    }
}

impl Build {
    /// What must be alike in two environments, so that one's build can be promoted to the other.
    fn spec(&self) -> BuildSpec {
        let settings = [
            ("context".to_owned(), Secret::new(self.from.display().to_string())),
            ("command".to_owned(), Secret::new(self.command.join(" "))),
        ];
        BuildSpec { settings: settings.into() }
    }
}
