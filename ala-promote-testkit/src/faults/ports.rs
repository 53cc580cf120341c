//! The wrapper around a backend.

use std::collections::BTreeMap;
use std::path::Path;

use ala_promote_core::backend::{
    Acquired, Backend, BackendResult, Builder, Call, Database, Fetched, Hooks, ImageStore, Lock, LockGuard,
    LockHolder, LockScope, PortHolder, Probe, Room, Source, Stacks, Witness, Witnessed,
};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    BackupManifest, Container, DatabaseTarget, EnvironmentName, HealthTarget, HookCommand, ImageId,
    ImageIdentity, ImageReference, OperationId, PortMapping, ProjectName, PullSource, PulledImage, Render,
    Secret, ServiceDatabase, ServiceHealth, ServiceName, SourceState, StackRef,
};
use async_trait::async_trait;

use super::{FaultPlan, Faults};

/// A backend whose calls are counted and may meet a fate.
#[derive(Debug, Clone)]
pub struct Faulty<B> {
    inner: B,
    faults: Faults,
}

impl<B: Backend> Faulty<B> {
    /// Wraps a backend; the second is what controls it.
    #[must_use]
    pub fn new(inner: B, plan: FaultPlan) -> (Self, Faults) {
        let faults = Faults::new(plan);
        (Self { inner, faults: faults.clone() }, faults)
    }

    async fn reads<T: Send>(
        &self,
        method: &'static str,
        call: impl Future<Output = BackendResult<T>> + Send,
    ) -> BackendResult<T> {
        self.faults.call(method, false, None, call).await
    }

    async fn changes<T: Send>(
        &self,
        method: &'static str,
        call: impl Future<Output = BackendResult<T>> + Send,
    ) -> BackendResult<T> {
        self.faults.call(method, true, None, call).await
    }

    /// For a call that stops at once when it is cancelled.
    async fn stoppable<T: Send>(
        &self,
        method: &'static str,
        how: &Call,
        call: impl Future<Output = BackendResult<T>> + Send,
    ) -> BackendResult<T> {
        self.faults.call(method, true, Some(&how.cancel), call).await
    }
}

impl<B: Backend> Backend for Faulty<B> {
    fn describe(&self) -> String {
        format!("{}, with faults", self.inner.describe())
    }
    fn images(&self) -> &dyn ImageStore {
        self
    }
    fn stacks(&self) -> &dyn Stacks {
        self
    }
    fn builder(&self) -> &dyn Builder {
        self
    }
    fn source(&self) -> &dyn Source {
        self
    }
    fn database(&self) -> &dyn Database {
        self
    }
    fn hooks(&self) -> &dyn Hooks {
        self
    }
    fn probe(&self) -> &dyn Probe {
        self
    }
    fn lock(&self) -> &dyn Lock {
        self
    }
    fn witness(&self) -> &dyn Witness {
        self
    }
}

#[async_trait]
impl<B: Backend> ImageStore for Faulty<B> {
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>> {
        self.reads("images.resolve", self.inner.images().resolve(reference)).await
    }
    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>> {
        self.reads("images.find", self.inner.images().find(id)).await
    }
    async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()> {
        self.changes("images.tag", self.inner.images().tag(id, reference)).await
    }
    async fn untag(&self, reference: &ImageReference) -> BackendResult<()> {
        self.changes("images.untag", self.inner.images().untag(reference)).await
    }
}

#[async_trait]
impl<B: Backend> Stacks for Faulty<B> {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        self.reads("stacks.resolve", self.inner.stacks().resolve(settings, environment)).await
    }
    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        self.reads("stacks.render", self.inner.stacks().render(stack)).await
    }
    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        self.reads("stacks.containers", self.inner.stacks().containers(project)).await
    }
    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.reads("stacks.port_holders", self.inner.stacks().port_holders(wanted)).await
    }
    // A swap in hand is finished, also when the operation is being cancelled.
    async fn up(&self, stack: &StackRef, services: &[ServiceName], call: &Call) -> BackendResult<()> {
        self.changes("stacks.up", self.inner.stacks().up(stack, services, call)).await
    }
    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        self.changes("stacks.snapshot", self.inner.stacks().snapshot(stack, services, file)).await
    }
    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        self.changes("stacks.restore", self.inner.stacks().restore(stack, file, call)).await
    }
    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        self.changes("stacks.discard_snapshot", self.inner.stacks().discard_snapshot(file)).await
    }
}

