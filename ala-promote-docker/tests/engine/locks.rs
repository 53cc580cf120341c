use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::{Acquired, Backend, BackendErrorKind, LockGuard, LockHolder, LockScope};
use ala_promote_core::domain::{Actor, OperationId};
use ala_promote_docker::DockerBackend;

use super::support::{Stage, engines};

fn holder(operation: &str) -> LockHolder {
    LockHolder {
        operation: OperationId::new(operation).unwrap(),
        actor: Actor { user: "u".into(), host: "h".into(), pid: std::process::id() },
        since: jiff::Timestamp::now(),
        what: "promote production".into(),
        ledger: "ledger".into(),
    }
}

fn scope(stage: &Stage, state_dir: &Path) -> LockScope {
    LockScope { project: Some(stage.project()), tree: None, state_dir: state_dir.to_owned() }
}

async fn acquire(
    backend: &DockerBackend,
    scope: &LockScope,
    operation: &str,
    take_over: Option<&str>,
) -> Acquired {
    let take_over = take_over.map(|id| OperationId::new(id).unwrap());
    backend.lock().acquire(scope, &holder(operation), take_over.as_ref()).await.unwrap()
}

fn held(acquired: Acquired) -> Box<dyn LockGuard> {
    match acquired {
        Acquired::Held(guard) => guard,
        busy => panic!("not held: {busy:?}"),
    }
}

/// The operation that holds it, and whether it is alive.
fn busy(acquired: Acquired) -> (Option<String>, bool) {
    match acquired {
        Acquired::Busy { holder, alive } => (holder.map(|holder| holder.operation.to_string()), alive),
        held => panic!("not busy: {held:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_racers_one_gets_it() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = Arc::new(engine.backend().await);
        for round in 0..3 {
            let racers = (0..24).map(|racer| {
                let (backend, dir) =
                    (Arc::clone(&backend), stage.dir.path().join(format!("{round}-{racer}")));
                let scope = scope(&stage, &dir);
                tokio::spawn(async move { acquire(&backend, &scope, &format!("op-{racer}"), None).await })
            });
            let mut winners = Vec::new();
            for racer in futures_util::future::join_all(racers).await {
                if let Acquired::Held(guard) = racer.unwrap() {
                    winners.push(guard);
                }
            }
            assert_eq!(winners.len(), 1);
            winners.pop().unwrap().release().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_held_lock_tells_its_holder_and_is_free_after_release() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let scope = scope(&stage, stage.dir.path());
        let guard = held(acquire(&backend, &scope, "op-1", None).await);
        guard.check().await.unwrap();
        // The same state folder, another one on this host, another backend: all find it held.
        let elsewhere = LockScope { state_dir: stage.dir.path().join("elsewhere"), ..scope.clone() };
        let other = engine.backend().await;
        for (backend, scope) in [(&backend, &scope), (&backend, &elsewhere), (&other, &scope)] {
            assert_eq!(busy(acquire(backend, scope, "op-2", None).await), (Some("op-1".into()), true));
            // A live one is never taken.
            assert_eq!(
                busy(acquire(backend, scope, "op-2", Some("op-1")).await),
                (Some("op-1".into()), true)
            );
        }
        guard.check().await.unwrap();
        guard.release().await.unwrap();
        held(acquire(&backend, &elsewhere, "op-3", None).await).release().await.unwrap();
        assert_eq!(
            std::fs::metadata(stage.dir.path().join("locks").join(format!("{}.lock", stage.project())))
                .unwrap()
                .len(),
            0
        );
    }
}

#[tokio::test]
async fn what_a_dead_holder_left_is_taken_over_by_name_only() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let scope = scope(&stage, stage.dir.path());
        // Dropping leaves what a kill leaves.
        drop(held(acquire(&backend, &scope, "op-1", None).await));
        assert_eq!(busy(acquire(&backend, &scope, "op-2", None).await), (Some("op-1".into()), false));
        assert_eq!(busy(acquire(&backend, &scope, "op-2", Some("op-9")).await), (Some("op-1".into()), false));
        let guard = held(acquire(&backend, &scope, "op-2", Some("op-1")).await);
        guard.check().await.unwrap();
        assert_eq!(busy(acquire(&backend, &scope, "op-3", Some("op-1")).await), (Some("op-2".into()), true));
        let name = format!("name=ala-promote-lock-{}", stage.project());
        assert_eq!(
            engine.docker(&["ps", "-aq", "--filter", &name]).lines().count(),
            1,
            "the old one is left"
        );
        guard.release().await.unwrap();
        assert_eq!(engine.docker(&["ps", "-aq", "--filter", &name]), "");
    }
}

