//! A lock that is held.

use std::io;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, LockGuard, LockHolder};
use ala_promote_core::domain::ProjectName;
use async_trait::async_trait;

use super::host::HostLock;
use super::on_engine::EngineLocks;
use crate::process::LockSlot;

/// All locks of one operation. Dropped, it frees the files and leaves the container, as a killed process does.
#[derive(Debug)]
pub(crate) struct Guard {
    engine: EngineLocks,
    project: ProjectName,
    id: String,
    /// The project's first.
    files: Vec<HostLock>,
    slot: LockSlot,
}

impl Guard {
    pub(super) fn new(
        engine: EngineLocks,
        project: ProjectName,
        id: String,
        files: Vec<HostLock>,
        slot: LockSlot,
    ) -> Self {
        Self { engine, project, id, files, slot }
    }

    /// Lets others see who holds the locks, and children hold them too.
    pub(super) fn announce(&self, holder: &LockHolder) -> io::Result<()> {
        for file in &self.files {
            file.write_note(holder)?;
        }
        if let Some(project) = self.files.first() {
            self.slot.set(project.handle()?);
        }
        Ok(())
    }
}

#[async_trait]
impl LockGuard for Guard {
    async fn check(&self) -> BackendResult<()> {
        if let Some(lost) = self.files.iter().find(|file| !file.is_in_place()) {
            return Err(BackendError::new(
                BackendErrorKind::Conflict,
                format!("look at the lock of {}", self.project),
                format!("{} was removed or replaced", lost.path().display()),
            )
            .with_hint("don't remove lock files; run `ala-promote recover`"));
        }
        self.engine.check(&self.project, &self.id).await
    }

    async fn release(self: Box<Self>) -> BackendResult<()> {
        self.engine.remove(&self.id).await?;
        for file in &self.files {
            // A note without a lock misleads nobody: it is read only when the lock is held.
            if let Err(error) = file.clear_note() {
                tracing::debug!(%error, "the note of a released lock is left");
            }
        }
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The slot's handle would keep the lock for as long as the backend lives.
        self.slot.clear();
    }
}
