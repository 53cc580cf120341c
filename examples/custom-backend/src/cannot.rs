//! What this backend can't do: it finds none, or says so.

use std::path::Path;

use ala_promote_core::backend::{
    BackendError, BackendErrorKind, BackendResult, Call, Database, Fetched, Hooks, Room, Source,
};
use ala_promote_core::domain::{
    BackupManifest, Container, DatabaseTarget, HookCommand, OperationId, Render, Secret, ServiceDatabase,
    SourceState, StackRef,
};
use async_trait::async_trait;

use crate::LocalBackend;

/// That it can't be done here, on purpose.
pub(crate) fn cannot(what: &str) -> BackendError {
    BackendError::new(BackendErrorKind::Unsupported, what, "this backend can't do that")
}

#[async_trait]
impl Source for LocalBackend {
    async fn state(&self, _: &Path) -> BackendResult<Option<SourceState>> {
        Ok(None)
    }
    async fn fetch(&self, _: &Path, _: &Call) -> BackendResult<Fetched> {
        Ok(Fetched::Skipped { reason: "this backend knows no source trees".to_owned() })
    }
}

#[async_trait]
impl Database for LocalBackend {
    async fn detect(&self, _: &Render, _: &[Container]) -> BackendResult<Vec<ServiceDatabase>> {
        Ok(Vec::new())
    }
    async fn url(&self, _: &StackRef, _: &str) -> BackendResult<Option<Secret>> {
        Ok(None)
    }
    async fn room(&self, _: &StackRef, _: &DatabaseTarget, _: &Path) -> BackendResult<Room> {
        Err(cannot("look for room for a backup"))
    }
    async fn dump(
        &self,
        _: &StackRef,
        _: &DatabaseTarget,
        _: &OperationId,
        _: &Path,
        _: &Call,
    ) -> BackendResult<BackupManifest> {
        Err(cannot("back up a database"))
    }
    async fn discard_partial(
        &self,
        _: &StackRef,
        _: &DatabaseTarget,
        _: &OperationId,
        _: &Path,
    ) -> BackendResult<()> {
        Ok(())
    }
}

#[async_trait]
impl Hooks for LocalBackend {
    async fn run(&self, _: &StackRef, _: &HookCommand, _: &Call) -> BackendResult<()> {
        Err(cannot("run a hook"))
    }
    async fn end(&self, _: &StackRef, _: &HookCommand) -> BackendResult<()> {
        Ok(())
    }
}
