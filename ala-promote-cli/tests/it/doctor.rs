//! Looking at what a deployment needs.

use std::sync::Arc;

use ala_promote_cli::input::Script;

use super::promote::tested;
use super::world::{NoEngine, World};

#[tokio::test]
async fn what_is_fine_and_what_is_not_is_told_with_the_mend_and_nothing_changes() {
    let world = tested().await;
    let before = world.backend.state();
    let ran = world.run("ala-promote doctor").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    for part in [
        "✅ engine: in-memory",
        "✅ staging: project ala-staging: docker-compose.yml + docker-compose.staging.yml, .env.staging",
        "⚠️  home: HOME is not set, as in cron",
        "⚠️  terminal: standard input is no terminal",
        "--confirm production",
        "0 to mend, ",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.screen);
    }
    assert_eq!(world.backend.state(), before);
}

#[tokio::test]
async fn without_an_engine_the_rest_is_looked_at_all_the_same() {
    let world = World::sample();
    let (mut app, output) = world.app(world.arc(), Script::new(""));
    app.backend = Arc::new(NoEngine);
    let ran = world.run_in(&app, &output, "ala-promote doctor --json").await;
    assert_eq!(ran.code, 1, "{}", ran.screen);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let checks = document["checks"].as_array().unwrap();
    let of = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    assert_eq!(of("engine")["verdict"], "problem");
    assert_eq!(of("engine")["mend"], "start it");
    assert_eq!(of("folder")["verdict"], "fine");
    assert!(!world.dir().join(".ala-promote").exists(), "it makes nothing");
}

#[tokio::test]
async fn homes_under_sudo_and_clocks_that_went_back_are_noticed() {
    let world = tested().await;
    world
        .backend
        .edit("production", |e| {
            e.service("backend").bind("/root/uploads");
        })
        .unwrap();
    let (mut app, output) = world.app(world.arc(), Script::new(""));
    app.environment.insert("HOME".into(), "/root".into());
    app.environment.insert("SUDO_USER".into(), "ann".into());
    app.clock = Arc::new(ala_promote_testkit::clock::VirtualClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
    let ran = world.run_in(&app, &output, "ala-promote doctor").await;
    assert_eq!(ran.code, 1, "{}", ran.screen);
    for part in [
        "⚠️  sudo: called by sudo for ann",
        "❌ production: the service backend mounts a folder below /root, which is not the home of ann",
        "❌ clock: it is 1970-01-01 00:00:00 UTC, but the last record is of",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.screen);
    }
}

#[tokio::test]
async fn a_state_folder_of_another_user_is_noticed_though_it_could_be_written() {
    let world = tested().await;
    let state = world.dir().join(".ala-promote");
    if std::os::unix::fs::chown(&state, Some(65534), None).is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI runs as root");
        eprintln!("SKIPPED: a file is given away by root alone");
        return;
    }
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let ran = world.run("ala-promote doctor").await;
    assert_eq!(ran.code, 1, "{}", ran.screen);
    for part in ["❌ state folder: ", "belongs to user 65534", "sudo -u '#65534' COMMAND", "sudo chown -R "]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.screen);
    }
    // As an operation says it.
    let ran = world.run("./deploy-staging").await;
    assert!(ran.err.contains("belongs to user 65534"), "{}", ran.screen);
}

#[tokio::test]
async fn the_schema_is_printed_as_it_is() {
    let ran = World::sample().run("ala-promote schema").await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ala_promote_core::config::CONFIG_SCHEMA));
}
