//! What the in-memory backend refuses, and what it shows.

use std::time::Duration;

use ala_promote_core::backend::{
    Acquired, Backend as _, BackendErrorKind, Call, Clock as _, Fetched, LockHolder, LockScope, Witnessed,
};
use ala_promote_core::domain::{
    Actor, DatabaseTarget, EnvironmentName, HealthTarget, HealthVerdict, OperationId, ServiceName, StackRef,
};
use ala_promote_testkit::memory::{ImageBehaviour, MemoryBackend, SourceCommit, Upstream, rows_of_dump};

fn world() -> MemoryBackend {
    MemoryBackend::ala_medical().build().unwrap()
}

fn names(services: &[&str]) -> Vec<ServiceName> {
    services.iter().map(|s| s.parse().unwrap()).collect()
}

fn stack(world: &MemoryBackend, environment: &str) -> StackRef {
    world.stack(environment).unwrap()
}

async fn up(world: &MemoryBackend, environment: &str, services: &[&str]) -> Result<(), BackendErrorKind> {
    let up = world.stacks().up(&stack(world, environment), &names(services), &Call::silent()).await;
    up.map_err(|e| e.kind())
}

/// Builds straight to a reference of the staging stack, as a candidate that was already tagged.
async fn build(world: &MemoryBackend, commit: SourceCommit, service: &str, reference: &str) {
    world.commit(commit);
    let targets = [(service.parse().unwrap(), reference.parse().unwrap())].into();
    world.builder().build(&stack(world, "staging"), &targets, &Call::silent()).await.unwrap();
}

fn target(service: &str, port: Option<u16>) -> HealthTarget {
    let ports = port.map(|port| ala_promote_core::domain::PortMapping {
        host_ip: None,
        published: Some(port),
        target: 1,
        protocol: "tcp".into(),
    });
    HealthTarget {
        service: service.parse().unwrap(),
        display: service.into(),
        promoted: true,
        job: false,
        ports: ports.into_iter().collect(),
        path: None,
        replicas: 1,
    }
}

async fn verdict(world: &MemoryBackend, environment: &str, service: &str) -> (HealthVerdict, String) {
    let look = world.probe().look(&stack(world, environment), &[target(service, None)]).await.unwrap();
    (look[0].verdict, look[0].generation.clone())
}

fn holder(operation: &str, world: &MemoryBackend) -> LockHolder {
    LockHolder {
        operation: operation.parse().unwrap(),
        actor: Actor { user: "ops".into(), host: "host.example.com".into(), pid: 1 },
        since: world.clock().now(),
        what: "promote production".into(),
        ledger: "ledger-one".into(),
    }
}

#[tokio::test]
async fn the_sample_runs_and_is_healthy() {
    let world = world();
    assert!(world.describe().contains("nothing real is deployed"));
    assert_eq!(world.running("staging").len(), 4);
    assert_eq!(world.running("production"), world.running("staging"), "same source, same images");
    for service in ["backend", "worker", "frontend", "db"] {
        assert_eq!(verdict(&world, "production", service).await.0, HealthVerdict::Healthy, "{service}");
    }
    assert_eq!(world.history().len(), 1, "history begins when the test does");
    let settings = world.settings();
    let production = EnvironmentName::new("production").unwrap();
    let found = world.stacks().resolve(&settings, &production).await.unwrap();
    assert_eq!(found, stack(&world, "production"));
    assert_eq!(found.project.as_str(), "ala");
}

#[tokio::test]
async fn up_replaces_what_changed_and_nothing_else() {
    let world = world();
    let (staging, production) = (world.container_ids("staging"), world.container_ids("production"));
    up(&world, "staging", &["backend", "worker"]).await.unwrap();
    assert_eq!(world.container_ids("staging"), staging, "as it should be already");

    build(&world, SourceCommit::new("second"), "backend", "ala-api:staging").await;
    up(&world, "staging", &["backend"]).await.unwrap();
    let now = world.container_ids("staging");
    assert_eq!(now.intersection(&staging).count(), 3, "one of four was replaced");
    assert_eq!(world.container_ids("production"), production);
    let running = world.running("staging");
    assert_ne!(running["backend"], running["worker"], "the worker was not named");

    // Changed configuration counts as well.
    world
        .edit("staging", |e| {
            e.service("frontend").environment("NEW", "1");
        })
        .unwrap();
    up(&world, "staging", &["frontend"]).await.unwrap();
    assert_eq!(world.container_ids("staging").intersection(&now).count(), 3);
}

