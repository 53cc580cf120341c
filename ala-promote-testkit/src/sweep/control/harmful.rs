//! Ports that do more than they are told, or less.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ala_promote_core::backend::{
    Acquired, Backend as _, BackendError, BackendErrorKind, BackendResult, Call, Database, Hooks, Lock,
    LockHolder, LockScope, PortHolder, Room, Stacks,
};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    BackupManifest, Container, DatabaseTarget, EnvironmentName, HookCommand, HookName, OperationId,
    PortMapping, ProjectName, Render, Secret, ServiceDatabase, ServiceName, StackRef,
};
use async_trait::async_trait;
use tokio::sync::Mutex as AsyncMutex;

use crate::faults::Faulty;
use crate::memory::MemoryBackend;

/// What is wrong with [`Dumps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DumpSlip {
    /// One that was cut passes for a whole one.
    Cut,
    /// Another database's is given for the one that was asked for.
    OneForAll,
}

/// Dumps that are no backups.
#[derive(Debug)]
pub(super) struct Dumps {
    inner: Faulty<MemoryBackend>,
    slip: DumpSlip,
    /// Held while there is a dump: those of several databases are asked for side by side.
    first: AsyncMutex<Option<BackupManifest>>,
}

impl Dumps {
    pub(super) fn new(inner: Faulty<MemoryBackend>, slip: DumpSlip) -> Self {
        Self { inner, slip, first: AsyncMutex::default() }
    }
}

#[async_trait]
impl Database for Dumps {
    async fn detect(&self, render: &Render, containers: &[Container]) -> BackendResult<Vec<ServiceDatabase>> {
        self.inner.database().detect(render, containers).await
    }
    async fn url(&self, stack: &StackRef, key: &str) -> BackendResult<Option<Secret>> {
        self.inner.database().url(stack, key).await
    }
    async fn room(&self, stack: &StackRef, target: &DatabaseTarget, file: &Path) -> BackendResult<Room> {
        self.inner.database().room(stack, target, file).await
    }
    async fn dump(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
        call: &Call,
    ) -> BackendResult<BackupManifest> {
        let mut first = self.first.lock().await;
        if let Some(first) = first.as_ref().filter(|_| self.slip == DumpSlip::OneForAll) {
            return Ok(first.clone());
        }
        let manifest = self.inner.database().dump(stack, target, operation, file, call).await?;
        *first = Some(manifest.clone());
        if self.slip == DumpSlip::Cut {
            let file = std::fs::OpenOptions::new().write(true).open(file);
            let cut = file.and_then(|file| file.set_len(manifest.bytes / 2));
            cut.map_err(|e| BackendError::new(BackendErrorKind::Failed, "cut a dump", e.to_string()))?;
        }
        Ok(manifest)
    }
    async fn discard_partial(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
    ) -> BackendResult<()> {
        self.inner.database().discard_partial(stack, target, operation, file).await
    }
}

/// What a hook did is taken back anew each time: the second time it is there again.
#[derive(Debug)]
pub(super) struct UndoAddsUp {
    inner: Faulty<MemoryBackend>,
    undone: Mutex<BTreeSet<(OperationId, HookName)>>,
}

impl UndoAddsUp {
    pub(super) fn new(inner: Faulty<MemoryBackend>) -> Self {
        Self { inner, undone: Mutex::default() }
    }

    /// Notes that the undo of a hook is run, and tells whether it is the first time.
    fn is_first(&self, command: &HookCommand) -> bool {
        let hook = (command.operation.clone(), command.name.clone());
        self.undone.lock().unwrap_or_else(PoisonError::into_inner).insert(hook)
    }
}

#[async_trait]
impl Hooks for UndoAddsUp {
    async fn run(&self, stack: &StackRef, command: &HookCommand, call: &Call) -> BackendResult<()> {
        let mut command = command.clone();
        if let [rm, force, file] = command.command.as_slice()
            && (rm == "rm" && force == "-f")
            && !self.is_first(&command)
        {
            command.command = vec!["touch".to_owned(), file.clone()];
        }
        self.inner.hooks().run(stack, &command, call).await
    }
    async fn end(&self, stack: &StackRef, command: &HookCommand) -> BackendResult<()> {
        self.inner.hooks().end(stack, command).await
    }
}

/// The first who asks for a lock gets no answer.
#[derive(Debug)]
pub(super) struct WaitsForLock {
    inner: Faulty<MemoryBackend>,
    has_waited: AtomicBool,
}

impl WaitsForLock {
    pub(super) fn new(inner: Faulty<MemoryBackend>) -> Self {
        Self { inner, has_waited: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Lock for WaitsForLock {
    async fn acquire(
        &self,
        scope: &LockScope,
        holder: &LockHolder,
        take_over: Option<&OperationId>,
    ) -> BackendResult<Acquired> {
        if !self.has_waited.swap(true, Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.inner.lock().acquire(scope, holder, take_over).await
    }
}

/// What a [`Careless`] one does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slip {
    /// Starting services restarts the database too.
    RestartsDatabase,
    /// Saved configuration is said to be gone, and is not.
    KeepsSnapshots,
}

/// Stacks that are changed without care.
#[derive(Debug)]
pub(super) struct Careless {
    inner: Faulty<MemoryBackend>,
    world: MemoryBackend,
    slip: Slip,
}

impl Careless {
    pub(super) fn new(inner: Faulty<MemoryBackend>, world: &MemoryBackend, slip: Slip) -> Self {
        Self { inner, world: world.clone(), slip }
    }
}

#[async_trait]
impl Stacks for Careless {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        self.inner.stacks().resolve(settings, environment).await
    }
    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        self.inner.stacks().render(stack).await
    }
    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        self.inner.stacks().containers(project).await
    }
    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.inner.stacks().port_holders(wanted).await
    }
    async fn up(&self, stack: &StackRef, services: &[ServiceName], call: &Call) -> BackendResult<()> {
        self.inner.stacks().up(stack, services, call).await?;
        if self.slip != Slip::RestartsDatabase {
            return Ok(());
        }
        self.world.act("restart the database", |state| {
            let of_it = state.containers.values_mut().filter(|c| c.stack.project == stack.project);
            of_it.filter(|c| c.service.as_str() == "db").for_each(|c| c.starts += 1);
        })
    }
    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        self.inner.stacks().snapshot(stack, services, file).await
    }
    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        self.inner.stacks().restore(stack, file, call).await
    }
    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        match self.slip {
            Slip::KeepsSnapshots => Ok(()),
            Slip::RestartsDatabase => self.inner.stacks().discard_snapshot(file).await,
        }
    }
}
