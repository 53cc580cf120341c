//! The question, and every way of not saying yes.

use std::time::{Duration, Instant};

use ala_promote_cli::input::Script;
use ala_promote_cli::signals::{Signal, Signals};
use ala_promote_core::backend::Clock as _;

use super::promote::tested;
use super::world::{Terminal, World};

/// Production must be as it was, down to the tags, and the record must say so.
async fn assert_untouched(world: &World, line: &str, input: Script) -> String {
    let before = world.backend.state();
    let ran = world.run_with(line, input).await;
    assert_eq!(ran.code, 4, "{}", ran.screen);
    assert_eq!(world.backend.state(), before, "{}", ran.screen);
    assert!(ran.err.ends_with("Nothing was changed.\n"), "{}", ran.screen);
    let history = world.run("ala-promote history --limit 1").await.out;
    assert!(history.contains("not confirmed"), "{history}");
    ran.screen
}

#[tokio::test]
async fn anything_but_yes_changes_nothing() {
    let world = tested().await;
    for answer in ["", "no\n", "y\n", "YES\n", "yes ", "yes", " yes\n", "\nyes\n", "yes please\n"] {
        let screen = assert_untouched(&world, "./promote-to-production", Script::new(answer)).await;
        match answer {
            "" => insta::assert_snapshot!("end_of_input", screen),
            "no\n" => insta::assert_snapshot!("no", screen),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_silent_pipe_is_given_ten_seconds() {
    let world = tested().await;
    let before = world.backend.clock().now();
    let screen = assert_untouched(&world, "./promote-to-production", Script::silent()).await;
    let waited = world.backend.clock().now().duration_since(before);
    assert_eq!(waited.as_secs(), 10);
    assert!(screen.contains("nothing came within 10 s"), "{screen}");
}

#[tokio::test]
async fn a_person_may_take_time() {
    let world = tested().await;
    let before = world.backend.clock().now();
    let clock = world.backend.clock();
    let ran = world.run_with("./promote-to-production", Terminal::slow(clock, "yes\n")).await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert!(world.backend.clock().now().duration_since(before).as_secs() > 3600);
}

#[tokio::test]
async fn without_input_it_needs_to_be_confirmed_beforehand() {
    let world = tested().await;
    let screen = assert_untouched(&world, "./promote-to-production --no-input", Script::new("yes\n")).await;
    insta::assert_snapshot!(screen);
    let ran = world.run("./promote-to-production --no-input --confirm production").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
}

#[tokio::test]
async fn another_name_is_a_mistake() {
    let world = tested().await;
    let before = world.backend.state();
    for line in [
        "./promote-to-production --confirm staging",
        "./promote-to-production --confirm yes",
        "./deploy --from-staging --confirm Production",
        "./deploy --confirm staging",
        "./rollback --confirm staging",
        "ala-promote promote production --confirm staging",
    ] {
        let ran = world.run_with(line, Script::new("yes\n")).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line}: {}", ran.screen);
        assert!(ran.err.contains("→ --confirm production"), "{}", ran.screen);
    }
    assert_eq!(world.backend.state(), before);
}

#[tokio::test]
async fn ctrl_c_at_the_question_is_no_yes() {
    let world = tested().await;
    let before = world.backend.state();
    for signal in [Signal::Interrupt, Signal::Terminate, Signal::HangUp] {
        let (mut app, output) = world.app(world.arc(), Script::silent());
        let (sender, signals) = Signals::channel();
        app.signals = signals;
        output.on("Type 'yes'", move || sender.send(signal).unwrap());
        let ran = world.run_in(&app, &output, "./promote-to-production").await;
        assert_eq!(ran.code, 4, "{}", ran.screen);
        assert!(ran.err.contains("interrupted"), "{}", ran.screen);
    }
    assert_eq!(world.backend.state(), before);
}

#[tokio::test]
async fn the_answer_is_to_the_plan_that_was_shown() {
    let world = tested().await;
    let (app, output) = world.app(world.arc(), Script::new("yes\n"));
    // While the person thinks, somebody moves a tag.
    let backend = world.backend.clone();
    output.on("Type 'yes'", move || {
        let old = backend.image("ala-web:production").unwrap();
        backend
            .act("docker tag", |state| {
                state.references.insert("ala-api:production".parse().unwrap(), old);
            })
            .unwrap();
    });
    let before = world.backend.container_ids("production");
    let ran = world.run_in(&app, &output, "./promote-to-production").await;
    assert_eq!(ran.code, 3, "{}", ran.screen);
    assert!(ran.err.contains("has changed since [still-true]"), "{}", ran.screen);
    assert_eq!(world.backend.container_ids("production"), before);
}

#[tokio::test]
async fn the_end_of_input_is_told_at_once() {
    let world = tested().await;
    let start = Instant::now();
    let clock = world.backend.clock().now();
    assert_untouched(&world, "./promote-to-production", Script::new("")).await;
    assert_eq!(world.backend.clock().now(), clock);
    assert!(start.elapsed() < Duration::from_secs(5));
}
