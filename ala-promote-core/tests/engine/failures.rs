//! Operations that are stopped, plans that no longer hold, and several engines at once.

use ala_promote_core::domain::{Outcome, Verb};
use ala_promote_core::engine::{EngineError, EngineErrorKind};
use ala_promote_core::event::Event;
use ala_promote_core::plan::{Plan, StageKind};
use ala_promote_testkit::memory::{ImageBehaviour, SourceCommit};
use futures_util::future::join;

use crate::host::{BACK, DEPLOY, Host, Look, cancelled_at, committed, none, refused, request, rolled_back};

async fn third_tested() -> Host {
    let host = Host::with_release(true).await;
    host.deploy("third").await;
    host
}

#[tokio::test]
async fn cancelled_at_any_stage_before_the_commit_all_is_as_it_was() {
    use StageKind::{Backup, Health, Pin, Swap, Tag};
    for stage in [Pin, Backup, Tag, Swap, Health] {
        let host = third_tested().await;
        let before = Look::at(&host, "production", none);
        let plan = host.plan("production", Verb::Promote).await.unwrap();
        let is_meant = |event: &Event| matches!(event, Event::StageStarted { stage: s } if *s == stage);
        let reason = rolled_back(cancelled_at(&host.engine(), plan, is_meant).await);
        assert_eq!(reason, "stopped on request", "{stage:?}");
        assert_eq!(Look::at(&host, "production", none), before, "{stage:?}");
        assert!(host.snapshots().is_empty(), "{stage:?}");
        host.promote().await;
    }
}

#[tokio::test]
async fn a_build_that_is_cancelled_is_stopped_and_leaves_nothing() {
    let host = Host::with_release(false).await;
    host.world.commit(SourceCommit::new("third"));
    let before = Look::at(&host, "staging", none);
    let plan = host.plan("staging", DEPLOY).await.unwrap();
    let is_meant = |event: &Event| matches!(event, Event::StepLine { text, .. } if text.contains("building"));
    assert_eq!(rolled_back(cancelled_at(&host.engine(), plan, is_meant).await), "stopped on request");
    assert_eq!(Look::at(&host, "staging", none), before);
}

#[tokio::test]
async fn cancelled_after_the_commit_it_goes_on_to_its_end() {
    let host = third_tested().await;
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    let is_meant = |event: &Event| matches!(event, Event::StageStarted { stage: StageKind::Retire });
    committed(cancelled_at(&host.engine(), plan, is_meant).await);
    assert!(host.snapshots().is_empty());
}

#[tokio::test]
async fn a_cancelled_wait_for_health_keeps_no_release() {
    let host = Host::with_release(false).await;
    host.world.commit(SourceCommit::new("slow").behaviour("backend", ImageBehaviour::Never));
    let before = Look::at(&host, "staging", none);
    let verb = Verb::Deploy { build: true, keep_failed: true };
    let plan = host.plan("staging", verb).await.unwrap();
    let is_meant = |event: &Event| matches!(event, Event::HealthSeen { .. });
    assert_eq!(rolled_back(cancelled_at(&host.engine(), plan, is_meant).await), "stopped on request");
    assert_eq!(Look::at(&host, "staging", none), before);
}

#[tokio::test]
async fn a_release_that_never_answers_is_put_back_after_a_bounded_wait() {
    let host = Host::with_release(false).await;
    host.world.commit(SourceCommit::new("slow").behaviour("backend", ImageBehaviour::Never));
    let before = Look::at(&host, "staging", none);
    let reason = rolled_back(host.operate("staging", DEPLOY).await);
    assert!(reason.contains("not healthy within 120 s"), "{reason}");
    assert_eq!(Look::at(&host, "staging", none), before);
}

#[tokio::test]
async fn healthy_for_a_moment_is_not_enough() {
    let host = Host::with_release(false).await;
    let crash = ImageBehaviour::CrashesAfter(std::time::Duration::from_secs(3));
    host.world.commit(SourceCommit::new("leak").behaviour("backend", crash));
    let before = Look::at(&host, "staging", none);
    rolled_back(host.operate("staging", DEPLOY).await);
    assert_eq!(Look::at(&host, "staging", none), before);
}