#[tokio::test]
async fn up_refuses_what_can_be_seen_beforehand_and_changes_nothing() {
    let world = world();
    let before = world.state();
    assert_eq!(up(&world, "staging", &[]).await, Err(BackendErrorKind::Invalid));
    assert_eq!(up(&world, "staging", &["nobody"]).await, Err(BackendErrorKind::NotFound));
    world
        .edit("staging", |e| {
            e.service("frontend").image("ala-web:gone");
        })
        .unwrap();
    assert_eq!(up(&world, "staging", &["backend", "frontend"]).await, Err(BackendErrorKind::NotFound));
    world
        .edit("staging", |e| {
            e.service("backend").needs_variable("ABSENT");
        })
        .unwrap();
    assert_eq!(up(&world, "staging", &["backend"]).await, Err(BackendErrorKind::Invalid));
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn one_project_for_two_environments_is_refused() {
    let world = world();
    let other = StackRef { project: "ala".parse().unwrap(), ..stack(&world, "staging") };
    let mixed = world.stacks().up(&other, &names(&["worker"]), &Call::silent()).await;
    assert_eq!(mixed.unwrap_err().kind(), BackendErrorKind::Conflict);
}

#[tokio::test]
async fn a_taken_port_shows_when_the_old_container_is_gone() {
    let world = world();
    world
        .edit("staging", |e| {
            e.service("frontend").without_ports().port(80, 80);
        })
        .unwrap();
    let stack = stack(&world, "staging");
    let error = world.stacks().up(&stack, &names(&["frontend"]), &Call::silent()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Conflict);
    assert!(error.to_string().contains("port 80 is already allocated"), "{error}");
    assert!(!world.running("staging").contains_key("frontend"));
    assert!(world.running("production").contains_key("frontend"));
    let wanted = &world.model()["staging"].services["frontend"].spec.ports;
    let holders = world.stacks().port_holders(wanted).await.unwrap();
    assert_eq!(holders[0].holder, "ala-frontend-1");
    assert!(world.occupy_port(5432, "a process").is_err(), "held by production's database");
}

#[tokio::test]
async fn a_container_name_is_taken_once() {
    let world = world();
    world.edit("production", |e| drop(e.service("frontend").container_name("web"))).unwrap();
    world.edit("staging", |e| drop(e.service("frontend").container_name("web"))).unwrap();
    up(&world, "production", &["frontend"]).await.unwrap();
    let stack = stack(&world, "staging");
    let error = world.stacks().up(&stack, &names(&["frontend"]), &Call::silent()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Conflict);
    assert!(error.to_string().contains("container name web is already in use"), "{error}");
}

#[tokio::test]
async fn images_live_as_long_as_something_needs_them() {
    let world = world();
    let old = world.image("ala-api:staging").unwrap();
    let nothing = ala_promote_core::domain::ImageId::new("sha256:none");
    let tag = world.images().tag(&nothing, &"ala-api:staging".parse().unwrap()).await;
    assert_eq!(tag.unwrap_err().kind(), BackendErrorKind::NotFound);
    assert_eq!(world.remove_image(&old).unwrap_err().kind(), BackendErrorKind::Conflict);

    build(&world, SourceCommit::new("second"), "backend", "ala-api:candidate").await;
    let new = world.image("ala-api:candidate").unwrap();
    world.images().untag(&"ala-api:candidate".parse().unwrap()).await.unwrap();
    world.images().untag(&"ala-api:candidate".parse().unwrap()).await.unwrap();
    assert_eq!(world.images().find(&new).await.unwrap(), None, "went with its last reference");

    world.images().untag(&"ala-api:staging".parse().unwrap()).await.unwrap();
    world.images().untag(&"ala-api:production".parse().unwrap()).await.unwrap();
    assert!(world.images().find(&old).await.unwrap().is_some(), "containers use it");
    assert!(world.prune().is_empty());
}

#[tokio::test]
async fn behaviours_show_with_time() {
    let world = world();
    let flaws = SourceCommit::new("flaws")
        .behaviour("backend", ImageBehaviour::UnhealthyIn("production".parse().unwrap()))
        .behaviour("frontend", ImageBehaviour::CrashesAfter(Duration::from_secs(10)));
    build(&world, flaws, "backend", "ala-api:staging").await;
    world.commit(SourceCommit::new("empty").only(&[]));
    build(&world, SourceCommit::new("also empty").only(&[]), "frontend", "ala-web:staging").await;
    up(&world, "staging", &["backend", "frontend"]).await.unwrap();
    let id = world.image("ala-api:staging").unwrap();
    world.images().tag(&id, &"ala-api:production".parse().unwrap()).await.unwrap();
    up(&world, "production", &["backend"]).await.unwrap();
    assert_eq!(verdict(&world, "staging", "backend").await.0, HealthVerdict::Healthy);
    assert_eq!(verdict(&world, "production", "backend").await.0, HealthVerdict::Failed);

    let before = verdict(&world, "staging", "frontend").await;
    world.clock().advance(Duration::from_secs(11));
    let after = verdict(&world, "staging", "frontend").await;
    assert_eq!(after.0, HealthVerdict::Healthy);
    assert_ne!(before.1, after.1, "it was restarted in between");

    world
        .edit("staging", |e| {
            e.service("frontend").restart("no");
        })
        .unwrap();
    up(&world, "staging", &["frontend"]).await.unwrap();
    world.clock().advance(Duration::from_secs(11));
    assert_eq!(verdict(&world, "staging", "frontend").await.0, HealthVerdict::Failed);

    world.kill("staging", "db", 137).unwrap();
    assert_eq!(verdict(&world, "staging", "backend").await.0, HealthVerdict::Starting);
}

#[tokio::test]
async fn a_snapshot_brings_back_the_very_same() {
    let world = world();
    let stack = stack(&world, "staging");
    let file = world.root().join("snapshot.json");
    let (services, before) = (names(&["backend", "frontend", "later"]), world.running("staging"));
    world
        .edit("staging", |e| {
            e.service("backend").environment("PASSWORD", "hunter2");
        })
        .unwrap();
    up(&world, "staging", &["backend"]).await.unwrap();
    world.stacks().snapshot(&stack, &services, &file).await.unwrap();
    let saved = std::fs::read(&file).unwrap();

    build(&world, SourceCommit::new("second"), "backend", "ala-api:staging").await;
    world
        .edit("staging", |e| {
            e.service("backend").environment("PASSWORD", "other");
            e.service("later").image("ala-api:staging").port(80, 1);
        })
        .unwrap();
    let call = Call::silent();
    // `later` can't start: production holds its port.
    world.stacks().up(&stack, &services, &call).await.unwrap_err();
    assert_ne!(world.running("staging"), before);
    world.stacks().snapshot(&stack, &services, &file).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), saved, "a complete one is left alone");

    world.stacks().restore(&stack, &file, &call).await.unwrap();
    let restored = world.state();
    assert_eq!(world.running("staging"), before);
    let containers = restored.containers_in(&stack.project).collect::<Vec<_>>();
    assert_eq!(containers.len(), 4, "`later` had no container");
    let backend = containers.iter().find(|c| c.service.as_str() == "backend").unwrap();
    assert_eq!(backend.config.environment["PASSWORD"].reveal(), "hunter2");
    world.stacks().restore(&stack, &file, &call).await.unwrap();
    assert_eq!(world.state(), restored, "again changes nothing");
    assert!(!format!("{restored:?}").contains("hunter2"));

    world.stacks().discard_snapshot(&file).await.unwrap();
    world.stacks().discard_snapshot(&file).await.unwrap();
    let gone = world.stacks().restore(&stack, &file, &call).await.unwrap_err();
    assert_eq!(gone.kind(), BackendErrorKind::NotFound);
}

