//! Commands of the team's own: when they run, in what, and how they are taken back.

use std::time::Duration;

use ala_promote_core::config::{HookSettings, HookedVerb, Place};
use ala_promote_core::domain::{Hook, HookMoment, Outcome, Verb};
use ala_promote_core::engine::EngineError;
use ala_promote_core::event::Event;
use ala_promote_core::plan::{Action, StageKind};
use ala_promote_testkit::faults::{Fate, FaultPlan};
use ala_promote_testkit::memory::State;

use crate::host::{BACK, Host, Look, bad_in_production, cancelled_at, committed, none, refused, rolled_back};

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// A hook of production.
fn hook(
    name: &str,
    at: HookMoment,
    service: Option<&str>,
    command: &str,
    undo: Option<&str>,
) -> HookSettings {
    HookSettings {
        hook: Hook {
            name: name.parse().unwrap(),
            service: service.map(|service| service.parse().unwrap()),
            command: words(command),
            undo: undo.map(words),
            timeout: Duration::from_secs(60),
        },
        environment: "production".parse().unwrap(),
        at,
        on: vec![HookedVerb::Deploy, HookedVerb::Promote],
        place: Place::File { path: "ala-promote.toml".into(), line: 7, column: 1 },
    }
}

/// Two before the swap and one after it, each with its undo; the second is the team's own `last`.
async fn host(last: HookSettings) -> Host {
    use HookMoment::{AfterSwap, BeforeSwap};
    let mut host = Host::with_release(false).await;
    host.settings.hooks = vec![
        hook("migrate", BeforeSwap, Some("backend"), "touch schema", Some("rm -f schema")),
        hook("drain", BeforeSwap, None, "touch drained", Some("rm -f drained")),
        hook("warm", AfterSwap, Some("frontend"), "touch cache", Some("rm -f cache")),
        last,
    ];
    host
}

fn announce() -> HookSettings {
    hook("announce", HookMoment::AfterSwap, None, "echo done", None)
}

/// The files that hooks left, and the commands that ran.
fn files(host: &Host) -> Vec<String> {
    host.world.state().files.iter().map(|(_, file)| file.clone()).collect()
}

fn ran(host: &Host) -> Vec<String> {
    host.world.state().hooks_ran.iter().map(|ran| ran.command.join(" ")).collect()
}

#[tokio::test]
async fn they_run_in_order_around_the_swap_in_the_image_of_the_release() {
    let host = host(announce()).await;
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    let kinds: Vec<StageKind> = plan.stages.iter().map(|stage| stage.kind).collect();
    let swap = kinds.iter().position(|kind| *kind == StageKind::Swap).unwrap();
    assert_eq!(kinds[swap - 2..swap], [StageKind::BeforeSwap, StageKind::BeforeSwap]);
    assert_eq!(kinds[swap - 4..swap - 2], [StageKind::Backup, StageKind::Tag]);
    let rest =
        [StageKind::Health, StageKind::AfterSwap, StageKind::AfterSwap, StageKind::Commit, StageKind::Retire];
    assert_eq!(kinds[swap + 1..], rest);
    assert!(plan.steps().any(|step| step.title == "run the hook migrate (backend: touch schema)"));
    committed(host.operate("production", Verb::Promote).await);
    assert_eq!(ran(&host), ["touch schema", "touch drained", "touch cache", "echo done"]);
    let ran = host.world.state().hooks_ran.clone();
    let tested = |reference: &str| host.world.image(reference);
    assert_eq!(ran[0].image, tested("ala-api:staging"), "not in the image that is put on");
    assert_eq!((ran[1].image.clone(), ran[2].image.clone()), (None, tested("ala-web:staging")));
    // The first moment in which it was at work had the old containers.
    let history = host.world.history();
    let migrated = history.iter().find(|moment| !moment.state.hooks_ran.is_empty()).unwrap();
    let now = migrated.state.running(&"production".parse().unwrap(), migrated.at);
    assert_ne!(now["backend"], host.production()["backend"]);
    let log = std::fs::read_to_string(
        host.settings.state_dir.join("hooks").join(format!("{}-announce.log", ran[3].operation)),
    );
    assert!(log.unwrap().lines().any(|line| line == "done"));
}

