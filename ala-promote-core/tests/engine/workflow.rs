//! The documented workflow: deploy to staging, promote, a bad release that is put back, rollback.

use ala_promote_core::domain::{Outcome, ReleaseKind, Verb};
use ala_promote_core::plan::{Action, StageKind};
use ala_promote_testkit::memory::{
    EnvironmentEditor, ImageBehaviour, MemoryBackend, MemoryContainer, SourceCommit, State, rows_of_dump,
};

use crate::host::{
    BACK, DEPLOY, Host, Look, back_to, bad_in_production, committed, image_of, none, refused, rolled_back,
};

#[tokio::test]
async fn what_was_tested_is_what_production_runs_worker_included() {
    let host = Host::new();
    host.world.insert_row("production", "db", "a patient");
    let (first, database) = (host.production(), host.database());
    let tag = host.deploy("second").await;
    assert_eq!(host.production(), first, "production is untouched by a deployment to staging");
    let staging = host.world.container_ids("staging");

    assert_eq!(host.promote().await, tag);

    let tested = &host.view().releases[&tag];
    assert_eq!(tested.kind, ReleaseKind::Tested);
    for service in ["backend", "worker", "frontend"] {
        assert_eq!(host.production()[service], [tested.images[service].identity.id.clone()], "{service}");
        assert_ne!(host.production()[service], first[service], "{service}");
    }
    assert_eq!(host.world.container_ids("staging"), staging, "staging is untouched by a promotion");
    assert_eq!(host.database(), database, "the database is never touched");
    let state = host.world.state();
    assert_eq!(image_of(&state, "ala-api:production").as_ref(), host.production()["backend"].first());
    assert_eq!(image_of(&state, "ala-api:production-old").as_ref(), first["backend"].first());
    assert_eq!(image_of(&state, &format!("ala-api:{tag}")).as_ref(), host.production()["backend"].first());
    let backup = std::fs::read_dir(host.world.backup_dir()).unwrap().map(|file| file.unwrap().path());
    let dumps: Vec<_> = backup.filter(|file| file.extension().is_some_and(|e| e == "sql")).collect();
    assert_eq!(rows_of_dump(&dumps[0]).unwrap(), ["a patient"]);
    assert!(state.locks.is_empty() && host.snapshots().is_empty());
    assert!(!state.references.keys().any(|r| r.tag().starts_with("ala-promote-")), "build names are removed");
}

#[tokio::test]
async fn a_bad_release_is_put_back_and_an_independent_look_finds_all_as_it_was() {
    let host = Host::with_release(true).await;
    host.world.commit(bad_in_production("bad"));
    committed(host.operate("staging", DEPLOY).await);
    let (before, database, staging) =
        (Look::at(&host, "production", none), host.database(), host.world.container_ids("staging"));

    let reason = rolled_back(host.operate("production", Verb::Promote).await);

    assert!(reason.contains("backend"), "{reason}");
    assert_eq!(Look::at(&host, "production", none), before);
    assert_eq!(host.database(), database);
    assert_eq!(host.world.container_ids("staging"), staging);
    assert!(host.snapshots().is_empty() && host.world.state().locks.is_empty());
    // It did run for a moment: what is put back was really taken away.
    let bad = host.staging()["backend"].clone();
    let ever = host.world.history().iter().any(|moment| {
        moment.state.running(&"production".parse().unwrap(), moment.at).get("backend") == Some(&bad)
    });
    assert!(ever);
}

#[tokio::test]
async fn what_ran_before_we_came_is_adopted_and_can_be_gone_back_to() {
    let host = Host::new();
    host.world
        .act("production was started by hand, under a name of its own", |state| {
            let production = |c: &&mut MemoryContainer| c.stack.environment.as_str() == "production";
            for container in state.containers.values_mut().filter(production) {
                container.stack.project = "by-hand".parse().unwrap();
                container.name = container.name.replace("ala-", "by-hand-");
            }
            let rows = state.databases.remove(&("ala".parse().unwrap(), "db".parse().unwrap())).unwrap();
            state.databases.insert(("by-hand".parse().unwrap(), "db".parse().unwrap()), rows);
        })
        .unwrap();
    let (first, database) = (host.production(), host.database());
    host.deploy("second").await;
    host.promote().await;
    assert_eq!(host.database(), database);
    assert!(host.world.state().containers.values().all(|c| c.project().as_str() != "ala"));
    assert_eq!(host.line("production").len(), 2);
    committed(host.operate("production", BACK).await);
    assert_eq!(host.production(), first);
    assert_eq!(host.view().current(&"production".parse().unwrap()).unwrap().kind, ReleaseKind::Adopted);
    assert!(refused(host.operate("production", BACK).await).contains("no earlier release to go back to"));
}

