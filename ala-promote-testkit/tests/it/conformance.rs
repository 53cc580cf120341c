//! The suite holds for the in-memory backend and for wrappers around it, and notices backends that are wrong.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::{
    Acquired, Backend, BackendResult, Call, ImageStore, Lock, LockHolder, LockScope, PortHolder, Stacks,
    Witness, Witnessed,
};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    Container, EnvironmentName, ImageId, ImageIdentity, ImageReference, OperationId, PortMapping,
    ProjectName, Render, ServiceName, StackRef,
};
use ala_promote_testkit::conformance::{Claim, Fixture, MemorySubject, Subject, all, run_all};
use ala_promote_testkit::faults::{FaultPlan, Faulty};
use ala_promote_testkit::memory::MemoryBackend;
use ala_promote_testkit::patched::Patched;
use async_trait::async_trait;

/// The in-memory backend with something around it.
struct Around(fn(MemoryBackend) -> Arc<dyn Backend>);

#[async_trait]
impl Subject for Around {
    fn claims(&self) -> BTreeSet<Claim> {
        MemorySubject.claims()
    }
    async fn fixture(&self, _: &[Claim]) -> Result<Fixture, String> {
        let world = MemorySubject::world()?;
        MemorySubject::fixture_of(&world, (self.0)(world.clone())).await
    }
}

#[tokio::test]
async fn the_in_memory_backend_holds_to_every_line() {
    let report = run_all(&MemorySubject).await;
    report.assert_ok();
    assert_eq!((report.held.len(), report.not_claimed.len()), (all().len(), 0));
}

/// Claims next to nothing.
struct Modest;

#[async_trait]
impl Subject for Modest {
    fn claims(&self) -> BTreeSet<Claim> {
        [Claim::HostHooks].into()
    }
    async fn fixture(&self, needs: &[Claim]) -> Result<Fixture, String> {
        MemorySubject.fixture(needs).await
    }
}

#[tokio::test]
async fn what_is_not_claimed_is_not_run_and_is_named() {
    let report = run_all(&Modest).await;
    report.assert_ok();
    let (held, not): (Vec<_>, Vec<_>) =
        all().into_iter().partition(|case| case.needs.iter().all(|need| *need == Claim::HostHooks));
    assert_eq!(report.held, held.iter().map(|case| case.name).collect::<Vec<_>>());
    assert_eq!(report.not_claimed.len(), not.len());
    assert!(report.not_claimed.contains(&("stacks::up_again_changes_nothing", Claim::Stacks)));
    let text = report.to_string();
    assert!(text.contains("not claimed (builds, databases, files, foreign ports,"), "{text}");
}

#[tokio::test]
async fn a_wrapper_without_faults_holds_too() {
    run_all(&Around(|world| Arc::new(Faulty::new(world, FaultPlan::new()).0))).await.assert_ok();
}

/// Which cases a backend violates.
async fn violated(wrong: fn(MemoryBackend) -> Arc<dyn Backend>) -> Vec<&'static str> {
    run_all(&Around(wrong)).await.violated.into_iter().map(|(name, _)| name).collect()
}

/// Tags go nowhere.
struct Forgetful(MemoryBackend);

#[async_trait]
impl ImageStore for Forgetful {
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>> {
        self.0.images().resolve(reference).await
    }
    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>> {
        self.0.images().find(id).await
    }
    async fn tag(&self, _: &ImageId, _: &ImageReference) -> BackendResult<()> {
        Ok(())
    }
    async fn untag(&self, reference: &ImageReference) -> BackendResult<()> {
        self.0.images().untag(reference).await
    }
}

/// Up takes all services along; restore is up.
struct Sloppy(MemoryBackend);

#[async_trait]
impl Stacks for Sloppy {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        self.0.stacks().resolve(settings, environment).await
    }
    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        self.0.stacks().render(stack).await
    }
    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        self.0.stacks().containers(project).await
    }
    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.0.stacks().port_holders(wanted).await
    }
    async fn up(&self, stack: &StackRef, _: &[ServiceName], call: &Call) -> BackendResult<()> {
        let all: Vec<_> = self.render(stack).await?.services.into_keys().collect();
        self.0.stacks().up(stack, &all, call).await
    }
    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        let _ = std::fs::remove_file(file);
        self.0.stacks().snapshot(stack, services, file).await
    }
    async fn restore(&self, stack: &StackRef, _: &Path, call: &Call) -> BackendResult<()> {
        self.up(stack, &[], call).await
    }
    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        self.0.stacks().discard_snapshot(file).await
    }
}

/// Takes over whoever holds it.
struct Rude(MemoryBackend);

#[async_trait]
impl Lock for Rude {
    async fn acquire(
        &self,
        scope: &LockScope,
        holder: &LockHolder,
        _: Option<&OperationId>,
    ) -> BackendResult<Acquired> {
        if let held @ Acquired::Held(_) = self.0.lock().acquire(scope, holder, None).await? {
            return Ok(held);
        }
        self.0.act("break in", |state| {
            state.locks.clear();
            state.tree_locks.clear();
        })?;
        self.0.lock().acquire(scope, holder, None).await
    }
}

/// Keeps the first note.
struct Stubborn(MemoryBackend);

#[async_trait]
impl Witness for Stubborn {
    async fn read(&self, dir: &Path) -> BackendResult<Option<Witnessed>> {
        self.0.witness().read(dir).await
    }
    async fn write(&self, dir: &Path, witnessed: &Witnessed) -> BackendResult<()> {
        match self.read(dir).await? {
            Some(_) => Ok(()),
            None => self.0.witness().write(dir, witnessed).await,
        }
    }
    async fn forget(&self, dir: &Path) -> BackendResult<()> {
        self.0.witness().forget(dir).await
    }
}

#[tokio::test]
async fn a_backend_that_is_wrong_is_noticed() {
    let images = violated(|world| Arc::new(Patched::new(world.clone()).with_images(Forgetful(world)))).await;
    for case in [
        "images::tag_names_the_image",
        "images::tag_moves_the_reference_and_keeps_the_other_image",
        "images::tag_of_an_unknown_image_is_refused_and_changes_nothing",
        "stacks::up_takes_what_the_reference_names_now",
    ] {
        assert!(images.contains(&case), "{case}: {images:?}");
    }
    let stacks = violated(|world| Arc::new(Patched::new(world.clone()).with_stacks(Sloppy(world)))).await;
    for case in [
        "stacks::up_leaves_other_services_alone",
        "snapshots::a_complete_snapshot_is_left_alone",
        "snapshots::restore_brings_back_the_image_by_id",
        "snapshots::restore_removes_what_was_not",
    ] {
        assert!(stacks.contains(&case), "{case}: {stacks:?}");
    }
    let locks = violated(|world| Arc::new(Patched::new(world.clone()).with_lock(Rude(world)))).await;
    assert_eq!(locks.len(), 5, "all but the one of a lock that is free: {locks:?}");
    let witness = violated(|world| Arc::new(Patched::new(world.clone()).with_witness(Stubborn(world)))).await;
    assert_eq!(
        witness,
        [
            "witness::what_was_noted_last_is_read",
            "witness::a_note_is_replaced_without_a_gap",
            "witness::a_late_note_takes_none_back"
        ]
    );
}