/// Shorter than the window it is never healthy for long enough; longer, it is as good as others.
#[tokio::test]
async fn what_flaps_within_the_window_is_put_back() {
    for (seconds, is_put_back) in [(3, true), (40, false)] {
        let host = Host::with_release(false).await;
        let flaps = ImageBehaviour::Flaps(std::time::Duration::from_secs(seconds));
        host.world.commit(SourceCommit::new("flaps").behaviour("backend", flaps));
        let before = Look::at(&host, "staging", none);
        let outcome = host.operate("staging", DEPLOY).await;
        if is_put_back {
            rolled_back(outcome);
            assert_eq!(Look::at(&host, "staging", none), before);
        } else {
            committed(outcome);
        }
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_while_the_backup_is_written_stops_it_before_any_visible_change() {
    let host = third_tested().await;
    for row in 0..50 {
        host.world.insert_row("production", "db", &format!("patient {row}"));
    }
    let containers = host.world.container_ids("production");
    let before = Look::at(&host, "production", none);
    host.world.act("the disk is nearly full", |state| state.free_bytes = 500).unwrap();
    let reason = rolled_back(host.operate("production", Verb::Promote).await);
    assert!(reason.contains("no space left"), "{reason}");
    assert_eq!(Look::at(&host, "production", none), before);
    assert_eq!(host.world.container_ids("production"), containers);
    let left = std::fs::read_dir(host.world.backup_dir()).unwrap().count();
    assert_eq!(left, 2, "the earlier backup and its manifest");
}

#[tokio::test]
async fn a_plan_is_text_that_another_engine_runs_once() {
    let host = third_tested().await;
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    let read: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(read, plan);
    host.world.clock().advance(std::time::Duration::from_secs(24 * 3600));
    committed(host.engine().run(read).finish(|_| {}).await);
    let again = host.engine().run(plan).finish(|_| {}).await;
    let Err(EngineError::UnusablePlan { reason }) = &again else { panic!("{again:?}") };
    assert!(reason.contains("was run before"), "{reason}");
}

#[tokio::test]
async fn a_plan_of_a_newer_format_is_refused() {
    let host = third_tested().await;
    let mut plan = host.plan("production", Verb::Promote).await.unwrap();
    plan.format += 1;
    let ended = host.engine().run(plan).finish(|_| {}).await;
    assert!(matches!(&ended, Err(e) if e.kind() == EngineErrorKind::Usage), "{ended:?}");
}

type Meddling = (&'static str, fn(&Host));

#[tokio::test]
async fn a_plan_that_no_longer_holds_is_refused_and_nothing_changes() {
    let meddle: [Meddling; 4] = [
        ("production's tag was moved", |host| {
            host.world
                .act("docker tag", |state| {
                    let old = state.references[&"ala-api:production-old".parse().unwrap()].clone();
                    state.references.insert("ala-api:production".parse().unwrap(), old);
                })
                .unwrap();
        }),
        ("production's container was stopped", |host| {
            host.world.kill("production", "worker", 137).unwrap();
        }),
        ("production's files were edited", |host| {
            host.world.edit("production", |e| drop(e.service("more").image("ala-api:production"))).unwrap();
        }),
        ("a step was added by hand", |_| {}),
    ];
    for (what, meddle) in meddle {
        let host = third_tested().await;
        let mut plan = host.plan("production", Verb::Promote).await.unwrap();
        meddle(&host);
        if what.contains("by hand") {
            plan.stages.retain(|stage| stage.kind != StageKind::Backup);
        }
        let before = Look::at(&host, "production", none);
        let refusal = refused(host.engine().run(plan).finish(|_| {}).await);
        assert!(refusal.contains("[still-true]"), "{what}: {refusal}");
        assert_eq!(Look::at(&host, "production", none), before, "{what}");
        assert!(host.view().unfinished.is_empty() && host.world.state().locks.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_tested_image_that_was_moved_between_plan_and_run_is_refused_by_its_gate() {
    let host = third_tested().await;
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    host.world
        .act("docker tag", |state| {
            let old = state.references[&"ala-api:production".parse().unwrap()].clone();
            state.references.insert("ala-api:staging".parse().unwrap(), old);
        })
        .unwrap();
    let refusal = refused(host.engine().run(plan).finish(|_| {}).await);
    assert!(refusal.contains("[tested-release]"), "{refusal}");
}

#[tokio::test]
async fn two_engines_in_one_process_work_side_by_side_and_exclude_each_other_where_they_must() {
    let host = third_tested().await;
    host.world.commit(SourceCommit::new("fourth"));
    let (one, other) = (host.engine(), host.engine());
    let promotion = one.plan(&request("production", Verb::Promote)).await.unwrap();
    let deployment = other.plan(&request("staging", DEPLOY)).await.unwrap();
    let both = join(one.run(promotion).finish(|_| {}), other.run(deployment).finish(|_| {}));
    let (promoted, deployed) = both.await;
    committed(promoted);
    committed(deployed);

    let first = one.plan(&request("production", BACK)).await.unwrap();
    host.world.clock().advance(std::time::Duration::from_secs(1));
    let second = other.plan(&request("production", BACK)).await.unwrap();
    let (a, b) = join(one.run(first).finish(|_| {}), other.run(second).finish(|_| {})).await;
    let ended: Vec<_> = [&a, &b].into_iter().map(|r| r.is_ok()).collect();
    assert_eq!(ended.iter().filter(|ok| **ok).count(), 1, "{a:?} {b:?}");
}

#[tokio::test]
async fn the_last_event_is_the_end_whatever_the_end() {
    let host = third_tested().await;
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    let mut events = Vec::new();
    let outcome = host.engine().run(plan.clone()).finish(|event| events.push(event)).await.unwrap();
    assert!(matches!(&events[0], Event::Started { recovering: false, .. }));
    let ends = events.iter().filter(|event| matches!(event, Event::Ended { .. })).count();
    assert_eq!(ends, 1);
    assert!(
        matches!(events.last(), Some(Event::Ended { outcome: Some(o), error: None, .. }) if *o == outcome)
    );
    let mut events = Vec::new();
    host.engine().run(plan).finish(|event| events.push(event)).await.unwrap_err();
    assert!(matches!(events.as_slice(), [Event::Ended { outcome: None, error: Some(_), .. }]), "{events:?}");
}

#[tokio::test]
async fn a_killed_fetch_is_done_by_recover_and_a_failed_one_says_so() {
    let host = Host::new();
    host.world.push_upstream(SourceCommit::new("from upstream"));
    let engine = host.engine();
    let plan = engine.fetch_plan(&"staging".parse().unwrap()).unwrap();
    let mut run = engine.run(plan);
    use futures_util::StreamExt as _;
    while !matches!(run.next().await, Some(Event::StepStarted { .. })) {}
    drop(run);
    let outcomes = host.recover().await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Committed { .. }]), "{outcomes:?}");
    host.world.edit_source(|tree| tree.upstream = ala_promote_testkit::memory::Upstream::Diverged);
    let engine = host.engine();
    let plan = engine.fetch_plan(&"staging".parse().unwrap()).unwrap();
    let reason = rolled_back(engine.run(plan).finish(|_| {}).await);
    assert!(reason.contains("no descendant"), "{reason}");
}

#[tokio::test]
async fn what_comes_up_healthy_but_is_another_image_is_put_back() {
    let host = third_tested().await;
    let before = Look::at(&host, "production", none);
    let engine = host.engine();
    let mut run = engine.run(host.plan("production", Verb::Promote).await.unwrap());
    use futures_util::StreamExt as _;
    while !matches!(run.next().await, Some(Event::StageStarted { stage: StageKind::Swap })) {}
    let meddle = |state: &mut ala_promote_testkit::memory::State| {
        let old = state.references[&"ala-api:production-old".parse().unwrap()].clone();
        state.references.insert("ala-api:production".parse().unwrap(), old);
    };
    host.world.act("docker tag, at the worst moment", meddle).unwrap();
    let reason = rolled_back(run.finish(|_| {}).await);
    assert!(reason.contains("identity: backend runs") && reason.contains("instead of"), "{reason}");
    assert_eq!(Look::at(&host, "production", none), before);
}
