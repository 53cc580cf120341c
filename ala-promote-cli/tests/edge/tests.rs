//! Streams and signals.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::Instant;

use super::stack::{Stack, on_every_engine};

pub(crate) const PROMOTE: &str = "promote-to-production --confirm production";

#[test]
fn streams_and_signals() {
    on_every_engine(|stack| {
        let (code, text) = stack.run("deploy");
        assert_eq!(code, 0, "{text}");
        tested(stack, "2");
        a_silent_pipe_is_no_yes(stack);
        asked_once_to_stop_it_puts_everything_back(stack);
        asked_twice_it_leaves_at_once(stack);
        a_terminal_that_goes_away_stops_nothing(stack);
        tested(stack, "3");
        a_reader_that_goes_away_stops_nothing(stack);
    });
}

pub(crate) fn tested(stack: &Stack<'_>, version: &str) {
    stack.version(version);
    let (code, text) = stack.run("deploy-staging");
    assert_eq!(code, 0, "{text}");
}

fn a_silent_pipe_is_no_yes(stack: &Stack<'_>) {
    let before = stack.image();
    let mut child = stack
        .command("promote-to-production")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let silent = child.stdin.take();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("Type 'yes' to confirm: ") {
        assert_ne!(out.read_until(b' ', &mut text).unwrap(), 0, "{}", String::from_utf8_lossy(&text));
    }
    let asked = Instant::now();
    let code = child.wait().unwrap().code();
    let waited = asked.elapsed().as_secs();
    drop(silent);
    assert_eq!(code, Some(4));
    assert!((9..30).contains(&waited), "it waited {waited} s");
    assert_eq!(stack.image(), before);
}

fn asked_once_to_stop_it_puts_everything_back(stack: &Stack<'_>) {
    let before = stack.image();
    for signal in ["INT", "TERM"] {
        let running = stack.start(PROMOTE, Stdio::null());
        running.until("✅ Containers restarted");
        assert_ne!(stack.image(), before);
        running.signal(signal);
        let (code, text) = running.end();
        assert_eq!(code, 5, "{text}");
        assert!(text.contains("Production is as it was before"), "{text}");
        assert_eq!(stack.image(), before);
    }
}

fn asked_twice_it_leaves_at_once(stack: &Stack<'_>) {
    let before = stack.image();
    let running = stack.start(PROMOTE, Stdio::null());
    running.until("✅ Containers restarted");
    running.signal("TERM");
    running.until("Interrupt once more");
    running.signal("TERM");
    let (code, text) = running.end();
    assert_eq!(code, 6, "{text}");
    let (code, text) = stack.run(PROMOTE);
    assert_eq!(code, 7, "{text}");
    let (code, text) = stack.run("ala-promote recover");
    assert_eq!(code, 0, "{text}");
    assert_eq!(stack.image(), before);
}

fn a_terminal_that_goes_away_stops_nothing(stack: &Stack<'_>) {
    let before = stack.image();
    let running = stack.start(PROMOTE, Stdio::null());
    running.until("✅ Prerequisites OK");
    running.signal("HUP");
    let (code, text) = running.end();
    assert_eq!(code, 0, "{text}");
    assert_ne!(stack.image(), before);
}

fn a_reader_that_goes_away_stops_nothing(stack: &Stack<'_>) {
    let before = stack.image();
    let mut child = stack
        .command("promote-to-production -v")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"yes\n").unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_ne!(stack.image(), before);
}
