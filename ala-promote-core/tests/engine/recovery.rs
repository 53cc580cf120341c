//! Processes that died, locks that they left, states that need attention, and ledgers that are not what they were.

use std::time::Duration;

use ala_promote_core::backend::{Clock as _, LockHolder};
use ala_promote_core::domain::{Actor, OperationId, Outcome, Verb};
use ala_promote_core::engine::{EngineError, EngineErrorKind};
use ala_promote_core::event::Event;
use ala_promote_core::ledger::{FileLedger, FileLedgerOptions, HistoryEnd, Journal, LedgerId, MemoryLedger};
use ala_promote_core::plan::StageKind;
use ala_promote_testkit::faults::{Fate, FaultPlan};
use futures_util::StreamExt as _;

use crate::host::{
    BACK, DEPLOY, Host, Look, bad_in_production, committed, none, refused, request, rolled_back,
};

/// Drops a promotion as soon as a stage starts, as `kill -9` would.
async fn killed_at(host: &Host, stage: StageKind) -> OperationId {
    let engine = host.engine();
    let plan = engine.plan(&request("production", Verb::Promote)).await.unwrap();
    let operation = plan.operation.clone();
    let mut run = engine.run(plan);
    while let Some(event) = run.next().await {
        if matches!(event, Event::StageStarted { stage: started } if started == stage) {
            return operation;
        }
    }
    panic!("it never came to {stage:?}");
}

#[tokio::test]
async fn a_killed_operation_is_named_until_it_is_recovered() {
    let host = Host::with_release(false).await;
    let before = Look::at(&host, "production", none);
    let operation = killed_at(&host, StageKind::Health).await;
    let again = host.plan("production", Verb::Promote).await;
    assert!(matches!(&again, Err(e) if e.kind() == EngineErrorKind::NeedsRecovery), "{again:?}");
    assert!(again.unwrap_err().to_string().contains(operation.as_str()));
    let unfinished = host.engine().status(&"production".parse().unwrap()).await.unwrap().unfinished.unwrap();
    assert_eq!((unfinished.operation, unfinished.at_work), (operation, false));
    // Staging is not held up.
    committed(host.operate("staging", DEPLOY).await);
    let outcomes = host.recover().await;
    assert!(matches!(outcomes.as_slice(), [Outcome::RolledBack { .. }]), "{outcomes:?}");
    let now = Look::at(&host, "production", none);
    assert_eq!(now.containers, before.containers);
    assert!(host.recover().await.is_empty());
    host.promote().await;
}

#[tokio::test]
async fn after_the_commit_recovery_goes_forward() {
    let host = Host::with_release(false).await;
    killed_at(&host, StageKind::Retire).await;
    let outcomes = host.recover().await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Committed { .. }]), "{outcomes:?}");
    assert_eq!(host.production()["backend"], host.staging()["backend"]);
    assert!(host.snapshots().is_empty());
}

#[tokio::test]
async fn while_the_other_is_at_work_it_is_locked_and_not_in_need_of_recovery() {
    let host = Host::with_release(false).await;
    let engine = host.engine();
    let plan = engine.plan(&request("production", Verb::Promote)).await.unwrap();
    let operation = plan.operation.clone();
    let second = host.plan("production", Verb::Promote).await.unwrap();
    let mut run = engine.run(plan);
    while !matches!(run.next().await, Some(Event::StageStarted { stage: StageKind::Swap })) {}

    let error = host.plan("production", Verb::Promote).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Locked, "{error}");
    let text = error.to_string();
    for part in ["promote production", "ops@host.example.com", "since 2025-10-29", operation.as_str()] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(error.is_retryable());
    let status = host.engine().status(&"production".parse().unwrap()).await.unwrap();
    assert!(status.unfinished.unwrap().at_work);
    let error = host.engine().run(second).finish(|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Locked);
    let unfinished = host.engine().unfinished().unwrap();
    let error = host.engine().recover(&unfinished[0]).finish(|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Locked, "a live operation is never taken over");
    committed(run.finish(|_| {}).await);
}

