//! Each broken promise is found, and is the one that was broken.

use ala_promote_testkit::sweep::{Control, Extent, Rig, Scenario, Sweep};

#[tokio::test]
async fn every_broken_promise_is_found() {
    for control in Control::ALL {
        let sweep = Sweep::of(control.shown_by(), control.rig()).await.unwrap();
        let nth = match control {
            // Only faults of undos and of single records show these.
            Control::UndoErrorIgnored | Control::NoRecordBeforeEffect => 5,
            _ => 13,
        };
        let report = sweep.run(Extent::singles().every_nth(nth)).await.unwrap();
        println!("{control}: {:?} in {} of {} cases", report.broken(), report.violations.len(), report.cases);
        assert!(report.broken().contains(&control.breaks()), "{control} went unnoticed: {report}");
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
