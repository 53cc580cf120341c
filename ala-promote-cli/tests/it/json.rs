//! Output for machines.

use ala_promote_cli::input::Script;
use serde_json::Value;

use super::promote::tested;
use super::world::World;

/// Each line is an object with a version; gives the events' names.
fn events(out: &str) -> Vec<String> {
    let event = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(value["version"], 1, "{line}");
        value["event"].as_str().unwrap().to_owned()
    };
    out.lines().map(event).collect()
}

#[tokio::test]
async fn operations_print_one_event_a_line_and_the_question_goes_to_people() {
    let world = tested().await;
    let ran = world.run_with("./promote-to-production --json", Script::new("yes\n")).await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    let events = events(&ran.out);
    assert_eq!((events[0].as_str(), events.last().unwrap().as_str()), ("started", "ended"));
    let end: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    insta::assert_snapshot!(end);
    assert!(ran.err.contains("Type 'yes' to confirm: "), "{}", ran.err);
    assert!(ran.err.contains("✅ Production runs"), "{}", ran.err);
}

#[tokio::test]
async fn what_does_not_start_is_one_line() {
    let world = World::sample();
    let ran = world.run("./promote-to-production --json").await;
    assert_eq!(ran.code, 3);
    assert_eq!(events(&ran.out), ["not-started"]);
    insta::assert_snapshot!("refused_json", ran.out);

    let world = tested().await;
    let ran = world.run("./promote-to-production --json").await;
    assert_eq!(ran.code, 4);
    insta::assert_snapshot!("not_confirmed_json", ran.out);
}

#[tokio::test]
async fn a_plan_is_a_value_that_can_be_read_back() {
    let world = tested().await;
    let ran = world.run("ala-promote plan promote production --json").await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let plan: ala_promote_core::plan::Plan = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(plan.environment().as_str(), "production");
}

#[tokio::test]
async fn read_commands_print_one_document() {
    let world = tested().await;
    for line in ["status", "history --verify", "rollback production --list", "version", "status staging"] {
        let ran = world.run(&format!("ala-promote {line} --json")).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(document["version"], 1, "{line}");
    }
    let ran = world.run("ala-promote status --json").await;
    insta::assert_snapshot!(ran.out);
}