fn dead_of(ledger: &str) -> LockHolder {
    LockHolder {
        operation: OperationId::new("20251029-000000-promote-dead").unwrap(),
        actor: Actor { user: "ops".into(), host: "host.example.com".into(), pid: 7 },
        since: jiff::Timestamp::UNIX_EPOCH,
        what: "promote production".into(),
        ledger: ledger.into(),
    }
}

#[tokio::test]
async fn a_lock_that_was_left_without_a_record_holds_nobody_up_but_another_ledger_s_does() {
    let host = Host::with_release(false).await;
    let project = host.world.stack("production").unwrap().project;
    host.world.hold_lock(&project, &dead_of("ledger-two"), false);
    let error = host.operate("production", Verb::Promote).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::NeedsRecovery);
    let text = format!("{error} {}", error.hint().unwrap());
    for part in ["promote production by ops", "ledger-two", "on host.example.com", "--new-ledger"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    host.world.hold_lock(&project, &dead_of("ledger-one"), true);
    assert_eq!(host.operate("production", Verb::Promote).await.unwrap_err().kind(), EngineErrorKind::Locked);
    host.world.hold_lock(&project, &dead_of("ledger-one"), false);
    host.promote().await;
}

#[tokio::test]
async fn a_half_done_operation_whose_ledger_is_lost_is_given_up_on_the_record_only() {
    let mut host = Host::with_release(false).await;
    killed_at(&host, StageKind::Swap).await;
    let half_done = host.engine().unfinished().unwrap()[0].operation.clone();
    host.ledger = MemoryLedger::new(LedgerId::new("ledger-two").unwrap());
    assert!(host.operate("production", Verb::Promote).await.is_err());

    let given_up = host.engine().begin_anew().await.unwrap();
    assert_eq!(given_up.ledger.as_ref().unwrap().ledger, "ledger-one");
    assert_eq!(given_up.half_done[0].operation, half_done);
    let view = host.engine().journal().view();
    let begun = view.history.iter().find(|entry| matches!(entry.end, HistoryEnd::BegunAnew { .. })).unwrap();
    assert_eq!(begun.end, HistoryEnd::BegunAnew { given_up });
    assert!(host.world.state().locks.is_empty(), "{:?}", host.world.state().locks);
    assert!(host.engine().begin_anew().await.unwrap().is_nothing());
    committed(host.operate("staging", DEPLOY).await);
}

#[tokio::test]
async fn an_old_copy_is_refused_however_often_it_is_tried_and_can_be_begun_anew_from() {
    let host = Host::with_release(false).await;
    let copy = host.ledger.bytes();
    host.promote().await;
    killed_at(&host, StageKind::Swap).await;
    let half_done = host.engine().unfinished().unwrap()[0].operation.clone();
    let mut host = host;
    host.ledger = MemoryLedger::from_bytes(LedgerId::new("ledger-one").unwrap(), copy);
    for _ in 0..60 {
        let request = request("production", Verb::Promote);
        let Err(EngineError::Refused(refusal)) = host.engine().plan(&request).await else { panic!() };
        host.engine().record_refusal(&request, &refusal).unwrap();
    }
    let given_up = host.engine().begin_anew().await.unwrap();
    assert_eq!(given_up.ledger.unwrap().ledger, "ledger-one");
    assert_eq!(given_up.half_done[0].operation, half_done, "the copy does not know it");
    assert!(host.engine().begin_anew().await.unwrap().is_nothing());
    committed(host.operate("staging", DEPLOY).await);
}

#[tokio::test]
async fn beginning_anew_waits_for_nobody_at_work_and_takes_nothing_of_our_own() {
    let host = Host::with_release(false).await;
    let project = host.world.stack("production").unwrap().project;
    host.world.hold_lock(&project, &dead_of("ledger-two"), true);
    assert_eq!(host.engine().begin_anew().await.unwrap_err().kind(), EngineErrorKind::Locked);
    host.world.hold_lock(&project, &dead_of("ledger-one"), false);
    assert!(host.engine().begin_anew().await.unwrap().is_nothing());
    assert!(host.world.state().locks.contains_key(&project), "recover needs to see whose it was");
}

