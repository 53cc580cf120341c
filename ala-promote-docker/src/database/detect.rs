//! Which services are databases. Images tell; names don't.

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{Container, DatabaseKind, Render, ServiceDatabase, ServiceName, ServiceSpec};
use futures_util::future::try_join_all;

use super::server::{Server, configured, from_environment, server_of};
use super::{Databases, QUESTION_LIMIT, mysql};
use crate::exec;

/// Exits with 0 where PostgreSQL answers or is not ready yet, with 5 where MySQL or MariaDB answers, be it that we may not
/// come in. A program that is missing must not look like either: for that, shells give 127 or, as bash does, 1.
const SERVES: &str = r"if command -v pg_dump >/dev/null; then pg_isready -q -t 3; [ $? -le 1 ] && exit 0; fi
for admin in mariadb-admin mysqladmin; do
  if command -v $admin >/dev/null && $admin --connect-timeout=3 ping >/dev/null 2>&1; then exit 5; fi
done; exit 9";
/// The exit code for MySQL and MariaDB.
const SERVES_MYSQL: i64 = 5;

/// The server of a container.
enum Found {
    PostgreSql(Server),
    MySql(mysql::Server),
}

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
        let found = match container {
            Some(container) => self.server_in(container).await?,
            None => self.server_to_be(spec).await?,
        };
        let service = service.clone();
        Ok(found.map(|found| match found {
            Found::PostgreSql(server) => {
                let database = server.database().to_owned();
                let (kind, user) = (DatabaseKind::PostgreSql, server.user);
                ServiceDatabase { service, kind, database, user, running }
            }
            Found::MySql(mysql::Server { user, database }) => {
                ServiceDatabase { service, kind: DatabaseKind::MySql, database, user, running }
            }
        }))
    }

    async fn server_in(&self, container: &Container) -> BackendResult<Option<Found>> {
        let Some(inspect) = self.containers.inspect(&container.id).await? else { return Ok(None) };
        if let Some(mut server) = server_of(&inspect) {
            if let Some(file) = server.user_file.take() {
                server.user = self.read_name(container, &file).await?;
            }
            if let Some(file) = server.database_file.take() {
                server.database = Some(self.read_name(container, &file).await?);
            }
            return Ok(Some(Found::PostgreSql(server)));
        }
        let lines = inspect.config.and_then(|config| config.env).unwrap_or_default();
        if let Some(server) = mysql::from_environment(&lines) {
            return Ok(Some(Found::MySql(server)));
        }
        if !container.is_running() {
            return Ok(None);
        }
        Ok(match self.serves(container).await? {
            Some(DatabaseKind::MySql) => Some(Found::MySql(mysql::configured(&lines))),
            Some(_) => Some(Found::PostgreSql(configured(&lines))),
            None => None,
        })
    }

    /// Which server an image that says nothing holds: its programs are there, and a server answers on the socket. The
    /// client alone is in many an application's image.
    async fn serves(&self, container: &Container) -> BackendResult<Option<DatabaseKind>> {
        let command = ["sh", "-c", SERVES].map(str::to_owned).to_vec();
        let what = format!("look whether {} is a database", container.name);
        match exec::run(&self.engine, &container.id, command, Vec::new(), &what, QUESTION_LIMIT).await {
            Ok(ended) => Ok(match ended.exit_code {
                0 => Some(DatabaseKind::PostgreSql),
                SERVES_MYSQL => Some(DatabaseKind::MySql),
                _ => None,
            }),
            // An image without a shell is no database that we know; a container that just stopped tells nothing.
            Err(error) if error.kind() != BackendErrorKind::Unavailable => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A stack that does not run yet: what its image says, and what the files will give it.
    async fn server_to_be(&self, spec: &ServiceSpec) -> BackendResult<Option<Found>> {
        let image = match &spec.image {
            Some(reference) => self.images.inspect(&reference.to_string()).await?,
            None => None,
        };
        let mut lines = image.and_then(|image| image.config?.env).unwrap_or_default();
        lines.extend(spec.environment.iter().map(|(key, value)| match is_name(key) || mysql::is_name(key) {
            true => format!("{key}={}", value.reveal()),
            false => format!("{key}="),
        }));
        let mysql = || mysql::from_environment(&lines).map(Found::MySql);
        Ok(from_environment(&lines).map(Found::PostgreSql).or_else(mysql))
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
