//! Each fate, on the in-memory backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use ala_promote_core::backend::{
    Acquired, Backend as _, BackendErrorKind, Call, CancelToken, Clock as _, LockHolder, LockScope,
};
use ala_promote_core::domain::{Actor, ImageReference};
use ala_promote_testkit::faults::{Fate, FaultPlan, Faults, Faulty};
use ala_promote_testkit::memory::{MemoryBackend, SourceCommit};
use futures_util::future::{Either, select};

fn world() -> MemoryBackend {
    MemoryBackend::ala_medical().build().unwrap()
}

fn reference() -> ImageReference {
    "ala-api:new".parse().unwrap()
}

/// Tags an image under a fault; whether it is tagged afterwards, and what the caller heard (`None`: died).
async fn tag_under(plan: FaultPlan) -> (bool, Option<Result<(), BackendErrorKind>>) {
    let world = world();
    let id = world.image("ala-api:staging").unwrap();
    let (backend, faults) = Faulty::new(world.clone(), plan);
    let heard = faults.drive(async { backend.images().tag(&id, &reference()).await }).await;
    (world.image("ala-api:new").is_some(), heard.map(|heard| heard.map_err(|e| e.kind())))
}

#[tokio::test]
async fn every_fate_is_what_it_says() {
    use BackendErrorKind::{Failed, TimedOut, Unavailable};
    for (fate, expected) in [
        (Fate::FailBefore(Unavailable), (false, Some(Err(Unavailable)))),
        (Fate::FailWithin { polls: 1 }, (false, Some(Err(Failed)))),
        (Fate::FailAfter, (true, Some(Err(Failed)))),
        (Fate::ReplyLost, (true, Some(Err(TimedOut)))),
        (Fate::CrashBefore, (false, None)),
        (Fate::CrashWithin { polls: 1 }, (false, None)),
        (Fate::CrashAfter, (true, None)),
    ] {
        assert_eq!(tag_under(FaultPlan::new().at(1, fate)).await, expected, "{fate:?}");
    }
    assert_eq!(tag_under(FaultPlan::new().at(2, Fate::FailAfter)).await, (true, Some(Ok(()))));
    let gone = FaultPlan::new().from(1, Fate::FailBefore(Unavailable)).at(1, Fate::FailAfter);
    assert_eq!(tag_under(gone).await, (true, Some(Err(Failed))), "`at` goes before `from`");
}

#[tokio::test]
async fn a_killed_process_does_nothing_more() {
    let world = world();
    let (backend, faults) = Faulty::new(world.clone(), FaultPlan::new().at(1, Fate::CrashBefore));
    let id = world.image("ala-api:staging").unwrap();
    // Side by side, as steps of one stage are: the second call dies with the first.
    let run = async {
        let (one, two) = (reference(), "ala-api:other".parse().unwrap());
        let first = backend.images().tag(&id, &one);
        let second = backend.images().tag(&id, &two);
        futures_util::future::join(first, second).await
    };
    assert!(faults.drive(run).await.is_none());
    assert!(faults.is_crashed());
    assert!(world.image("ala-api:new").is_none() && world.image("ala-api:other").is_none());
    let later = async { backend.images().untag(&"ala-api:staging".parse().unwrap()).await };
    assert!(faults.drive(later).await.is_none());
    assert!(world.image("ala-api:staging").is_some());

    faults.restart(FaultPlan::new());
    backend.images().tag(&id, &reference()).await.unwrap();
    assert_eq!(faults.calls().len(), 1);
    assert_eq!((faults.calls()[0].method, faults.calls()[0].changes), ("images.tag", true));
}

