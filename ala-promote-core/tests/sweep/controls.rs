//! Each broken promise is found, and no other one.

use std::collections::BTreeSet;

use ala_promote_testkit::sweep::{Control, Extent, Invariant, Rig, Scenario, Sweep};

#[tokio::test]
async fn every_broken_promise_is_found_and_no_other() {
    let mut wrong = Vec::new();
    for control in Control::ALL {
        let sweep = Sweep::of(control.shown_by(), control.rig()).await.unwrap();
        let report = sweep.run(control.extent()).await.unwrap();
        println!("{control}: {:?} in {} of {} cases", report.broken(), report.violations.len(), report.cases);
        if report.broken() != control.breaks().iter().copied().collect() {
            wrong.push(format!("{control} breaks {:?}, found was {report}", control.breaks()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_promise_is_broken_by_a_control() {
    let broken: BTreeSet<Invariant> = Control::ALL.iter().flat_map(|c| c.breaks()).copied().collect();
    assert_eq!(broken, Invariant::ALL.into());
}

#[test]
fn the_table_of_promises_names_what_breaks_them() {
    let table = include_str!("../../../docs/reliability.md");
    for promise in Invariant::ALL {
        let broken_by = Control::ALL.iter().filter(|control| control.breaks().contains(&promise));
        let names: Vec<String> = broken_by.map(|control| format!("`{control}`")).collect();
        let line = format!("| `{promise}` | {} |", names.join(", "));
        assert!(table.contains(&line), "no line of the table ends with: {line}");
    }
}

#[tokio::test]
async fn a_scenario_that_there_is_not_is_an_error() {
    let sweep = Sweep::of(Scenario::fetch(), Rig::honest()).await.unwrap();
    let error = sweep.run(Extent::singles().only("promot/call-3:hang")).await.unwrap_err().to_string();
    assert!(error.contains("`promot`") && error.contains("promote,"), "{error}");
    assert_eq!(sweep.run(Extent::singles().only("promote/call-3:hang")).await.unwrap().cases, 0);
    assert_eq!(sweep.run(Extent::singles().only("fetch/call-3:fail-after")).await.unwrap().cases, 1);
}
