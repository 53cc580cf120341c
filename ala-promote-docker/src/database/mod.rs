//! PostgreSQL in a container, and its backups.

mod check;
mod detect;
mod dump;
mod output;
mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ala_promote_core::backend::{
    BackendError, BackendErrorKind, BackendResult, Call, Database, DatabaseTarget, Room,
};
use ala_promote_core::domain::{BackupManifest, Container, OperationId, Render, StackRef};
use async_trait::async_trait;

use crate::containers::{Containers, Look};
use crate::engine::Engine;
use crate::images::Images;

pub(crate) use server::server_of;

/// How long a short question to a database may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);

/// The databases of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Databases {
    engine: Arc<Engine>,
    containers: Containers,
    images: Images,
}

impl Databases {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            containers: Containers::new(Arc::clone(&engine)),
            images: Images::new(Arc::clone(&engine)),
            engine,
        }
    }

    /// The container of a database, which must run: all questions are asked inside it.
    async fn running(&self, stack: &StackRef, target: &DatabaseTarget, what: &str) -> BackendResult<Look> {
        let looks = self.containers.of_project(&stack.project).await?;
        let mut of_service = looks.into_iter().filter(|look| look.container.service == target.service);
        of_service.find(|look| look.container.is_running()).ok_or_else(|| {
            BackendError::new(
                BackendErrorKind::Failed,
                what,
                format!(
                    "no container of the service `{}` in the project {} runs",
                    target.service, stack.project
                ),
            )
            .with_hint(format!(
                "start the database: `docker compose -p {} start {}`",
                stack.project, target.service
            ))
        })
    }

    /// What one statement gives.
    async fn ask(
        &self,
        look: &Look,
        target: &DatabaseTarget,
        statement: &str,
        what: &str,
    ) -> BackendResult<String> {
        let psql = ["psql", "-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1"];
        let target = ["-U", &target.user, "-d", &target.database, "-c", statement];
        let command = server::with_password(psql.iter().chain(&target).copied());
        let id = &look.container.id;
        let ended = crate::exec::run(&self.engine, id, command, Vec::new(), what, QUESTION_LIMIT).await?;
        if ended.exit_code == 0 {
            return Ok(ended.stdout.trim().to_owned());
        }
        Err(server::failure(what, ended.exit_code, &ended.stderr, look))
    }
}

#[async_trait]
impl Database for Databases {
    async fn detect(&self, render: &Render, containers: &[Container]) -> BackendResult<Vec<DatabaseTarget>> {
        self.detect_all(render, containers).await
    }

    async fn room(&self, stack: &StackRef, target: &DatabaseTarget, file: &Path) -> BackendResult<Room> {
        let what = format!("look how large the database {} is", target.database);
        let look = self.running(stack, target, &what).await?;
        let said = self.ask(&look, target, "SELECT pg_database_size(current_database())", &what).await?;
        let database_bytes = said.parse().map_err(|_| {
            BackendError::new(BackendErrorKind::Failed, &what, "the server's answer is no number")
        })?;
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

    async fn discard_partial(&self, operation: &OperationId, file: &Path) -> BackendResult<()> {
        dump::discard_partial(operation, file).await
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