#[async_trait]
impl<B: Backend> Builder for Faulty<B> {
    async fn build(
        &self,
        stack: &StackRef,
        targets: &BTreeMap<ServiceName, ImageReference>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, ImageIdentity>> {
        self.stoppable("builder.build", call, self.inner.builder().build(stack, targets, call)).await
    }
    async fn pull(
        &self,
        stack: &StackRef,
        sources: &BTreeMap<ServiceName, PullSource>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, PulledImage>> {
        self.stoppable("builder.pull", call, self.inner.builder().pull(stack, sources, call)).await
    }
}

#[async_trait]
impl<B: Backend> Source for Faulty<B> {
    async fn state(&self, dir: &Path) -> BackendResult<Option<SourceState>> {
        self.reads("source.state", self.inner.source().state(dir)).await
    }
    async fn fetch(&self, dir: &Path, call: &Call) -> BackendResult<Fetched> {
        self.stoppable("source.fetch", call, self.inner.source().fetch(dir, call)).await
    }
}

#[async_trait]
impl<B: Backend> Database for Faulty<B> {
    async fn detect(&self, render: &Render, containers: &[Container]) -> BackendResult<Vec<ServiceDatabase>> {
        self.reads("database.detect", self.inner.database().detect(render, containers)).await
    }
    async fn url(&self, stack: &StackRef, key: &str) -> BackendResult<Option<Secret>> {
        self.reads("database.url", self.inner.database().url(stack, key)).await
    }
    async fn room(&self, stack: &StackRef, target: &DatabaseTarget, file: &Path) -> BackendResult<Room> {
        self.reads("database.room", self.inner.database().room(stack, target, file)).await
    }
    async fn dump(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
        call: &Call,
    ) -> BackendResult<BackupManifest> {
        let dump = self.inner.database().dump(stack, target, operation, file, call);
        self.stoppable("database.dump", call, dump).await
    }
    async fn discard_partial(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
    ) -> BackendResult<()> {
        let discard = self.inner.database().discard_partial(stack, target, operation, file);
        self.changes("database.discard_partial", discard).await
    }
}

#[async_trait]
impl<B: Backend> Hooks for Faulty<B> {
    async fn run(&self, stack: &StackRef, command: &HookCommand, call: &Call) -> BackendResult<()> {
        self.stoppable("hooks.run", call, self.inner.hooks().run(stack, command, call)).await
    }
    async fn end(&self, stack: &StackRef, command: &HookCommand) -> BackendResult<()> {
        self.changes("hooks.end", self.inner.hooks().end(stack, command)).await
    }
}

#[async_trait]
impl<B: Backend> Probe for Faulty<B> {
    async fn look(&self, stack: &StackRef, targets: &[HealthTarget]) -> BackendResult<Vec<ServiceHealth>> {
        self.reads("probe.look", self.inner.probe().look(stack, targets)).await
    }
    fn address(&self) -> String {
        self.inner.probe().address()
    }
}

#[async_trait]
impl<B: Backend> Lock for Faulty<B> {
    async fn acquire(
        &self,
        scope: &LockScope,
        holder: &LockHolder,
        take_over: Option<&OperationId>,
    ) -> BackendResult<Acquired> {
        let acquire = self.inner.lock().acquire(scope, holder, take_over);
        Ok(match self.changes("lock.acquire", acquire).await? {
            Acquired::Held(guard) => {
                Acquired::Held(Box::new(FaultyGuard { guard, faults: self.faults.clone() }))
            }
            busy => busy,
        })
    }
}

/// A held lock whose calls are counted too. Dropping it is no call: that is what a killed process does.
#[derive(Debug)]
struct FaultyGuard {
    guard: Box<dyn LockGuard>,
    faults: Faults,
}

#[async_trait]
impl LockGuard for FaultyGuard {
    async fn check(&self) -> BackendResult<()> {
        self.faults.call("lock.check", false, None, self.guard.check()).await
    }
    async fn release(self: Box<Self>) -> BackendResult<()> {
        let Self { guard, faults } = *self;
        faults.call("lock.release", true, None, guard.release()).await
    }
}

#[async_trait]
impl<B: Backend> Witness for Faulty<B> {
    async fn read(&self, dir: &Path) -> BackendResult<Option<Witnessed>> {
        self.reads("witness.read", self.inner.witness().read(dir)).await
    }
    async fn write(&self, dir: &Path, witnessed: &Witnessed) -> BackendResult<()> {
        self.changes("witness.write", self.inner.witness().write(dir, witnessed)).await
    }
    async fn forget(&self, dir: &Path) -> BackendResult<()> {
        self.changes("witness.forget", self.inner.witness().forget(dir)).await
    }
}
