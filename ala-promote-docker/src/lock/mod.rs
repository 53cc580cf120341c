//! Exclusion of other operations, twice over: a lock on a file, which the kernel frees when its holder dies and which
//! children keep, and a container by name on the engine, which holds across state folders and hosts.

mod guard;
mod host;
mod on_engine;
mod process_mark;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ala_promote_core::backend::{
    Acquired, BackendError, BackendErrorKind, BackendResult, Lock, LockGuard, LockHolder, LockScope,
};
use ala_promote_core::domain::{OperationId, ProjectName};
use async_trait::async_trait;

use crate::engine::Engine;
use crate::process::LockSlot;

use guard::{EngineLock, Guard};
use host::HostLock;
use on_engine::{EngineLocks, Taken};
use process_mark::ProcessMark;

/// How long it is looked who holds a lock.
const PATIENCE_FOR_HOLDER: Duration = Duration::from_secs(2);
/// Pause between two looks.
const LOOK_FOR_HOLDER_AGAIN: Duration = Duration::from_millis(100);

/// Gives locks.
#[derive(Debug, Clone)]
pub(crate) struct Locks {
    engine: EngineLocks,
    slot: LockSlot,
}

impl Locks {
    /// Children that use `slot` hold the lock that was given last.
    pub(crate) fn new(engine: Arc<Engine>, slot: LockSlot) -> Self {
        Self { engine: EngineLocks::new(engine), slot }
    }

    /// Who holds a project's lock on a file: what the engine says is newer than a note that a dead holder may have left.
    /// One who took it just now says so in a moment.
    async fn busy(&self, project: &ProjectName, held: &Path) -> Acquired {
        let deadline = Instant::now() + PATIENCE_FOR_HOLDER;
        let holder = loop {
            let on_engine = self.engine.read(project).await.ok().flatten().map(|found| found.holder);
            let holder = on_engine.or_else(|| host::read_note(held));
            if holder.is_some() || Instant::now() > deadline {
                break holder;
            }
            tokio::time::sleep(LOOK_FOR_HOLDER_AGAIN).await;
        };
        held_by(holder, held)
    }
}

/// What a lock means whose file is held: by its holder, or by children that outlived it.
fn held_by(holder: Option<LockHolder>, held: &Path) -> Acquired {
    let children = host::orphans(held);
    match holder {
        Some(holder) if !children.is_empty() => Acquired::Orphaned { holder, children },
        holder => Acquired::Busy { holder, alive: true },
    }
}

#[async_trait]
impl Lock for Locks {
    async fn acquire(
        &self,
        scope: &LockScope,
        holder: &LockHolder,
        take_over: Option<&OperationId>,
    ) -> BackendResult<Acquired> {
        let mut files = Vec::new();
        if let Some(project) = &scope.project {
            let file = scope.state_dir.join("locks").join(format!("{project}.lock"));
            match HostLock::take(&file).await.map_err(|error| file_error(&file, error))? {
                Some(lock) => files.push(lock),
                None => return Ok(self.busy(project, &file).await),
            }
        }
        if let Some(tree) = &scope.tree {
            let file = host::tree_lock_file(tree, &scope.state_dir);
            match HostLock::take(&file).await.map_err(|error| file_error(&file, error))? {
                Some(lock) => files.push(lock),
                None => return Ok(held_by(host::read_note(&file), &file)),
            }
        }
        let mut on_engine = None;
        if let (Some(project), Some(file)) = (&scope.project, files.first()) {
            let mark = ProcessMark::ours(file.path());
            match self.engine.take(project, holder, &mark, take_over).await? {
                Taken::Ours(id) => on_engine = Some(EngineLock { project: project.clone(), id }),
                Taken::Busy(busy) => return Ok(busy),
            }
        }
        let guard = Guard::new(self.engine.clone(), on_engine, files, self.slot.clone());
        if let Err(error) = guard.announce(holder) {
            let path = scope.state_dir.clone();
            // Nobody was told that it is held, so it is not left behind.
            Box::new(guard).release().await?;
            return Err(file_error(&path, error));
        }
        Ok(Acquired::Held(Box::new(guard)))
    }
}

fn file_error(file: &Path, error: std::io::Error) -> BackendError {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "run the command as the user who owns the folder, or give this user the right to write there"
        }
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "move the state folder to a disk that can be written (`state_dir`)"
        }
        _ => "mend that, then try again",
    };
    BackendError::new(
        BackendErrorKind::Unavailable,
        format!("lock {}", file.display()),
        "the lock's file can't be used",
    )
    .with_hint(hint)
    .with_source(error)
}
