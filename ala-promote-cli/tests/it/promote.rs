//! Promotions.

use ala_promote_cli::input::Script;
use ala_promote_testkit::memory::SourceCommit;

use super::deploy::bad_on;
use super::world::World;

/// A second version was tested on staging.
pub(crate) async fn tested() -> World {
    let world = World::sample();
    world.backend.commit(SourceCommit::new("second"));
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    world
}

#[tokio::test]
async fn yes_promotes_what_was_tested() {
    let world = tested().await;
    let (staging, before) = (world.backend.container_ids("staging"), world.backend.running("production"));
    let database = before["db"].clone();
    let ran = world.run_with("./promote-to-production", Script::new("yes\n")).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.screen);
    insta::assert_snapshot!(ran.screen);
    let (production, tested) = (world.backend.running("production"), world.backend.running("staging"));
    for service in ["backend", "worker", "frontend"] {
        assert_eq!(production[service], tested[service], "{service}");
        assert_ne!(production[service], before[service], "{service}");
    }
    assert_eq!(production["db"], database);
    assert_eq!(world.backend.container_ids("staging"), staging);
}

#[tokio::test]
async fn deploy_from_staging_does_the_same() {
    let world = tested().await;
    let ran = world.run_with("./deploy --from-staging", Script::new("yes\n")).await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert_eq!(world.backend.running("production")["worker"], world.backend.running("staging")["worker"]);
    assert!(ran.out.starts_with("⚠️  PRODUCTION DEPLOYMENT - Image Promotion\n"), "{}", ran.screen);
    let ran = world.run("./deploy --from-staging").await;
    assert!(ran.err.contains("./deploy --from-staging --confirm production"), "{}", ran.screen);
}

#[tokio::test]
async fn a_dry_run_prints_the_plan_and_leaves_no_trace() {
    let world = tested().await;
    let (state, history) = (world.backend.state(), world.run("ala-promote history --json").await.out);
    let ran = world.run("./promote-to-production --dry-run").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    insta::assert_snapshot!(ran.screen);
    let planned = world.run("ala-promote plan promote production").await;
    assert_eq!((planned.code, planned.screen), (0, ran.screen));
    assert_eq!(world.backend.state(), state);
    assert_eq!(world.run("ala-promote history --json").await.out, history);
}

#[tokio::test]
async fn a_release_that_fails_in_production_is_put_back() {
    let world = World::sample();
    world.backend.commit(bad_on("production"));
    assert_eq!(world.run("./deploy-staging").await.code, 0);
    let before = world.backend.running("production");
    let ran = world.run("./promote-to-production --confirm production").await;
    assert_eq!(ran.code, 5, "{}", ran.screen);
    assert_eq!(world.backend.running("production"), before);
    insta::assert_snapshot!(ran.screen);
}

#[tokio::test]
async fn uncommitted_changes_are_noted_before_the_question() {
    let world = World::sample();
    world.backend.edit_source(|tree| tree.dirty = true);
    let ran = world.run("./deploy-staging").await;
    assert!(
        ran.out.contains("✅ Code updated\nNote:      what goes to staging was built with"),
        "{}",
        ran.screen
    );
    let ran = world.run_with("./promote-to-production", Script::new("no\n")).await;
    let (note, question) = (ran.out.find("Note:      ").unwrap(), ran.out.find("Type 'yes'").unwrap());
    assert!(note < question);
}
