//! Locks are files that the kernel locks: it frees them when their holder dies, however it dies. A note beside each says
//! whose it is; one that is there while the file is free was left by the dead.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{
    Acquired, BackendError, BackendErrorKind, BackendResult, Lock, LockGuard, LockHolder, LockScope,
};
use ala_promote_core::domain::OperationId;
use async_trait::async_trait;

use crate::LocalBackend;
use crate::host::{failed, make_dir, read, remove, write};

/// A lock that is held until the file is closed.
#[derive(Debug)]
struct Held {
    file: File,
    note: PathBuf,
}

/// The locks of one operation.
#[derive(Debug)]
struct Guard {
    held: Vec<Held>,
    operation: OperationId,
}

#[async_trait]
impl Lock for LocalBackend {
    async fn acquire(
        &self,
        scope: &LockScope,
        holder: &LockHolder,
        take_over: Option<&OperationId>,
    ) -> BackendResult<Acquired> {
        let tree = scope.tree.as_ref().map(|tree| (format!("tree {}", tree.display()), false));
        let project = scope.project.as_ref().map(|project| (format!("project {project}"), true));
        let mut held = Vec::new();
        for (name, outlives_its_holder) in tree.into_iter().chain(project) {
            let (note, file) = (self.place("locks", &name), self.place("locks", &format!("{name}.lock")));
            let Some(file) = lock(&file)? else {
                return Ok(Acquired::Busy { holder: read(&note)?, alive: true });
            };
            // Who died with a project half changed is to be recovered from, by name.
            if outlives_its_holder
                && let Some(dead) = read::<LockHolder>(&note)?
                && take_over != Some(&dead.operation)
            {
                return Ok(Acquired::Busy { holder: Some(dead), alive: false });
            }
            held.push(Held { file, note });
        }
        held.iter().try_for_each(|held| write(&held.note, holder))?;
        Ok(Acquired::Held(Box::new(Guard { held, operation: holder.operation.clone() })))
    }
}

/// `None` where somebody else has it.
fn lock(path: &Path) -> BackendResult<Option<File>> {
    make_dir(path.parent().unwrap_or(path))?;
    // Never removed: whoever waits for a file that is unlinked holds what nobody looks at.
    let file = File::options().create(true).append(true).open(path);
    let file = file.map_err(|error| failed("open the lock", path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed("lock", path, error)),
    }
}

#[async_trait]
impl LockGuard for Guard {
    async fn check(&self) -> BackendResult<()> {
        for held in &self.held {
            let noted: Option<LockHolder> = read(&held.note)?;
            if noted.is_none_or(|noted| noted.operation != self.operation) {
                let detail = "somebody took it away: nothing more may be done";
                return Err(BackendError::new(BackendErrorKind::Conflict, "look at the lock", detail));
            }
        }
        Ok(())
    }

    async fn release(self: Box<Self>) -> BackendResult<()> {
        self.check().await?;
        for held in self.held {
            remove(&held.note)?;
            held.file.unlock().map_err(|error| failed("unlock", &held.note, error))?;
        }
        Ok(())
    }
}