#[tokio::test]
async fn the_first_operation_of_a_ledger_leaves_a_note_of_it_before_its_first_record() {
    let host = Host::new();
    let engine = host.engine();
    let plan = engine.plan(&request("staging", DEPLOY)).await.unwrap();
    let mut run = engine.run(plan);
    while !matches!(run.next().await, Some(Event::Started { .. })) {}
    drop(run);
    let host = without_state(host);
    assert!(refused(host.plan("staging", DEPLOY).await).contains("[state-loss]"));
}

#[tokio::test]
async fn recover_waits_for_the_children_of_a_dead_process_and_nobody_else_does() {
    let host = Host::with_release(false).await;
    killed_at(&host, StageKind::Swap).await;
    let project = host.world.stack("production").unwrap().project;
    host.world.outlive(&project, "4242 docker-compose", Duration::from_secs(90));
    let error = host.plan("production", Verb::Promote).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::NeedsRecovery);
    assert!(error.to_string().contains("4242 docker-compose"), "{error}");

    let engine = host.engine();
    let plan = engine.unfinished().unwrap().remove(0);
    let mut waited = 0;
    let told = |event: Event| waited += usize::from(matches!(event, Event::WaitingForChildren { .. }));
    let before = host.world.clock().now();
    rolled_back(engine.recover(&plan).finish(told).await);
    assert_eq!(waited, 1);
    assert!(host.world.clock().now() >= before + Duration::from_secs(90));
}

#[tokio::test]
async fn recover_does_not_wait_for_ever() {
    let host = Host::with_release(false).await;
    killed_at(&host, StageKind::Swap).await;
    let project = host.world.stack("production").unwrap().project;
    host.world.outlive(&project, "4242 docker-compose", Duration::from_secs(3600));
    let engine = host.engine();
    let plan = engine.unfinished().unwrap().remove(0);
    let error = engine.recover(&plan).finish(|_| {}).await.unwrap_err();
    assert!(matches!(error, EngineError::ChildrenAtWork { .. }), "{error}");
    assert!(error.is_retryable() && error.hint().unwrap().contains("recover"), "{error}");
}

#[tokio::test]
async fn a_lock_that_was_left_after_the_last_record_holds_nobody_up() {
    let host = Host::with_release(false).await;
    let calls = {
        let other = Host::with_release(false).await;
        other.faults.restart(FaultPlan::new());
        other.promote().await;
        other.faults.calls()
    };
    let release =
        calls.iter().rfind(|call| call.method.starts_with("lock") && call.method.contains("release"));
    host.faults.restart(FaultPlan::new().at(release.unwrap().number, Fate::CrashBefore));
    assert!(host.faults.drive(host.operate("production", Verb::Promote)).await.is_none());
    host.faults.restart(FaultPlan::new());
    assert!(host.engine().unfinished().unwrap().is_empty());
    committed(host.operate("production", BACK).await);
}

#[tokio::test]
async fn a_lock_that_is_taken_away_stops_everything_where_it_is() {
    let host = Host::with_release(false).await;
    let before = Look::at(&host, "production", none);
    let engine = host.engine();
    let plan = engine.plan(&request("production", Verb::Promote)).await.unwrap();
    let project = plan.stack.as_ref().unwrap().project.clone();
    let mut run = engine.run(plan);
    while !matches!(run.next().await, Some(Event::StageStarted { stage: StageKind::Tag })) {}
    host.world.hold_lock(&project, &dead_of("ledger-two"), true);
    let error = run.finish(|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Interrupted, "{error}");
    assert_eq!(host.production(), running(&before, &host));
    assert!(host.world.state().locks.contains_key(&project), "the other's lock is left alone");
}

fn running(_: &Look, host: &Host) -> crate::host::Running {
    let first = host.world.history()[0].clone();
    first.state.running(&"production".parse().unwrap(), first.at)
}

