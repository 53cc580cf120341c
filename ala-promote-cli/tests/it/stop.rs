//! Requests to stop.

use ala_promote_cli::input::Script;
use ala_promote_cli::signals::{Signal, Signals};

use super::promote::tested;
use super::world::{Ran, World};

const PROMOTE: &str = "./promote-to-production --confirm production";

/// Runs a promotion and sends signals when a text is printed.
async fn promote_and(world: &World, text: &'static str, sent: &'static [Signal]) -> Ran {
    let (mut app, output) = world.app(world.arc(), Script::new(""));
    let (sender, signals) = Signals::channel();
    app.signals = signals;
    output.on(text, move || sent.iter().for_each(|signal| sender.send(*signal).unwrap()));
    world.run_in(&app, &output, PROMOTE).await
}

#[tokio::test]
async fn once_puts_everything_back() {
    for signal in [&[Signal::Interrupt], &[Signal::Terminate]] {
        let world = tested().await;
        let before = world.backend.running("production");
        let ran = promote_and(&world, "Containers restarted", signal).await;
        assert_eq!(ran.code, 5, "{}", ran.screen);
        assert_eq!(world.backend.running("production"), before);
        if signal == &[Signal::Interrupt] {
            insta::assert_snapshot!(ran.screen);
        }
    }
}

#[tokio::test]
async fn twice_leaves_at_once_and_recover_does_the_rest() {
    let world = tested().await;
    let before = world.backend.running("production");
    let ran = promote_and(&world, "Containers restarted", &[Signal::Interrupt, Signal::Interrupt]).await;
    assert_eq!(ran.code, 6, "{}", ran.screen);
    assert!(ran.err.contains("→ ala-promote recover"), "{}", ran.screen);
    assert_ne!(world.backend.running("production"), before);

    let ran = world.run(PROMOTE).await;
    assert_eq!(ran.code, 7, "{}", ran.screen);
    let ran = world.run("ala-promote recover").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert_eq!(world.backend.running("production"), before);
    assert_eq!(world.run(PROMOTE).await.code, 0);
}

#[tokio::test]
async fn a_terminal_that_goes_away_stops_nothing_that_has_started() {
    let world = tested().await;
    let ran = promote_and(&world, "Containers restarted", &[Signal::HangUp, Signal::HangUp]).await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
}

#[tokio::test]
async fn before_anything_was_begun_nothing_is_to_be_put_back() {
    let world = tested().await;
    let before = world.backend.state();
    for signal in [Signal::Interrupt, Signal::HangUp] {
        let (mut app, output) = world.app(world.arc(), Script::new("yes\n"));
        let (sender, signals) = Signals::channel();
        app.signals = signals;
        sender.send(signal).unwrap();
        let ran = world.run_in(&app, &output, PROMOTE).await;
        assert_eq!(ran.code, 5, "{}", ran.screen);
        assert!(ran.err.contains("Nothing was changed."), "{}", ran.screen);
    }
    assert_eq!(world.backend.state(), before);
}
