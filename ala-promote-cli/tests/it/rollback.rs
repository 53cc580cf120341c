//! Rollbacks.

use ala_promote_cli::input::Script;
use ala_promote_testkit::memory::SourceCommit;

use super::promote::tested;

#[tokio::test]
async fn a_second_rollback_goes_further_back() {
    let world = tested().await;
    let first = world.backend.running("production");
    assert_eq!(world.run("./promote-to-production --confirm production").await.code, 0);
    let second = world.backend.running("production");
    world.backend.commit(SourceCommit::new("third"));
    assert_eq!(world.run("./deploy-staging").await.code, 0);
    assert_eq!(world.run("./promote-to-production --confirm production").await.code, 0);
    insta::assert_snapshot!("list", world.run("./rollback --list").await.screen);

    let ran = world.run_with("./rollback", Script::new("yes\n")).await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    insta::assert_snapshot!("rollback", ran.screen);
    assert_eq!(world.backend.running("production"), second);
    let ran = world.run("./rollback --confirm production").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert_eq!(world.backend.running("production"), first);

    let ran = world.run("./rollback --confirm production").await;
    assert_eq!(ran.code, 3, "{}", ran.screen);
    let ran = world.run("./rollback --list").await;
    assert!(ran.out.contains("no earlier release"), "{}", ran.screen);
}

#[tokio::test]
async fn a_rollback_asks_and_can_name_its_release() {
    let world = tested().await;
    let adopted = world.backend.running("production");
    world.run("./promote-to-production --confirm production").await;
    let before = world.backend.state();
    let ran = world.run_with("./rollback", Script::new("no\n")).await;
    assert_eq!(ran.code, 4, "{}", ran.screen);
    let ran = world.run("./rollback --to nothing --confirm production").await;
    assert_eq!(ran.code, 3, "{}", ran.screen);
    assert_eq!(world.backend.state(), before);

    let list = world.run("ala-promote rollback production --list --json").await.out;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["version"], 1);
    let tag = list["choices"][0]["release"]["tag"].as_str().unwrap();
    let ran = world.run(&format!("ala-promote rollback production --to {tag} --confirm production")).await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert_eq!(world.backend.running("production"), adopted);
}

#[tokio::test]
async fn a_list_creates_nothing() {
    let world = super::world::World::sample();
    let ran = world.run("./rollback --list").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert!(!world.dir().join(".ala-promote").exists());
    assert_eq!(world.run("./rollback --list --to x").await.code, 2);
}