#[tokio::test]
async fn backups_are_real_files() {
    let world = world();
    let stack = stack(&world, "production");
    world.insert_row("production", "db", "patient '1'\nsecond line");
    let render = world.stacks().render(&stack).await.unwrap();
    let containers = world.stacks().containers(&stack.project).await.unwrap();
    let found = world.database().detect(&render, &containers).await.unwrap();
    assert_eq!(found.len(), 1);
    let (database, operation): (_, OperationId) = (&found[0], "op-1".parse().unwrap());
    let target = &DatabaseTarget::Service(database.clone());
    assert_eq!(
        (database.service.as_str(), database.database.as_str(), database.running),
        ("db", "ala", true)
    );
    let file = world.backup_dir().join("backup.sql");
    let dump = |operation: OperationId, call: Call| {
        let (world, stack, file) = (world.clone(), stack.clone(), file.clone());
        async move { world.database().dump(&stack, target, &operation, &file, &call).await }
    };
    let call = Call::silent();
    call.cancel.cancel();
    let stopped = dump(operation.clone(), call).await.unwrap_err();
    assert_eq!(stopped.kind(), BackendErrorKind::Cancelled);
    world.act("fill the disk", |s| s.free_bytes = 50).unwrap();
    assert!(dump(operation.clone(), Call::silent()).await.unwrap_err().to_string().contains("no space"));
    world.act("clear the disk", |s| s.free_bytes = 1 << 30).unwrap();
    let left = std::fs::read_dir(world.backup_dir()).unwrap().count();
    assert_eq!(left, 0, "the folder was made, and nothing half-done is left in it");

    let manifest = dump(operation.clone(), Call::silent()).await.unwrap();
    assert_eq!(rows_of_dump(&file).unwrap(), ["patient '1'\nsecond line"]);
    assert_eq!(manifest.bytes, std::fs::metadata(&file).unwrap().len());
    assert_eq!(dump(operation, Call::silent()).await.unwrap(), manifest, "the same operation's");
    let other = dump("op-2".parse().unwrap(), Call::silent()).await.unwrap_err();
    assert_eq!(other.kind(), BackendErrorKind::Conflict);

    world.kill("production", "db", 1).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        dump("op-3".parse().unwrap(), Call::silent()).await.unwrap_err().kind(),
        BackendErrorKind::Unavailable
    );
}

