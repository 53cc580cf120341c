//! Which services are databases. Images tell; names don't.

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{Container, DatabaseKind, Render, ServiceDatabase, ServiceName, ServiceSpec};
use futures_util::future::try_join_all;

use super::server::{Server, configured, from_environment, server_of};
use super::{Databases, QUESTION_LIMIT};
use crate::exec;

/// Exits with 0 where a server answers (0) or is not ready yet (1). A program that is missing must not look like the
/// latter: for that, shells give 127 or, as bash does, 1.
const SERVES: &str = "command -v pg_dump >/dev/null || exit 9; pg_isready -q -t 3; [ $? -le 1 ]";

impl Databases {
    pub(super) async fn detect_all(
        &self,
        render: &Render,
        containers: &[Container],
    ) -> BackendResult<Vec<ServiceDatabase>> {
        let looks = render.services.iter().map(|(service, spec)| self.detect_one(service, spec, containers));
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    async fn detect_one(
        &self,
        service: &ServiceName,
        spec: &ServiceSpec,
        containers: &[Container],
    ) -> BackendResult<Option<ServiceDatabase>> {
        let of_service = || containers.iter().filter(|container| &container.service == service);
        let container = of_service().find(|container| container.is_running()).or_else(|| of_service().next());
        let running = container.is_some_and(Container::is_running);
        let server = match container {
            Some(container) => self.server_in(container).await?,
            None => self.server_to_be(spec).await?,
        };
        let Some(server) = server else { return Ok(None) };
        Ok(Some(ServiceDatabase {
            service: service.clone(),
            kind: DatabaseKind::PostgreSql,
            database: server.database().to_owned(),
            user: server.user,
            running,
        }))
    }

    async fn server_in(&self, container: &Container) -> BackendResult<Option<Server>> {
        let Some(inspect) = self.containers.inspect(&container.id).await? else { return Ok(None) };
        if let Some(mut server) = server_of(&inspect) {
            if let Some(file) = server.user_file.take() {
                server.user = self.read_name(container, &file).await?;
            }
            if let Some(file) = server.database_file.take() {
                server.database = Some(self.read_name(container, &file).await?);
            }
            return Ok(Some(server));
        }
        if container.is_running() && self.serves(container).await? {
            let lines = inspect.config.and_then(|config| config.env).unwrap_or_default();
            return Ok(Some(configured(&lines)));
        }
        Ok(None)
    }

    /// Whether an image that says nothing holds a server: `pg_dump` is there, and a server answers on the socket. The
    /// client alone is in many an application's image.
    async fn serves(&self, container: &Container) -> BackendResult<bool> {
        let command = ["sh", "-c", SERVES].map(str::to_owned).to_vec();
        let what = format!("look whether {} is a database", container.name);
        match exec::run(&self.engine, &container.id, command, Vec::new(), &what, QUESTION_LIMIT).await {
            Ok(ended) => Ok(ended.exit_code == 0),
            // An image without a shell is no PostgreSQL; a container that just stopped tells nothing.
            Err(error) if error.kind() != BackendErrorKind::Unavailable => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A stack that does not run yet: what its image says, and what the files will give it.
    async fn server_to_be(&self, spec: &ServiceSpec) -> BackendResult<Option<Server>> {
        let image = match &spec.image {
            Some(reference) => self.images.inspect(&reference.to_string()).await?,
            None => None,
        };
        let mut lines = image.and_then(|image| image.config?.env).unwrap_or_default();
        lines.extend(spec.environment.iter().map(|(key, value)| match is_name(key) {
            true => format!("{key}={}", value.reveal()),
            false => format!("{key}="),
        }));
        Ok(from_environment(&lines))
    }

    async fn read_name(&self, container: &Container, file: &str) -> BackendResult<String> {
        let what = format!("read {file} in {}, which names the database or its role", container.name);
        if !container.is_running() {
            return Err(BackendError::new(BackendErrorKind::Failed, what, "the container does not run")
                .with_hint(format!("start it with `docker start {}`", container.name)));
        }
        let command = ["cat", file].map(str::to_owned).to_vec();
        let ended =
            exec::run(&self.engine, &container.id, command, Vec::new(), &what, QUESTION_LIMIT).await?;
        match ended.stdout.trim() {
            name if ended.exit_code == 0 && !name.is_empty() => Ok(name.to_owned()),
            _ => Err(BackendError::new(BackendErrorKind::Failed, what, "the file can't be read or is empty")),
        }
    }
}

/// Of a service's variables only those that name things are looked at.
fn is_name(key: &str) -> bool {
    matches!(key, "PGDATA" | "POSTGRES_USER" | "POSTGRES_DB" | "POSTGRES_USER_FILE" | "POSTGRES_DB_FILE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_pg_dump_is_no_database_whatever_its_shell() {
        let shells = ["/bin/sh", "/bin/bash"];
        for shell in shells.into_iter().filter(|shell| std::path::Path::new(shell).exists()) {
            let mut command = std::process::Command::new(shell);
            let ended = command.args(["-c", SERVES]).env("PATH", "/nonexistent").status().unwrap();
            assert!(!ended.success(), "{shell}");
        }
    }
}
