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
    /// `None` where no project was asked for.
    on_engine: Option<EngineLock>,
    /// The project's first.
    files: Vec<HostLock>,
    slot: LockSlot,
}

/// A lock of ours on the engine.
#[derive(Debug)]
pub(crate) struct EngineLock {
    pub(super) project: ProjectName,
    /// The id of its container.
    pub(super) id: String,
}

impl Guard {
    pub(super) fn new(
        engine: EngineLocks,
        on_engine: Option<EngineLock>,
        files: Vec<HostLock>,
        slot: LockSlot,
    ) -> Self {
        Self { engine, on_engine, files, slot }
    }

    /// Lets others see who holds the locks, and children hold the first of them too.
    pub(super) fn announce(&self, holder: &LockHolder) -> io::Result<()> {
        for file in &self.files {
            file.write_note(holder)?;
        }
        if let Some(file) = self.files.first() {
            self.slot.set(file.handle()?);
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
                format!("look at the lock {}", lost.path().display()),
                "the file was removed or replaced",
            )
            .with_hint("don't remove lock files; run `ala-promote recover`"));
        }
        match &self.on_engine {
            Some(lock) => self.engine.check(&lock.project, &lock.id).await,
            None => Ok(()),
        }
    }

    async fn release(self: Box<Self>) -> BackendResult<()> {
        if let Some(lock) = &self.on_engine {
            self.engine.remove(&lock.id).await?;
        }
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