#[tokio::test]
async fn a_second_rollback_goes_further_back_and_one_can_be_named() {
    let host = Host::new();
    let mut ran = vec![host.production()];
    let mut tags = Vec::new();
    for message in ["second", "third", "fourth"] {
        host.deploy(message).await;
        tags.push(host.promote().await);
        ran.push(host.production());
    }
    let staging = host.world.container_ids("staging");
    committed(host.operate("production", BACK).await);
    assert_eq!(host.production(), ran[2]);
    committed(host.operate("production", BACK).await);
    assert_eq!(host.production(), ran[1]);
    let unknown = refused(host.operate("production", back_to(&tags[2])).await);
    assert!(unknown.contains(&format!("no earlier release {}", tags[2])), "{unknown}");
    // Forward again is a promotion, of what is tested on staging still.
    assert_eq!(host.promote().await, tags[2]);
    assert_eq!(host.production(), ran[3]);
    committed(host.operate("production", back_to(&tags[0])).await);
    assert_eq!(host.production(), ran[1]);
    assert_eq!(host.world.container_ids("staging"), staging);
}

#[tokio::test]
async fn a_rollback_takes_no_backup_and_can_itself_be_put_back() {
    let host = Host::new();
    // What ran first works no more in production: going back to it fails.
    let first = host.production()["backend"][0].clone();
    host.deploy("second").await;
    host.promote().await;
    let behaviour = ImageBehaviour::UnhealthyIn("production".parse().unwrap());
    let broken = |state: &mut State| {
        state.images.get_mut(&first).unwrap().behaviour = behaviour;
    };
    host.world.act("the first release stops working", broken).unwrap();
    let before = Look::at(&host, "production", none);
    let plan = host.plan("production", BACK).await.unwrap();
    assert!(!plan.stages.iter().any(|stage| stage.kind == StageKind::Backup));
    rolled_back(host.operate("production", BACK).await);
    assert_eq!(Look::at(&host, "production", none), before);
}

#[tokio::test]
async fn a_first_deployment_starts_everything_and_a_failed_one_leaves_nothing() {
    let empty = |bad: bool| {
        let world = MemoryBackend::builder()
            .environment("staging", |e| {
                e.service("backend").image("ala-api:staging").build().port(5010, 5000);
                e.service("db").image("postgres:15").postgres("ala", "ala");
            })
            .image("postgres:15");
        let host = Host::of(world);
        if bad {
            host.world.commit(
                SourceCommit::new("bad")
                    .behaviour("backend", ImageBehaviour::UnhealthyIn("staging".parse().unwrap())),
            );
        }
        host
    };
    let host = empty(false);
    committed(host.operate("staging", DEPLOY).await);
    assert_eq!(host.staging().len(), 2);
    let host = empty(true);
    let before = Look::at(&host, "staging", none);
    rolled_back(host.operate("staging", DEPLOY).await);
    assert_eq!(Look::at(&host, "staging", none), before);
    assert!(refused(host.plan("staging", BACK).await).contains("no earlier release"));
}

#[tokio::test]
async fn a_first_promotion_into_nothing_works() {
    let host = Host::of(MemoryBackend::ala_medical());
    host.world
        .act("production was never started", |state| {
            state.containers.retain(|_, c| c.stack.environment.as_str() != "production");
        })
        .unwrap();
    host.deploy("second").await;
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    assert!(plan.before.release.is_none());
    assert!(plan.notes.iter().any(|note| note.gate == "database"), "{:?}", plan.notes);
    host.promote().await;
    assert_eq!(host.production().len(), 4);
    assert_eq!(host.production()["worker"], host.staging()["worker"]);
}