#[tokio::test]
async fn one_that_fails_before_the_swap_leaves_all_as_it_was() {
    let host = host(hook("last", HookMoment::BeforeSwap, None, "false", Some("rm -f never"))).await;
    let before = Look::at(&host, "production", none);
    let ids = host.world.container_ids("production");
    let reason = rolled_back(host.operate("production", Verb::Promote).await);
    assert!(
        reason.contains("run the hook last (the host: false)") && reason.contains("exit code 1"),
        "{reason}"
    );
    assert_eq!(Look::at(&host, "production", none), before);
    assert_eq!(host.world.container_ids("production"), ids, "a container was replaced");
    // Also the one that failed half-way is taken back, the last first; the one after the swap never ran.
    let expected = ["touch schema", "touch drained", "false", "rm -f never", "rm -f drained", "rm -f schema"];
    assert_eq!(ran(&host), expected);
    assert!(files(&host).is_empty());
}

#[tokio::test]
async fn one_that_fails_after_the_swap_puts_the_old_containers_back() {
    let host = host(hook("last", HookMoment::AfterSwap, None, "false", None)).await;
    let before = Look::at(&host, "production", none);
    rolled_back(host.operate("production", Verb::Promote).await);
    assert_eq!(Look::at(&host, "production", none), before);
    assert!(files(&host).is_empty(), "{:?}", files(&host));
}

#[tokio::test]
async fn a_release_that_is_not_healthy_takes_them_back() {
    let mut host = Host::with_release(true).await;
    host.settings.hooks = vec![
        hook("migrate", HookMoment::BeforeSwap, Some("backend"), "touch schema", Some("rm -f schema")),
        hook("warm", HookMoment::AfterSwap, None, "touch cache", None),
    ];
    host.world.commit(bad_in_production("bad"));
    committed(host.operate("staging", crate::host::DEPLOY).await);
    rolled_back(host.operate("production", Verb::Promote).await);
    assert_eq!(ran(&host), ["touch schema", "rm -f schema"]);
}