#[tokio::test]
async fn locks_outlive_who_drops_them() {
    let world = world();
    let project = stack(&world, "production").project;
    let scope =
        LockScope { project: Some(project.clone()), tree: Some(world.root()), state_dir: world.root() };
    let (one, two) = (holder("op-1", &world), holder("op-2", &world));
    let Acquired::Held(guard) = world.lock().acquire(&scope, &one, None).await.unwrap() else { panic!() };
    guard.check().await.unwrap();
    let busy = world.lock().acquire(&scope, &two, Some(&one.operation)).await.unwrap();
    assert!(matches!(busy, Acquired::Busy { holder: Some(h), alive: true } if h == one));
    drop(guard);
    let busy = world.lock().acquire(&scope, &two, None).await.unwrap();
    assert!(matches!(busy, Acquired::Busy { alive: false, .. }));
    let busy = world.lock().acquire(&scope, &two, Some(&two.operation)).await.unwrap();
    assert!(matches!(busy, Acquired::Busy { .. }), "another one's is not taken over");
    let taken = world.lock().acquire(&scope, &two, Some(&one.operation)).await.unwrap();
    let Acquired::Held(guard) = taken else { panic!() };
    world.hold_lock(&project, &one, true);
    assert_eq!(guard.check().await.unwrap_err().kind(), BackendErrorKind::Conflict);
    guard.release().await.unwrap();
    assert!(world.state().locks[&project].alive, "not ours to release");
    assert!(world.state().tree_locks.is_empty());
}

