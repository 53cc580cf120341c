//! Deployments.

use ala_promote_core::domain::EnvironmentName;
use ala_promote_testkit::memory::{ImageBehaviour, SourceCommit, Upstream};

use super::world::World;

/// A commit whose backend fails on staging.
pub(crate) fn bad_on(environment: &str) -> SourceCommit {
    let environment = EnvironmentName::new(environment).unwrap();
    SourceCommit::new("bad").behaviour("backend", ImageBehaviour::UnhealthyIn(environment))
}

#[tokio::test]
async fn deploy_staging_prints_the_lines_of_the_document() {
    let world = World::sample();
    let ran = world.run("./deploy-staging").await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(ran.screen);
}

#[tokio::test]
async fn a_second_deployment_brings_what_was_pushed() {
    let world = World::sample();
    world.run("./deploy-staging").await;
    let (before, production) = (world.backend.running("staging"), world.backend.container_ids("production"));
    world.backend.push_upstream(SourceCommit::new("second"));
    let ran = world.run("./deploy-staging -v").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert_ne!(world.backend.running("staging"), before);
    assert_eq!(world.backend.container_ids("production"), production);
    insta::assert_snapshot!(ran.screen);
}

#[tokio::test]
async fn code_is_not_pulled_when_it_can_t_or_should_not_be() {
    let world = World::sample();
    for line in ["./deploy-staging --no-pull", "./deploy-staging --skip-build", "./deploy-staging -q"] {
        let ran = world.run(line).await;
        assert_eq!(ran.code, 0, "{}", ran.screen);
        insta::assert_snapshot!(line.replace([' ', '.', '/'], ""), ran.screen);
    }
    world.backend.edit_source(|tree| tree.upstream = Upstream::None);
    let ran = world.run("./deploy-staging").await;
    assert!(ran.out.contains("Code not pulled: the branch has no upstream\n"), "{}", ran.screen);
    assert!(!ran.out.contains("Code updated"));

    world.backend.edit_source(|tree| tree.upstream = Upstream::Unreachable);
    let ids = world.backend.container_ids("staging");
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 5);
    assert_eq!(world.backend.container_ids("staging"), ids);
    insta::assert_snapshot!("upstream_unreachable", ran.screen);
}

#[tokio::test]
async fn settings_are_read_anew_after_the_pull() {
    let world = World::sample();
    // Written as soon as the command connects: what a pull brings.
    let config = world.dir().join("ala-promote.toml");
    world.when_connected(move || {
        std::fs::write(&config, "[services.backend]\ndisplay = \"The API\"\n").unwrap();
    });
    let ran = world.run("./deploy-staging").await;
    assert!(ran.out.contains("✅ The API healthy (port 5010)"), "{}", ran.screen);
}

#[tokio::test]
async fn a_build_that_fails_leaves_staging_alone() {
    let world = World::sample();
    let ids = world.backend.container_ids("staging");
    world
        .backend
        .commit(SourceCommit::new("broken").breaks_build("backend", "error[E0308]\nmismatched types"));
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 5);
    assert_eq!(world.backend.container_ids("staging"), ids);
    insta::assert_snapshot!(ran.screen);
}

#[tokio::test]
async fn a_release_that_fails_is_put_back_or_kept() {
    let world = World::sample();
    world.run("./deploy-staging").await;
    let before = world.backend.running("staging");
    world.backend.commit(bad_on("staging"));
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 5, "{}", ran.screen);
    assert_eq!(world.backend.running("staging"), before);
    insta::assert_snapshot!("put_back", ran.screen);

    let ran = world.run("./deploy-staging --keep-failed").await;
    assert_eq!(ran.code, 6, "{}", ran.screen);
    assert_ne!(world.backend.running("staging"), before);
    insta::assert_snapshot!("kept", ran.screen);
}

#[tokio::test]
async fn production_can_be_built_from_scratch_without_a_question() {
    let world = World::sample();
    let ran = world.run("./deploy").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    insta::assert_snapshot!(ran.screen);
}
