//! Databases in containers of a stack and outside of it, and their backups.

mod check;
mod client;
mod detect;
mod dump;
mod files;
mod mysql;
mod output;
mod outside;
mod server;
mod url;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, Database, Room};
use ala_promote_core::domain::{
    BackupManifest, Container, DatabaseKind, DatabaseTarget, OperationId, Render, Secret, ServiceDatabase,
    StackRef,
};
use async_trait::async_trait;

use self::client::Client;
use crate::compose::Compose;
use crate::containers::Containers;
use crate::engine::Engine;
use crate::images::Images;
use crate::scrub::Scrubber;

pub(crate) use server::server_of;

/// How long a short question to a database may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);

/// The databases of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Databases {
    engine: Arc<Engine>,
    containers: Containers,
    images: Images,
    compose: Arc<Compose>,
}

impl Databases {
    pub(crate) fn new(engine: Arc<Engine>, compose: Arc<Compose>) -> Self {
        Self {
            containers: Containers::new(Arc::clone(&engine)),
            images: Images::new(Arc::clone(&engine)),
            compose,
            engine,
        }
    }

    /// The programs beside a database in its container, which must run.
    async fn inside(
        &self,
        stack: &StackRef,
        target: &ServiceDatabase,
        what: &str,
    ) -> BackendResult<Client<'_>> {
        let ServiceDatabase { service, user, database, .. } = target;
        let looks = self.containers.of_project(&stack.project).await?;
        let mut of_service = looks.into_iter().filter(|look| &look.container.service == service);
        let look = of_service.find(|look| look.container.is_running()).ok_or_else(|| {
            let project = &stack.project;
            let detail = format!("no container of the service `{service}` in the project {project} runs");
            BackendError::new(BackendErrorKind::Failed, what, detail)
                .with_hint(format!("start the database: `docker compose -p {project} start {service}`"))
        })?;
        let name = &look.container.name;
        Ok(Client {
            engine: &self.engine,
            kind: target.kind,
            container: look.container.id.clone(),
            place: name.clone(),
            script: match target.kind {
                DatabaseKind::MySql => mysql::WITH_PASSWORD,
                _ => server::WITH_PASSWORD,
            },
            login: match target.kind {
                DatabaseKind::MySql => ["-u", user, database].map(str::to_owned).to_vec(),
                _ => ["-U", user, "-d", database].map(str::to_owned).to_vec(),
            },
            database: database.clone(),
            scrub: Scrubber::of_container(&look.inspect),
            hint: format!("see whether the database of `{service}` is up: `docker logs {name}`"),
        })
    }

    async fn size(&self, stack: &StackRef, target: &DatabaseTarget) -> BackendResult<u64> {
        let what = format!("look how large {target} is");
        match target {
            DatabaseTarget::Service(database) => {
                let client = self.inside(stack, database, &what).await?;
                client.check_content(&what).await?;
                client.size(&what).await
            }
            DatabaseTarget::Url(database) => {
                let client = self.open(stack, database, None, &what).await?;
                let size = async {
                    client.check_version(&what).await?;
                    client.size(&what).await
                };
                let size = size.await;
                self.remove(&client.container).await;
                size
            }
            // Only the command knows.
            DatabaseTarget::Command(_) => Ok(0),
            _ => Err(unknown_kind(&what)),
        }
    }
}

/// A plan of a newer version may know more.
fn unknown_kind(what: &str) -> BackendError {
    BackendError::new(BackendErrorKind::Unsupported, what, "this version does not know such backups")
}

#[async_trait]
impl Database for Databases {
    async fn detect(&self, render: &Render, containers: &[Container]) -> BackendResult<Vec<ServiceDatabase>> {
        self.detect_all(render, containers).await
    }

    async fn url(&self, stack: &StackRef, key: &str) -> BackendResult<Option<Secret>> {
        self.compose.env_value(stack, key).await
    }

    async fn room(&self, stack: &StackRef, target: &DatabaseTarget, file: &Path) -> BackendResult<Room> {
        let database_bytes = self.size(stack, target).await?;
        Ok(Room { free_bytes: free_bytes(file)?, database_bytes })
    }

    async fn dump(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
        call: &Call,
    ) -> BackendResult<BackupManifest> {
        self.dump_to(stack, target, operation, file, call).await
    }

    async fn discard_partial(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
    ) -> BackendResult<()> {
        self.discard_all(stack, target, operation, file).await
    }
}

/// What an ordinary user may still write on the disk where a file goes; its folder may have to be made first.
fn free_bytes(file: &Path) -> BackendResult<u64> {
    let folder = file.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let disk = rustix::fs::statvfs(folder).map_err(|error| {
        BackendError::new(
            BackendErrorKind::Failed,
            format!("look for free space in {}", folder.display()),
            "the system does not tell",
        )
        .with_source(std::io::Error::from(error))
    })?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