/// A bad release whose way back is blocked: production's containers can't be restored until the engine works again.
async fn stuck() -> (Host, Look) {
    let host = Host::with_release(true).await;
    host.world.commit(bad_in_production("bad"));
    committed(host.operate("staging", DEPLOY).await);
    let before = Look::at(&host, "production", none);
    let probe = {
        let other = Host::with_release(true).await;
        other.world.commit(bad_in_production("bad"));
        committed(other.operate("staging", DEPLOY).await);
        other.faults.restart(FaultPlan::new());
        rolled_back(other.operate("production", Verb::Promote).await);
        other.faults.calls().iter().find(|call| call.method == "stacks.restore").unwrap().number
    };
    let never = Fate::FailBefore(ala_promote_core::backend::BackendErrorKind::Failed);
    // Its three tries; what lies between them are pauses.
    host.faults.restart((probe..probe + 3).fold(FaultPlan::new(), |plan, call| plan.at(call, never)));
    let outcome = host.operate("production", Verb::Promote).await.unwrap();
    host.faults.restart(FaultPlan::new());
    let Outcome::NeedsAttention { state, commands, .. } = &outcome else { panic!("{outcome:?}") };
    assert!(state.iter().any(|line| line.starts_with("not undone: start backend")), "{state:?}");
    assert!(commands.iter().any(|command| command.contains("recover")), "{commands:?}");
    (host, before)
}

#[tokio::test]
async fn what_needed_attention_keeps_what_it_needs_and_is_taken_back_by_recover() {
    let (host, before) = stuck().await;
    assert_eq!(host.snapshots().len(), 1, "without it the containers could never be put back");
    let error = host.plan("production", BACK).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::NeedsRecovery);
    assert!(error.to_string().contains("needs attention"), "{error}");
    let outcomes = host.recover().await;
    assert!(matches!(outcomes.as_slice(), [Outcome::RolledBack { .. }]), "{outcomes:?}");
    assert_eq!(Look::at(&host, "production", none), before);
    assert!(host.snapshots().is_empty());
}

#[tokio::test]
async fn rolled_back_is_not_said_when_what_ran_before_is_sick_now() {
    let host = Host::with_release(true).await;
    host.world.commit(bad_in_production("bad"));
    committed(host.operate("staging", DEPLOY).await);
    let engine = host.engine();
    let plan = engine.plan(&request("production", Verb::Promote)).await.unwrap();
    let old = host.production()["frontend"][0].clone();
    let mut run = engine.run(plan);
    while !matches!(run.next().await, Some(Event::StageStarted { stage: StageKind::Health })) {}
    let sick = ala_promote_testkit::memory::ImageBehaviour::UnhealthyIn("production".parse().unwrap());
    host.world
        .act("the old frontend is sick from now on", |state| {
            state.images.get_mut(&old).unwrap().behaviour = sick;
        })
        .unwrap();
    let outcome = run.finish(|_| {}).await.unwrap();
    let Outcome::NeedsAttention { state, .. } = &outcome else { panic!("{outcome:?}") };
    assert!(state.iter().any(|line| line.contains("not healthy as before")), "{state:?}");
    host.world
        .act("it is well again", |state| {
            state.images.get_mut(&old).unwrap().behaviour = Default::default();
        })
        .unwrap();
    let outcomes = host.recover().await;
    assert!(matches!(outcomes.as_slice(), [Outcome::RolledBack { .. }]), "{outcomes:?}");
}

/// The state folder was deleted: there is a new, empty ledger.
fn without_state(mut host: Host) -> Host {
    host.ledger = MemoryLedger::new(LedgerId::new("ledger-two").unwrap());
    host
}

#[tokio::test]
async fn a_lost_ledger_is_noticed_by_every_command_a_fetch_included() {
    let host = without_state(Host::with_release(true).await);
    for (environment, verb) in [("staging", DEPLOY), ("production", Verb::Promote), ("production", BACK)] {
        let refusal = refused(host.plan(environment, verb).await);
        assert!(refusal.contains("[state-loss]") && refusal.contains("ledger-one"), "{refusal}");
    }
    let engine = host.engine();
    let fetch = engine.fetch_plan(&"staging".parse().unwrap()).unwrap();
    let refusal = refused(engine.run(fetch).finish(|_| {}).await);
    assert!(refusal.contains("[state-loss]"), "{refusal}");
    assert!(refused(host.plan("staging", DEPLOY).await).contains("[state-loss]"), "still");

    assert!(!host.engine().begin_anew().await.unwrap().is_nothing());
    committed(host.operate("staging", DEPLOY).await);
    host.promote().await;
}

