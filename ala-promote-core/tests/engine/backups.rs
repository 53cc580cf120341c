//! Backups: all of them before anything changes, and nothing incomplete left behind.

use ala_promote_core::domain::Verb;
use ala_promote_core::event::Event;
use ala_promote_core::plan::{Action, StageKind};
use ala_promote_testkit::faults::{Fate, FaultPlan};
use ala_promote_testkit::memory::rows_of_dump;

use crate::gates::{listed, two_databases};
use crate::host::{Host, Look, committed, none, request, rolled_back};

/// The names in the folder for backups.
fn names(host: &Host) -> Vec<String> {
    let folder = std::fs::read_dir(host.world.backup_dir()).unwrap();
    let mut names: Vec<String> =
        folder.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

async fn both_listed() -> Host {
    let mut host = two_databases().await;
    host.settings.backup.database = listed(&["db", "other"]);
    host
}

#[tokio::test]
async fn several_databases_are_backed_up_each_to_a_file_of_its_own() {
    let host = both_listed().await;
    host.world.insert_row("production", "db", "of db");
    let engine = host.engine();
    let plan = engine.plan(&request("production", Verb::Promote)).await.unwrap();
    let kinds: Vec<_> = plan.stages.iter().map(|stage| (stage.kind, stage.steps.len())).collect();
    assert!(kinds.contains(&(StageKind::Backup, 2)), "{kinds:?}");
    let files: Vec<_> = plan
        .steps()
        .filter_map(|step| match &step.action {
            Action::Backup { file, .. } => Some(file.clone()),
            _ => None,
        })
        .collect();
    let ends: Vec<bool> = files
        .iter()
        .zip(["-db.sql", "-other.sql"])
        .map(|(f, end)| f.to_string_lossy().ends_with(end))
        .collect();
    assert_eq!(ends, [true, true], "{files:?}");
    committed(engine.run(plan).finish(|_| {}).await);
    assert_eq!(rows_of_dump(&files[0]).unwrap(), ["of db"]);
    assert_eq!(rows_of_dump(&files[1]).unwrap(), ["of other"]);
    assert_eq!(names(&host).len(), 4, "{:?}", names(&host));
}

#[tokio::test]
async fn one_database_that_can_t_be_dumped_stops_the_promotion_of_all() {
    let host = both_listed().await;
    let engine = host.engine();
    let plan = engine.plan(&request("production", Verb::Promote)).await.unwrap();
    let ids = host.world.container_ids("production");
    let run = engine.run(plan);
    let fail = |event: Event| {
        if matches!(event, Event::StageStarted { stage: StageKind::Backup }) {
            host.world
                .act("lose it", |state| state.databases.retain(|(_, s), _| s.as_str() != "other"))
                .unwrap();
        }
    };
    let reason = rolled_back(run.finish(fail).await);
    assert!(reason.contains("back up other of other"), "{reason}");
    assert_eq!(host.world.container_ids("production"), ids);
}

#[tokio::test]
async fn a_dump_that_was_killed_or_failed_half_way_leaves_nothing_incomplete() {
    let calls = {
        let host = Host::with_release(false).await;
        host.faults.restart(FaultPlan::new());
        host.promote().await;
        host.faults.calls()
    };
    let dump = calls.iter().find(|call| call.method == "database.dump").unwrap();
    let mut seen_partial = false;
    for fate in Fate::halves(dump.polls) {
        let host = Host::with_release(false).await;
        let before = Look::at(&host, "production", none);
        host.faults.restart(FaultPlan::new().at(dump.number, fate));
        let _ = host.faults.drive(host.operate("production", Verb::Promote)).await;
        seen_partial |= names(&host).iter().any(|name| name.contains("partial"));
        host.faults.restart(FaultPlan::new());
        host.recover().await;
        let left: Vec<String> = names(&host).into_iter().filter(|name| name.contains("partial")).collect();
        assert!(left.is_empty(), "{fate:?}: {left:?}");
        assert_eq!(Look::at(&host, "production", none), before, "{fate:?}");
    }
    assert!(seen_partial, "no kill left anything, so nothing was shown");
}
