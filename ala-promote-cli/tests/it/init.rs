//! The first day.

use ala_promote_testkit::memory::{EnvironmentEditor, State};

use super::world::{Terminal, World};

fn config(world: &World) -> String {
    std::fs::read_to_string(world.dir().join("ala-promote.toml")).unwrap()
}

#[tokio::test]
async fn what_was_found_is_written_down_and_read_again_and_nothing_that_runs_changes() {
    let world = World::sample();
    let before = world.backend.state();
    let ran = world.run("ala-promote init --scripts").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    insta::assert_snapshot!("init", ran.screen);
    insta::assert_snapshot!("init_config", config(&world));
    assert_eq!(world.backend.state().containers, before.containers);
    assert!(!world.dir().join(".ala-promote").exists(), "it makes no state");
    // What is commented out holds by convention: the file changes nothing.
    let commented_in =
        config(&world).replace("# [", "[").replace("# files", "files").replace("# env_file", "env_file");
    std::fs::write(world.dir().join("ala-promote.toml"), commented_in).unwrap();
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let world = World::sample();
    std::fs::write(world.dir().join("rollback"), "the old script").unwrap();
    let ran = world.run("ala-promote init --scripts").await;
    assert_eq!(ran.code, 2, "{}", ran.screen);
    assert!(ran.err.contains("deployment: rollback\n") && ran.err.contains("--force"), "{}", ran.screen);
    assert!(!world.dir().join("ala-promote.toml").exists());

    assert_eq!(world.run("ala-promote init --scripts --force").await.code, 0);
    let aside = world.dir().join("rollback.before-ala-promote");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "the old script");
    let wrapper = std::fs::read_to_string(world.dir().join("rollback")).unwrap();
    assert_eq!(wrapper.lines().count(), 2, "{wrapper}");
    let before = config(&world);
    let ran = world.run("ala-promote init").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert!(ran.screen.contains("ala-promote.toml has nothing to be added"), "{}", ran.screen);
    assert_eq!(config(&world), before);
}

/// The sample, where both environments ask for one port and one container name.
fn in_one_another_s_way() -> World {
    let world = World::sample();
    for environment in ["production", "staging"] {
        let edit = |e: &mut EnvironmentEditor| {
            e.service("frontend").port(9999, 81).container_name("web");
        };
        world.backend.edit(environment, edit).unwrap();
    }
    world
}

#[tokio::test]
async fn what_takes_nothing_for_granted_is_mended() {
    let world = in_one_another_s_way();
    let refused = world.run("ala-promote plan deploy staging").await;
    assert_eq!(refused.code, 3, "{}", refused.screen);
    assert!(refused.err.contains("`ala-promote init` writes such lines"), "{}", refused.screen);
    let ran = world.run("ala-promote init").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    insta::assert_snapshot!("mended", ran.screen);
    insta::assert_snapshot!("mended_config", config(&world));
    let ran = world.run("ala-promote plan deploy staging").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
}

#[tokio::test]
async fn a_config_that_is_there_is_added_to() {
    let world = in_one_another_s_way();
    let ours = "# Ours.\n[health] # why\nwindow = \"5s\"\n";
    std::fs::write(world.dir().join("ala-promote.toml"), ours).unwrap();
    let shown = world.run("ala-promote init --dry-run").await;
    assert_eq!((shown.code, config(&world).as_str()), (0, ours), "{}", shown.screen);
    let line = "beside = { container_suffix = \"-staging\", port_offset = 10000 }";
    assert!(shown.out.contains(&format!("\n+{line}\n")), "{}", shown.screen);
    let ran = world.run("ala-promote init").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert_eq!(config(&world), format!("{ours}\n[environments.staging]\n{line}\n"));
    assert_eq!(world.run("ala-promote plan deploy staging").await.code, 0);
}

#[tokio::test]
async fn what_only_people_know_is_left_to_them() {
    let world = World::sample();
    world
        .backend
        .edit("staging", |e| {
            e.service("frontend").build_setting("args.STAGE", "staging");
        })
        .unwrap();
    let ran = world.run("ala-promote init").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert!(ran.out.contains("To mend: ") && ran.out.contains("built_differently"), "{}", ran.screen);
    assert!(ran.out.contains("To mend first: 1"), "{}", ran.screen);
    assert!(!config(&world).contains("built_differently"), "{}", config(&world));
}

#[tokio::test]
async fn a_database_that_is_not_found_is_asked_for_at_a_terminal_only() {
    let world = || {
        let world = World::sample();
        world
            .backend
            .edit("production", |e| {
                e.without_service("db");
            })
            .unwrap();
        let gone = |state: &mut State| state.containers.retain(|_, c| c.service.as_str() != "db");
        world.backend.act("the database is elsewhere", gone).unwrap();
        world
    };
    let asked = world();
    let person = Terminal::slow(asked.backend.clock(), "it is \"managed\"\n");
    let ran = asked.run_with("ala-promote init", person).await;
    assert!(ran.screen.contains("Why is no backup needed?"), "{}", ran.screen);
    assert!(config(&asked).contains("none = 'it is \"managed\"'\n"), "{}", config(&asked));
    for line in ["ala-promote init --defaults", "ala-promote init --no-input"] {
        let world = world();
        let person = Terminal::slow(world.backend.clock(), "x\n");
        assert!(!world.run_with(line, person).await.screen.contains("?"));
        assert!(!config(&world).contains("none"));
    }
}

#[tokio::test]
async fn a_wrapper_is_what_its_name_says() {
    let world = World::sample();
    let ran = world.run("ala-promote run-as ./deploy-staging --no-pull").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert!(ran.out.contains("Code not pulled (--no-pull)"), "{}", ran.screen);
    let ran = world.run("ala-promote run-as ./promote-to-production --dry-run").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert_eq!(world.run("ala-promote run-as ./other").await.code, 2);
    assert_eq!(world.run("ala-promote run-as").await.code, 2);
}
