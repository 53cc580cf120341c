//! What is refused, and what is never shown.

use ala_promote_core::backend::{Clock as _, LockHolder};
use ala_promote_core::domain::Actor;

use super::promote::tested;
use super::world::World;

#[tokio::test]
async fn nothing_is_promoted_that_was_not_tested() {
    let world = World::sample();
    let ran = world.run("./promote-to-production").await;
    assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{}", ran.screen);
    insta::assert_snapshot!("not_tested", ran.screen);
    let history = world.run("ala-promote history").await.out;
    assert!(history.contains("refused: no release has been tested on staging"), "{history}");
}

#[tokio::test]
async fn a_plan_that_is_refused_is_not_recorded() {
    let world = World::sample();
    for line in ["./promote-to-production --dry-run", "ala-promote plan promote production"] {
        let ran = world.run(line).await;
        assert_eq!(ran.code, 3, "{}", ran.screen);
    }
    assert!(!world.dir().join(".ala-promote").exists());

    // Where there is a record, it stays as it is.
    assert_eq!(world.run("./promote-to-production").await.code, 3);
    let history = world.run("ala-promote history").await.out;
    assert_eq!(world.run("./promote-to-production --dry-run").await.code, 3);
    assert_eq!(world.run("ala-promote history").await.out, history);
}

#[tokio::test]
async fn a_moved_tag_is_refused_with_the_mend() {
    let world = tested().await;
    let other = world.backend.image("ala-web:staging").unwrap();
    world
        .backend
        .act("docker tag", |state| {
            state.references.insert("ala-api:staging".parse().unwrap(), other);
        })
        .unwrap();
    let ran = world.run("./promote-to-production").await;
    assert_eq!(ran.code, 3);
    insta::assert_snapshot!(ran.screen);
}

#[tokio::test]
async fn code_that_was_pulled_before_a_refusal_is_told() {
    let world = World::sample();
    world.backend.push_upstream(ala_promote_testkit::memory::SourceCommit::new("second"));
    world.backend.occupy_port(9999, "nginx").unwrap();
    world
        .backend
        .edit("staging", |e| {
            e.service("frontend").port(9999, 81);
        })
        .unwrap();
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 3, "{}", ran.screen);
    insta::assert_snapshot!(ran.screen);
}

#[tokio::test]
async fn another_operation_at_work_is_named() {
    let world = tested().await;
    let holder = LockHolder {
        operation: "20251029-143000-deploy-0001".parse().unwrap(),
        actor: Actor { user: "ben".into(), host: "other.example.com".into(), pid: 7 },
        since: world.backend.clock().now(),
        what: "deploy production".into(),
        ledger: "other".into(),
    };
    world.backend.hold_lock(&"ala".parse().unwrap(), &holder, true);
    let ran = world.run("./promote-to-production --confirm production").await;
    assert_eq!(ran.code, 11, "{}", ran.screen);
    insta::assert_snapshot!(ran.err);
}

#[tokio::test]
async fn mistakes_in_files_and_names_are_usage() {
    let world = World::sample();
    let ran = world.run("ala-promote deploy nowhere").await;
    assert_eq!(ran.code, 2, "{}", ran.screen);
    assert!(ran.err.contains("known: production, staging"), "{}", ran.screen);
    std::fs::write(world.dir().join("ala-promote.toml"), "[helth]\ntimeout = \"1 s\"\n").unwrap();
    let ran = world.run("./deploy-staging").await;
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.screen);
    assert!(ran.err.contains("ala-promote.toml:1"), "{}", ran.screen);
    let ran = world.run("./deploy-staging --dir /nonexistent").await;
    assert_eq!(ran.code, 2, "{}", ran.screen);
}

#[tokio::test]
async fn a_missing_env_file_names_its_template() {
    let world = World::sample();
    world
        .backend
        .edit("staging", |e| {
            e.without_env_file();
        })
        .unwrap();
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 2, "{}", ran.screen);
    assert!(ran.err.contains("→ copy its template: cp "), "{}", ran.screen);
}

#[tokio::test]
async fn a_state_folder_that_can_t_be_made_is_an_error_before_anything() {
    let world = World::sample();
    std::fs::write(world.dir().join(".ala-promote"), "").unwrap();
    let before = world.backend.state();
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 1, "{}", ran.screen);
    assert_eq!(world.backend.state(), before);
    insta::assert_snapshot!(ran.err);
}

#[tokio::test]
async fn secrets_are_never_shown() {
    const SECRET: &str = "hunter2-hunter2";
    let world = World::sample();
    for environment in ["staging", "production"] {
        world
            .backend
            .edit(environment, |e| {
                e.variable("POSTGRES_PASSWORD", SECRET);
                e.service("backend")
                    .environment("DATABASE_URL", &format!("postgresql://u:{SECRET}@db/ala"))
                    .environment("VITE_API_URL", &format!("https://u:{SECRET}@ala.example.com"));
            })
            .unwrap();
    }
    world.backend.commit(super::deploy::bad_on("production"));
    let mut seen = 0;
    for line in [
        "./deploy-staging -v",
        "./promote-to-production --dry-run --json",
        "./promote-to-production --confirm production -v --json",
        "ala-promote status --json",
        "ala-promote history --json",
    ] {
        let ran = world.run(line).await;
        assert!(!ran.screen.contains(SECRET), "{line}: {}", ran.screen);
        seen += ran.screen.len();
    }
    assert!(seen > 5000, "there was something to see");
    for entry in std::fs::read_dir(world.dir().join(".ala-promote/ledger")).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(SECRET));
    }
}