#[tokio::test]
async fn without_building_what_is_tagged_is_deployed() {
    let host = Host::with_release(false).await;
    let staging = host.staging();
    host.world.commit(SourceCommit::new("third"));
    let stack = host.world.stack("staging").unwrap();
    let targets = [("backend".parse().unwrap(), "ala-api:staging".parse().unwrap())].into();
    use ala_promote_core::backend::{Backend as _, Call};
    host.world.builder().build(&stack, &targets, &Call::silent()).await.unwrap();

    let verb = Verb::Deploy { build: false, keep_failed: false };
    committed(host.operate("staging", verb).await);
    assert_ne!(host.staging()["backend"], staging["backend"]);
    assert_eq!(host.staging()["backend"], host.staging()["worker"]);
    assert_eq!(host.staging()["frontend"], staging["frontend"]);
    host.promote().await;
    assert_eq!(host.production()["worker"], host.staging()["backend"]);
}

#[tokio::test]
async fn promoting_what_runs_says_so_and_changes_nothing() {
    let host = Host::with_release(true).await;
    let before = Look::at(&host, "production", none);
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    assert!(plan.notes.iter().any(|note| note.reason.contains("already")), "{:?}", plan.notes);
    let containers = host.world.container_ids("production");
    let line = host.line("production");
    host.promote().await;
    assert_eq!(Look::at(&host, "production", none), before, "`production-old` included");
    assert_eq!(host.world.container_ids("production"), containers);
    assert_eq!(host.line("production"), line);
}

#[tokio::test]
async fn a_service_of_two_replicas_is_promoted_and_put_back_with_both() {
    let host = Host::new();
    let two = |e: &mut EnvironmentEditor| drop(e.service("worker").replicas(2));
    host.world.edit("production", two).unwrap();
    host.deploy("second").await;
    host.promote().await;
    assert_eq!(host.production()["worker"].len(), 2);
    assert_eq!(host.production()["worker"][0], host.staging()["worker"][0]);
    host.world.commit(bad_in_production("bad"));
    committed(host.operate("staging", DEPLOY).await);
    let before = Look::at(&host, "production", none);
    rolled_back(host.operate("production", Verb::Promote).await);
    assert_eq!(Look::at(&host, "production", none), before);
}

#[tokio::test]
async fn plain_deploy_builds_for_production_and_takes_a_backup() {
    let host = Host::with_release(true).await;
    host.world.commit(SourceCommit::new("hotfix"));
    let plan = host.plan("production", DEPLOY).await.unwrap();
    assert!(!plan.confirm);
    assert!(plan.steps().any(|step| matches!(step.action, Action::Backup { .. })));
    committed(host.operate("production", DEPLOY).await);
    let current = host.view().current(&"production".parse().unwrap()).unwrap().clone();
    assert_eq!(current.kind, ReleaseKind::Built);
    assert_ne!(host.production()["backend"], host.staging()["backend"]);
    committed(host.operate("production", BACK).await);
    assert_eq!(host.production()["backend"], host.staging()["backend"]);
}

#[tokio::test]
async fn a_build_that_fails_leaves_the_running_staging_alone() {
    let host = Host::with_release(false).await;
    let before = Look::at(&host, "staging", none);
    let containers = host.world.container_ids("staging");
    host.world.commit(SourceCommit::new("broken").breaks_build("frontend", "error TS2304: cannot find name"));
    let reason = rolled_back(host.operate("staging", DEPLOY).await);
    assert!(reason.contains("TS2304"), "{reason}");
    assert_eq!(Look::at(&host, "staging", none), before);
    assert_eq!(host.world.container_ids("staging"), containers);
}

#[tokio::test]
async fn a_failed_release_is_kept_where_that_was_asked_for() {
    let host = Host::with_release(false).await;
    let good = host.current("staging");
    host.world.commit(
        SourceCommit::new("bad")
            .behaviour("backend", ImageBehaviour::UnhealthyIn("staging".parse().unwrap())),
    );
    let before = host.staging();
    let outcome = host.operate("staging", Verb::Deploy { build: true, keep_failed: true }).await;
    assert!(matches!(outcome, Ok(Outcome::Kept { .. })), "{outcome:?}");
    assert_ne!(host.staging()["backend"], before["backend"]);
    assert!(host.snapshots().is_empty(), "a snapshot holds secrets");
    assert!(!host.world.state().references.keys().any(|r| r.tag().starts_with("ala-promote-")));
    // It counts as tested by no means, and can be left behind.
    assert_eq!(host.current("staging"), good);
    assert!(refused(host.plan("production", Verb::Promote).await).contains("is not what was tested"));
    committed(host.operate("staging", BACK).await);
    assert_eq!(host.staging(), before);
    host.promote().await;
}