#[tokio::test]
async fn source_builds_and_witness() {
    let world = world();
    let (call, dir) = (Call::silent(), stack(&world, "staging").dir);
    let before = world.source().state(&dir).await.unwrap().unwrap();
    world.push_upstream(
        SourceCommit::new("broken").breaks_build("frontend", "error[E0308]: mismatched types"),
    );
    let fetched = world.source().fetch(&dir, &call).await.unwrap();
    let after = world.source().state(&dir).await.unwrap().unwrap();
    assert_eq!(fetched, Fetched::Updated { from: before.commit, to: after.commit.clone() });
    assert_eq!(
        world.source().fetch(&dir, &call).await.unwrap(),
        Fetched::Updated { from: after.commit.clone(), to: after.commit }
    );
    let targets = ["backend", "frontend"];
    let targets = targets.map(|s| (s.parse().unwrap(), format!("ala-{s}:candidate").parse().unwrap())).into();
    let stack = stack(&world, "staging");
    let error = world.builder().build(&stack, &targets, &call).await.unwrap_err();
    assert!(error.to_string().ends_with("mismatched types"), "{error}");
    assert!(world.image("ala-frontend:candidate").is_none());

    world.edit_source(|tree| tree.upstream = Upstream::Diverged);
    assert!(world.source().fetch(&dir, &call).await.is_err());
    world.edit_source(|tree| tree.upstream = Upstream::None);
    assert!(matches!(world.source().fetch(&dir, &call).await.unwrap(), Fetched::Skipped { .. }));

    let note = Witnessed { ledger: "l".into(), seq: 3, hash: "h".into() };
    assert_eq!(world.witness().read(&dir).await.unwrap(), None);
    world.witness().write(&dir, &note).await.unwrap();
    assert_eq!(world.witness().read(&dir).await.unwrap(), Some(note));
}

#[tokio::test]
async fn what_runs_tells_the_project_but_not_against_the_settings() {
    let world = MemoryBackend::builder()
        .environment("production", |e| {
            e.service("app").image("app:production");
            e.running_as("by-hand");
        })
        .build()
        .unwrap();
    let production = EnvironmentName::new("production").unwrap();
    let mut settings = world.settings();
    let found = world.stacks().resolve(&settings, &production).await.unwrap();
    assert_eq!(found.project.as_str(), "by-hand");
    settings.environments.get_mut(&production).unwrap().project = Some("ala-production".parse().unwrap());
    let conflict = world.stacks().resolve(&settings, &production).await.unwrap_err();
    assert_eq!(conflict.kind(), BackendErrorKind::Conflict);
    assert!(conflict.to_string().contains("by-hand") && conflict.to_string().contains("ala-production"));
    world
        .edit("production", |e| {
            e.without_env_file();
        })
        .unwrap();
    let missing = world.stacks().resolve(&world.settings(), &production).await.unwrap_err();
    assert!(missing.hint().unwrap().contains(".env.production.template"));
}

#[test]
fn a_world_that_cannot_be_is_not_made() {
    let error = MemoryBackend::builder()
        .environment("a", |e| {
            e.service("one").image("x").port(1, 1);
            e.service("two").image("x").port(1, 1);
            e.service("-").image("X");
            e.running();
        })
        .build()
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("port 1 is already allocated") && text.contains("service `-`"), "{text}");
}

#[tokio::test]
async fn a_stack_does_without_the_ports_that_it_drops() {
    let world = world();
    world.edit("staging", |e| drop(e.service("frontend").port(80, 80))).unwrap();
    let render = world.stacks().render(&stack(&world, "staging")).await.unwrap();
    let inherited = render.services["frontend"].ports.iter().find(|p| p.published == Some(80)).unwrap();
    let dropped = |port: u16| {
        let port = ala_promote_core::domain::PortMapping { published: Some(port), ..inherited.clone() };
        let service = "frontend".parse().unwrap();
        let dropped = ala_promote_core::domain::StackChange::PortDropped { service, port };
        StackRef { changes: vec![dropped], ..stack(&world, "staging") }
    };
    assert_eq!(up(&world, "staging", &["frontend"]).await, Err(BackendErrorKind::Conflict));
    world.stacks().up(&dropped(80), &names(&["frontend"]), &Call::silent()).await.unwrap();
    assert!(world.running("staging").contains_key("frontend"));
    let unknown = world.stacks().render(&dropped(81)).await.unwrap_err();
    assert_eq!(unknown.kind(), BackendErrorKind::Invalid);
}

#[tokio::test]
async fn every_moment_is_kept() {
    let world = world();
    build(&world, SourceCommit::new("second"), "backend", "ala-api:staging").await;
    let from = world.history().len();
    up(&world, "staging", &["backend"]).await.unwrap();
    let what: Vec<_> = world.history().drain(from..).map(|moment| moment.what).collect();
    let name = "ala-staging-backend-1";
    assert_eq!(what, [format!("remove {name}"), format!("create {name}"), format!("start {name}")]);
    assert!(world.act("nothing", |_| ()).is_ok());
    assert_eq!(world.history().len(), from + 3, "what changes nothing is no moment");
}