#[tokio::test]
async fn an_undo_that_fails_needs_attention() {
    let host = host(hook("last", HookMoment::BeforeSwap, None, "false", Some("false"))).await;
    match host.operate("production", Verb::Promote).await {
        Ok(Outcome::NeedsAttention { state, .. }) => {
            assert!(state.iter().any(|line| line.contains("not undone: run the hook last")), "{state:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn while_one_is_not_taken_back_it_keeps_its_image_and_what_was_taken_back_stays_so() {
    let host =
        host(hook("last", HookMoment::BeforeSwap, Some("backend"), "false", Some("test -e mended"))).await;
    let before = Look::at(&host, "production", none);
    let outcome = host.operate("production", Verb::Promote).await.unwrap();
    assert!(matches!(outcome, Outcome::NeedsAttention { .. }), "{outcome:?}");
    let tested = host.world.image("ala-api:staging");
    assert_eq!(host.world.image("ala-api:production"), tested, "the undo could never run again");
    let so_far = ran(&host).len();
    let place = Some(("ala".parse().unwrap(), "backend".parse().unwrap()));
    let mend = |state: &mut State| state.files.extend([(place, "mended".to_owned())]);
    host.world.act("somebody mends it", mend).unwrap();
    let outcomes = host.recover().await;
    assert!(matches!(outcomes.as_slice(), [Outcome::RolledBack { .. }]), "{outcomes:?}");
    assert_eq!(ran(&host)[so_far..], ["test -e mended"], "the others' undo was done already");
    assert_eq!(host.world.state().hooks_ran.last().unwrap().image, tested);
    assert_eq!(Look::at(&host, "production", none), before);
}

#[tokio::test]
async fn one_that_takes_too_long_or_is_stopped_is_taken_back() {
    let host = host(hook("last", HookMoment::BeforeSwap, None, "sleep 600", None)).await;
    let reason = rolled_back(host.operate("production", Verb::Promote).await);
    assert!(reason.contains("not done after 60 s"), "{reason}");
    let engine = host.engine();
    let plan = engine
        .plan(&ala_promote_core::domain::Request {
            environment: "production".parse().unwrap(),
            verb: Verb::Promote,
        })
        .await
        .unwrap();
    let is_meant =
        |event: &Event| matches!(event, Event::StepStarted { title, .. } if title.contains("last"));
    let reason = rolled_back(cancelled_at(&engine, plan, is_meant).await);
    assert_eq!(reason, "stopped on request");
    assert!(files(&host).is_empty() && host.world.state().hooks_at_work.is_empty());
}

#[tokio::test]
async fn a_rollback_runs_those_that_say_so_and_names_the_others() {
    let mut host = Host::with_release(true).await;
    let mut both = hook("flush", HookMoment::AfterSwap, None, "touch flushed", None);
    both.on.push(HookedVerb::Rollback);
    host.settings.hooks =
        vec![hook("migrate", HookMoment::BeforeSwap, Some("backend"), "touch schema", None), both];
    let plan = host.plan("production", BACK).await.unwrap();
    let note = plan.notes.iter().find(|note| note.gate == "hooks").unwrap();
    assert!(note.reason.ends_with("nor their undo: migrate"), "{note:?}");
    committed(host.operate("production", BACK).await);
    assert_eq!(ran(&host), ["touch flushed"]);
    // Staging has none.
    let plan = host.plan("staging", crate::host::DEPLOY).await.unwrap();
    assert!(!plan.steps().any(|step| matches!(step.action, Action::Hook { .. })));
}

#[tokio::test]
async fn one_in_a_service_that_is_not_there_is_refused_with_its_line() {
    let host = host(hook("last", HookMoment::BeforeSwap, Some("bakend"), "true", None)).await;
    let said = refused(host.plan("production", Verb::Promote).await);
    for part in ["[hooks]", "the service bakend", "ala-promote.toml:7:1", "backend, db, frontend, worker"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Whatever becomes of a call that runs or ends a hook: afterwards all is old or all is new, its effects too, and
/// nothing of it is at work.
#[tokio::test]
async fn whatever_becomes_of_one_its_effects_go_with_the_release() {
    let calls = {
        let host = host(announce()).await;
        host.faults.restart(FaultPlan::new());
        committed(host.operate("production", Verb::Promote).await);
        host.faults.calls()
    };
    let of_hooks: Vec<_> = calls.iter().filter(|call| call.method.starts_with("hooks.")).collect();
    assert_eq!(of_hooks.len(), 4);
    for call in of_hooks {
        let fates =
            Fate::WHOLE.into_iter().filter(|fate| *fate != Fate::Hang).chain(Fate::halves(call.polls));
        for fate in fates {
            let host = host(announce()).await;
            let before = Look::at(&host, "production", none);
            host.faults.restart(FaultPlan::new().at(call.number, fate));
            let ended: Option<Result<Outcome, EngineError>> =
                host.faults.drive(host.operate("production", Verb::Promote)).await;
            host.faults.restart(FaultPlan::new());
            let when = format!("{fate:?} at call {}: {ended:?}", call.number);
            for outcome in host.recover().await {
                assert!(matches!(outcome, Outcome::RolledBack { .. }), "{when}: {outcome:?}");
            }
            assert_eq!(Look::at(&host, "production", none), before, "{when}");
            assert!(files(&host).is_empty(), "{when}: {:?}", files(&host));
            assert!(host.world.state().hooks_at_work.is_empty(), "{when}");
        }
    }
}