#[tokio::test]
async fn nothing_lives_on_in_the_poll_in_which_it_was_killed() {
    let (world, mut context) = (world(), Context::from_waker(Waker::noop()));
    let (backend, faults) = Faulty::new(world.clone(), FaultPlan::new());
    assert_eq!(faults.drive(async { faults.crash() }).await, None, "it did not live to tell");

    faults.restart(FaultPlan::new());
    let (id, new) = (world.image("ala-api:staging").unwrap(), reference());
    let mut begun = backend.images().tag(&id, &new);
    assert!(begun.as_mut().poll(&mut context).is_pending());
    faults.crash();
    let mut later = backend.images().tag(&id, &new);
    for _ in 0..10 {
        assert!(begun.as_mut().poll(&mut context).is_pending());
        assert!(later.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(world.image("ala-api:new"), None);
    assert_eq!(faults.calls().len(), 1, "a dead process begins no call");
}

async fn hold(backend: &dyn ala_promote_core::backend::Backend, world: &MemoryBackend) -> Acquired {
    let scope = LockScope { project: Some("ala".parse().unwrap()), tree: None, state_dir: world.root() };
    let holder = LockHolder {
        operation: "op-1".parse().unwrap(),
        actor: Actor { user: "ops".into(), host: "host.example.com".into(), pid: 1 },
        since: world.clock().now(),
        what: "promote production".into(),
        ledger: "ledger-one".into(),
    };
    backend.lock().acquire(&scope, &holder, None).await.unwrap()
}

#[tokio::test]
async fn a_killed_holder_leaves_its_lock_behind() {
    for number in 1..=3 {
        for fate in [Fate::CrashBefore, Fate::CrashAfter] {
            let world = world();
            let (backend, faults) = Faulty::new(world.clone(), FaultPlan::new().at(number, fate));
            let run = async {
                let Acquired::Held(guard) = hold(&backend, &world).await else { panic!("it was free") };
                guard.check().await.unwrap();
                guard.release().await.unwrap();
            };
            assert!(faults.drive(run).await.is_none());
            let left = world.state().locks.values().next().map(|held| held.alive);
            let never_had_or_gave_back =
                matches!((number, fate), (1, Fate::CrashBefore) | (3, Fate::CrashAfter));
            assert_eq!(left, (!never_had_or_gave_back).then_some(false), "{number} {fate:?}");
        }
    }
}

#[tokio::test]
async fn what_hangs_can_be_waited_for_with_a_bound_and_a_build_can_be_stopped() {
    let world = world();
    let (backend, _) = Faulty::new(world.clone(), FaultPlan::new().from(1, Fate::Hang));
    let clock = world.clock();
    let resolve = backend.images().resolve(&"ala-api:staging".parse().unwrap()).await_within(&clock).await;
    assert!(resolve.is_none());
    let call = Call::new(CancelToken::new(), |_| {});
    call.cancel.cancel();
    let stack = world.stack("staging").unwrap();
    let targets = [("backend".parse().unwrap(), reference())].into();
    let stopped = backend.builder().build(&stack, &targets, &call).await;
    assert_eq!(stopped.unwrap_err().kind(), BackendErrorKind::Cancelled);
}

/// The caller's bound on a wait.
trait Within: Future + Sized {
    async fn await_within(self, clock: &ala_promote_testkit::clock::VirtualClock) -> Option<Self::Output> {
        let (work, bound) = (std::pin::pin!(self), std::pin::pin!(clock.sleep(Duration::from_secs(60))));
        match select(work, bound).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }
}
impl<F: Future> Within for F {}

#[tokio::test]
async fn something_else_can_happen_in_between() {
    let world = world();
    let count = Arc::new(AtomicU32::new(0));
    let hook = {
        let count = Arc::clone(&count);
        move || {
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (backend, _) = Faulty::new(world.clone(), FaultPlan::new().before(2, hook));
    let found = async || backend.images().resolve(&"ala-api:staging".parse().unwrap()).await.unwrap();
    found().await;
    assert_eq!(count.load(Ordering::SeqCst), 0);
    found().await;
    found().await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

/// Brings up a second version under a plan; then, as the next process would, once more.
async fn up_twice(plan: FaultPlan) -> (MemoryBackend, Faults, usize) {
    let world = world();
    let stack = world.stack("staging").unwrap();
    world.commit(SourceCommit::new("second"));
    let targets = [("backend".parse().unwrap(), "ala-api:staging".parse().unwrap())].into();
    world.builder().build(&stack, &targets, &Call::silent()).await.unwrap();
    let before = world.history().len();
    let (backend, faults) = Faulty::new(world.clone(), plan);
    let services = ["backend", "worker"].map(|s| s.parse().unwrap());
    let run = async { backend.stacks().up(&stack, &services, &Call::silent()).await };
    let _ = faults.drive(run).await;
    let moments = world.history().len() - before;
    let first = faults.clone().calls();
    faults.restart(FaultPlan::new());
    backend.stacks().up(&stack, &services, &Call::silent()).await.unwrap();
    assert_eq!(first.len(), 1);
    (world, faults, moments)
}

#[tokio::test]
async fn wherever_up_is_cut_calling_it_again_settles_it() {
    let probe = up_twice(FaultPlan::new()).await;
    let wanted = probe.0.running("staging");
    let mut halves = std::collections::BTreeSet::new();
    // More polls than it takes: those runs are whole.
    for polls in 1..20 {
        for fate in [Fate::FailWithin { polls }, Fate::CrashWithin { polls }] {
            let (world, _, moments) = up_twice(FaultPlan::new().at(1, fate)).await;
            assert_eq!(world.running("staging"), wanted, "{fate:?}");
            halves.insert(moments);
        }
    }
    assert_eq!(halves.len(), 7, "cut before and after each of: two removed, two made, two started");
}