#[tokio::test]
async fn an_old_copy_of_the_ledger_is_neither_followed_nor_recovered() {
    let host = Host::with_release(false).await;
    killed_at(&host, StageKind::Swap).await;
    let copy = host.ledger.bytes();
    host.recover().await;
    host.promote().await;
    let mut host = host;
    host.ledger = MemoryLedger::from_bytes(LedgerId::new("ledger-one").unwrap(), copy);
    let running = host.production();
    let engine = host.engine();
    let unfinished = engine.unfinished().unwrap();
    let refusal = refused(engine.recover(&unfinished[0]).finish(|_| {}).await);
    assert!(refusal.contains("its end is missing"), "{refusal}");
    assert_eq!(host.production(), running);
}

#[tokio::test]
async fn a_new_process_goes_by_what_the_last_one_wrote_to_the_disk() {
    let host = Host::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let id = LedgerId::new("ledger-on-disk").unwrap();
    // Small segments, so that views come from checkpoints too.
    let options = FileLedgerOptions { segment_bytes: 20_000, ..FileLedgerOptions::default() };
    drop(FileLedger::create(&path, id, options).unwrap());
    let open = || {
        host.world.clock().advance(std::time::Duration::from_secs(1));
        host.builder_over(Journal::open(Box::new(FileLedger::open(&path, options).unwrap())).unwrap()).build()
    };
    let operate = async |environment: &str, verb: Verb| {
        let engine = open();
        let plan = engine.plan(&request(environment, verb)).await?;
        open().run(plan).finish(|_| {}).await
    };
    let first = host.production();
    host.world.commit(ala_promote_testkit::memory::SourceCommit::new("second"));
    committed(operate("staging", DEPLOY).await);
    let plan = open().plan(&request("production", Verb::Promote)).await.unwrap();
    let mut run = open().run(plan);
    while !matches!(run.next().await, Some(Event::StageStarted { stage: StageKind::Health })) {}
    drop(run);
    let unfinished = open().unfinished().unwrap();
    let outcome = open().recover(&unfinished[0]).finish(|_| {}).await;
    rolled_back(outcome);
    assert_eq!(host.production(), first);
    committed(operate("production", Verb::Promote).await);
    committed(operate("production", BACK).await);
    assert_eq!(host.production(), first);
    let segments = std::fs::read_dir(&path).unwrap().count();
    assert!(segments > 4, "{segments}");
    let names = std::fs::read_dir(&path).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with("reserve-")), "reserves are given back");
    let verdict = open().journal().verify(None).unwrap();
    assert!(matches!(verdict, ala_promote_core::ledger::Verdict::Intact { .. }), "{verdict:?}");
}

#[tokio::test]
async fn an_engine_that_is_away_for_a_moment_has_taken_no_lock() {
    let host = Host::with_release(false).await;
    let calls = {
        let other = Host::with_release(false).await;
        other.faults.restart(FaultPlan::new());
        other.promote().await;
        other.faults.calls()
    };
    let check = calls.iter().filter(|call| call.method.contains("check")).nth(2).unwrap().number;
    let away = Fate::FailBefore(ala_promote_core::backend::BackendErrorKind::Unavailable);
    host.faults.restart(FaultPlan::new().at(check, away).at(check + 1, away));
    host.promote().await;
}

#[tokio::test]
async fn no_engine_is_an_error_of_the_environment_and_nothing_is_recorded() {
    let host = Host::new();
    let away = Fate::FailBefore(ala_promote_core::backend::BackendErrorKind::Unavailable);
    host.faults.restart(FaultPlan::new().from(1, away));
    let error = host.operate("staging", DEPLOY).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Environment);
    assert!(host.ledger.bytes().is_empty());
}

#[tokio::test]
async fn what_fails_once_after_the_commit_is_tried_again() {
    let host = Host::with_release(false).await;
    let calls = {
        let other = Host::with_release(false).await;
        other.faults.restart(FaultPlan::new());
        other.promote().await;
        other.faults.calls()
    };
    let discard = calls.iter().find(|call| call.method == "stacks.discard_snapshot").unwrap().number;
    let once = Fate::FailBefore(ala_promote_core::backend::BackendErrorKind::Failed);
    host.faults.restart(FaultPlan::new().at(discard, once));
    host.promote().await;
    assert!(host.snapshots().is_empty());
}
