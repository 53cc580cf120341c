//! How tests say what an environment's files say of one service.

use std::fmt::Display;
use std::path::PathBuf;

use ala_promote_core::domain::{Bind, BuildSpec, PortMapping, Secret, ServiceName};

use super::model::ServiceModel;

/// Edits one service of an environment's files.
#[derive(Debug)]
pub struct ServiceEditor<'a> {
    pub(super) name: String,
    pub(super) service: &'a mut ServiceModel,
    pub(super) problems: &'a mut Vec<String>,
}

impl ServiceEditor<'_> {
    /// Takes its image by that reference.
    pub fn image(self, reference: &str) -> Self {
        self.service.spec.image = noted(reference.parse(), self.problems);
        self
    }

    /// Is built, from the folder `../<service>`.
    pub fn build(self) -> Self {
        let context = format!("../{}", self.name);
        self.build_setting("context", &context)
    }

    /// Is built, with a setting such as `target` or `args.API_URL`.
    pub fn build_setting(self, path: &str, value: &str) -> Self {
        let build = self.service.spec.build.get_or_insert_with(BuildSpec::default);
        build.settings.insert(path.to_owned(), Secret::new(value));
        self
    }

    /// Is not built.
    pub fn without_build(self) -> Self {
        self.service.spec.build = None;
        self
    }

    /// Publishes a TCP port on all of the host's addresses.
    pub fn port(self, published: u16, target: u16) -> Self {
        let protocol = "tcp".to_owned();
        self.port_mapping(PortMapping { host_ip: None, published: Some(published), target, protocol })
    }

    /// Publishes a port.
    pub fn port_mapping(self, port: PortMapping) -> Self {
        self.service.spec.ports.push(port);
        self
    }

    /// Publishes no port, until told again.
    pub fn without_ports(self) -> Self {
        self.service.spec.ports.clear();
        self
    }

    /// Has a fixed container name.
    pub fn container_name(self, name: &str) -> Self {
        self.service.spec.container_name = Some(name.to_owned());
        self
    }

    /// Has that network mode.
    pub fn network_mode(self, mode: &str) -> Self {
        self.service.spec.network_mode = Some(mode.to_owned());
        self
    }

    /// Gets that in its environment.
    pub fn environment(self, name: &str, value: &str) -> Self {
        self.service.spec.environment.insert(name.to_owned(), Secret::new(value));
        self
    }

    /// Uses a variable of the env file, without a default.
    pub fn needs_variable(self, name: &str) -> Self {
        self.service.needs.insert(name.to_owned());
        self
    }

    /// Takes this `env_file:`, relative to the environment's folder.
    pub fn env_file(self, path: &str) -> Self {
        self.service.spec.env_files.push(PathBuf::from(path));
        self
    }

    /// Waits for that service, and does not work without it.
    pub fn depends_on(self, service: &str) -> Self {
        if let Some(service) = noted(ServiceName::new(service), self.problems) {
            self.service.spec.depends_on.insert(service, "service_started".to_owned());
        }
        self
    }

    /// Has that restart policy, as Compose spells it.
    pub fn restart(self, policy: &str) -> Self {
        self.service.spec.restart = Some(policy.to_owned());
        self
    }

    /// Runs as that many containers.
    pub fn replicas(self, count: u32) -> Self {
        self.service.spec.replicas = count;
        self
    }

    /// Has a healthcheck.
    pub fn healthcheck(self) -> Self {
        self.service.spec.healthcheck = true;
        self
    }

    /// Joins a network, by key.
    pub fn network(self, key: &str) -> Self {
        self.service.spec.networks.push(key.to_owned());
        self
    }

    /// Mounts a named volume, by key.
    pub fn volume(self, key: &str) -> Self {
        self.service.spec.volumes.push(key.to_owned());
        self
    }

    /// Mounts a folder of the host, to write to; relative to the environment's folder.
    pub fn bind(self, path: &str) -> Self {
        let target = format!("/mnt/{path}");
        self.bind_at(Bind { source: path.into(), target, read_only: false, is_folder: true })
    }

    /// Mounts a host path, relative to the environment's folder.
    pub fn bind_at(self, bind: Bind) -> Self {
        self.service.spec.binds.push(bind);
        self
    }

    /// Is a job: ends at once with that code, and is not started again.
    pub fn job(self, exit_code: i64) -> Self {
        self.service.exits = Some(exit_code);
        self.restart("no")
    }

    /// Runs PostgreSQL with that database and role.
    pub fn postgres(self, database: &str, user: &str) -> Self {
        self.service.postgres = true;
        self.environment("POSTGRES_DB", database).environment("POSTGRES_USER", user)
    }
}

/// The value, or `None` and a note of what is wrong with it.
pub(super) fn noted<T, E: Display>(value: Result<T, E>, problems: &mut Vec<String>) -> Option<T> {
    value.map_err(|error| problems.push(error.to_string())).ok()
}
