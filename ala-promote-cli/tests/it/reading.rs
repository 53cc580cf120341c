//! Commands that only look.

use std::path::PathBuf;

use super::promote::tested;
use super::world::World;

#[tokio::test]
async fn status_tells_what_runs_where_and_creates_nothing() {
    let world = World::sample();
    let ran = world.run("ala-promote status").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    insta::assert_snapshot!("fresh", ran.screen);
    assert!(!world.dir().join(".ala-promote").exists());

    let world = tested().await;
    world.backend.kill("staging", "frontend", 1).unwrap();
    let image = world.backend.image("ala-web:staging").unwrap();
    world
        .backend
        .act("docker run by hand", |state| {
            let container =
                state.containers.values_mut().find(|c| c.name == "ala-staging-backend-1").unwrap();
            container.image = image;
        })
        .unwrap();
    let ran = world.run("ala-promote status staging").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    insta::assert_snapshot!("drift", ran.screen);
}

#[tokio::test]
async fn one_environment_that_can_t_be_seen_does_not_hide_the_others() {
    let world = World::sample();
    world
        .backend
        .edit("staging", |e| {
            e.without_env_file();
        })
        .unwrap();
    let ran = world.run("ala-promote status").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert!(ran.out.contains("production (project ala)") && ran.out.contains("staging: "), "{}", ran.screen);
    assert_eq!(world.run("ala-promote status staging").await.code, 2);
    assert_eq!(world.run("ala-promote status nowhere").await.code, 2);
}

#[tokio::test]
async fn history_is_newest_first_and_says_who() {
    let world = tested().await;
    world.run("./promote-to-production").await;
    world.run("./promote-to-production --confirm production").await;
    insta::assert_snapshot!(world.run("ala-promote history").await.screen);
    let ran = world.run("ala-promote history --limit 1").await;
    assert_eq!(ran.out.lines().count(), 3, "{}", ran.screen);
    assert!(ran.out.contains("older; see them with --limit"), "{}", ran.screen);
}

fn segment(world: &World) -> PathBuf {
    world.dir().join(".ala-promote/ledger/000001.jsonl")
}

#[tokio::test]
async fn an_edited_record_shows() {
    let world = tested().await;
    assert_eq!(world.run("ala-promote history --verify").await.code, 0);
    let text = std::fs::read_to_string(segment(&world)).unwrap();
    std::fs::write(segment(&world), text.replacen("ann", "bob", 1)).unwrap();
    let ran = world.run("ala-promote history --verify").await;
    assert_eq!(ran.code, 6, "{}", ran.screen);
    assert!(ran.out.contains("❌ The record is not what was written"), "{}", ran.screen);
    let ran = world.run("./promote-to-production").await;
    assert_eq!(ran.code, 1, "{}", ran.screen);
    assert!(ran.err.contains("ala-promote history --verify"), "{}", ran.screen);
}

#[tokio::test]
async fn a_cut_record_shows_against_the_engine_s_note() {
    let world = tested().await;
    let text = std::fs::read_to_string(segment(&world)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(segment(&world), format!("{}\n", lines[..lines.len() - 3].join("\n"))).unwrap();
    let ran = world.run("ala-promote history --verify").await;
    assert_eq!(ran.code, 6, "{}", ran.screen);
    assert!(ran.out.contains("it was cut or written anew"), "{}", ran.screen);
}

#[tokio::test]
async fn history_needs_no_engine_but_its_check_does() {
    let world = tested().await;
    let (mut app, output) = world.app(world.arc(), ala_promote_cli::input::Script::new(""));
    app.backend = std::sync::Arc::new(super::world::NoEngine);
    let ran = world.run_in(&app, &output, "ala-promote history").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    let ran = world.run_in(&app, &output, "ala-promote history --verify").await;
    assert_eq!(ran.code, 1, "{}", ran.screen);
    assert!(ran.out.contains("Not held against the engine's note"), "{}", ran.screen);
    let ran = world.run_in(&app, &output, "ala-promote version").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert!(ran.out.contains("engine not reached"), "{}", ran.screen);
}
