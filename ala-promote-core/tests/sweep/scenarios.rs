//! One test a scenario. All but the promotion are thinned out; `ALA_PROMOTE_TORTURE=1` runs all.

use std::time::Instant;

use ala_promote_testkit::sweep::{Extent, Report, Rig, Scenario, Sweep};

const COMMAND: &str = "cargo test -p ala-promote-core --test sweep";

async fn swept(scenario: Scenario, extent: Extent) -> Report {
    let (name, started) = (scenario.name(), Instant::now());
    let sweep = Sweep::of(scenario, Rig::honest()).await.unwrap().repeated_by(COMMAND);
    let (calls, writes) = sweep.size();
    let report = sweep.run(extent.or_as_told()).await.unwrap();
    println!("{name}: {calls} calls, {writes} writes: {report}{:?}", report.ends);
    // `.ci/torture` makes a table of these lines.
    let (cases, violations) = (report.cases, report.violations.len());
    println!("figures: sweep of {name} | {cases} | {violations} | {} s", started.elapsed().as_secs());
    report.assert_clean();
    report
}

#[tokio::test]
async fn of_a_fetch() {
    swept(Scenario::fetch(), Extent::singles()).await;
}

#[tokio::test]
async fn of_the_first_deployment() {
    swept(Scenario::first_deploy(), Extent::singles().every_nth(3)).await;
}

#[tokio::test]
async fn of_a_deployment() {
    swept(Scenario::second_deploy(), Extent::singles().every_nth(2)).await;
}

#[tokio::test]
async fn of_a_deployment_that_does_not_build() {
    swept(Scenario::deploy_whose_build_fails(), Extent::singles().every_nth(3)).await;
}

#[tokio::test]
async fn of_a_deployment_that_is_kept() {
    swept(Scenario::deploy_kept(), Extent::singles().every_nth(3)).await;
}

#[tokio::test]
async fn of_the_first_promotion() {
    swept(Scenario::adopt(), Extent::singles().every_nth(3)).await;
}

#[tokio::test]
async fn of_a_promotion() {
    swept(Scenario::promote(), Extent::singles().pair_for_one_in(4, 1)).await;
}

#[tokio::test]
async fn of_a_promotion_that_fails() {
    let report =
        swept(Scenario::promote_that_fails(), Extent::singles().every_nth(2).pair_for_one_in(4, 1)).await;
    assert!(report.undone_again > 10 || report.cases < 10, "steps were to be taken back twice: {report}");
}

#[tokio::test]
async fn of_a_promotion_with_hooks() {
    swept(Scenario::promote_with_hooks(), Extent::singles().every_nth(3)).await;
}

#[tokio::test]
async fn of_a_promotion_that_is_cancelled() {
    swept(Scenario::promote_cancelled(), Extent::singles().every_nth(3)).await;
}

#[tokio::test]
async fn of_a_promotion_of_what_has_changed() {
    swept(Scenario::promote_after_a_change(), Extent::singles().every_nth(3)).await;
}

#[tokio::test]
async fn of_a_promotion_with_several_databases() {
    swept(Scenario::promote_of_databases(), Extent::singles().every_nth(4)).await;
}

#[tokio::test]
async fn of_a_deployment_that_is_pulled() {
    swept(Scenario::deploy_pulled(), Extent::singles().every_nth(4)).await;
}

#[tokio::test]
async fn of_a_deployment_that_is_pulled_and_fails() {
    swept(Scenario::deploy_pulled_that_fails(), Extent::singles().every_nth(4)).await;
}

#[tokio::test]
async fn of_a_deployment_that_is_pulled_by_names_of_production() {
    swept(Scenario::deploy_pulled_beside(), Extent::singles().every_nth(4)).await;
}

#[tokio::test]
async fn of_a_promotion_that_is_pulled() {
    swept(Scenario::promote_pulled(), Extent::singles().every_nth(4)).await;
}

#[tokio::test]
async fn of_a_rollback() {
    swept(Scenario::rollback(), Extent::singles().every_nth(3)).await;
}