#[tokio::test]
async fn a_lock_that_was_removed_or_replaced_is_no_lock() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let scope = scope(&stage, stage.dir.path());
        let name = format!("ala-promote-lock-{}", stage.project());
        let guard = held(acquire(&backend, &scope, "op-1", None).await);
        engine.docker(&["rename", &name, &format!("{name}-aside")]);
        assert_eq!(guard.check().await.unwrap_err().kind(), BackendErrorKind::Conflict);
        engine.docker(&["rename", &format!("{name}-aside"), &name]);
        guard.check().await.unwrap();
        engine.docker(&["rm", &name]);
        assert_eq!(guard.check().await.unwrap_err().kind(), BackendErrorKind::Conflict);
        let elsewhere = LockScope { state_dir: stage.dir.path().join("elsewhere"), ..scope.clone() };
        let other = held(acquire(&backend, &elsewhere, "op-2", None).await);
        assert_eq!(guard.check().await.unwrap_err().kind(), BackendErrorKind::Conflict);
        // Giving up what was lost takes nothing from its new holder.
        guard.release().await.unwrap();
        other.check().await.unwrap();
        std::fs::remove_dir_all(stage.dir.path().join("elsewhere")).unwrap();
        let lost = other.check().await.unwrap_err();
        assert_eq!(lost.kind(), BackendErrorKind::Conflict, "{lost}");
        other.release().await.unwrap();
    }
}

#[tokio::test]
async fn one_operation_at_a_time_on_a_source_tree() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        std::fs::create_dir_all(stage.dir.path().join("tree/.git")).unwrap();
        let tree = stage.dir.path().join("tree");
        let with_tree = |state: &str, project: &str| LockScope {
            project: Some(format!("{}{project}", stage.prefix).parse().unwrap()),
            tree: Some(tree.clone()),
            state_dir: stage.dir.path().join(state),
        };
        let guard = held(acquire(&backend, &with_tree("one", "a"), "op-1", None).await);
        assert_eq!(
            busy(acquire(&backend, &with_tree("two", "b"), "op-2", None).await),
            (Some("op-1".into()), true)
        );
        guard.release().await.unwrap();
        held(acquire(&backend, &with_tree("two", "b"), "op-2", None).await).release().await.unwrap();
    }
}

#[tokio::test]
async fn children_of_a_dead_holder_are_named_and_keep_its_lock() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let scope = scope(&stage, stage.dir.path());
        let elsewhere = LockScope { state_dir: stage.dir.path().join("elsewhere"), ..scope.clone() };
        drop(held(acquire(&backend, &scope, "op-1", None).await));
        // As a child of the operation would: the lock is that of its standard input.
        let file = stage.dir.path().join("locks").join(format!("{}.lock", stage.project()));
        let lock = std::fs::File::open(&file).unwrap();
        lock.lock().unwrap();
        let mut child = std::process::Command::new("sleep").arg("600").stdin(lock).spawn().unwrap();
        let named = [format!("{} sleep", child.id())];
        for (scope, take_over) in [(&scope, None), (&scope, Some("op-1")), (&elsewhere, Some("op-1"))] {
            let acquired = acquire(&backend, scope, "op-2", take_over).await;
            let Acquired::Orphaned { holder, children } = acquired else { panic!("{acquired:?}") };
            assert_eq!((holder.operation.as_str(), children.as_slice()), ("op-1", named.as_slice()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        held(acquire(&backend, &scope, "op-2", Some("op-1")).await).release().await.unwrap();
    }
}
