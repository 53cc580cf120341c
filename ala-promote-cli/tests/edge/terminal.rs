//! Ctrl-C at a terminal reaches every process of the foreground, Compose and `docker` among them; a terminal that is
//! closed hangs up on all of them.

use std::time::{Duration, Instant};

use super::stack::{Stack, on_two_engines};
use super::tests::{PROMOTE, tested};

#[test]
fn at_a_terminal() {
    on_two_engines(0, |stack| {
        let (code, text) = stack.run("deploy");
        assert_eq!(code, 0, "{text}");
        tested(stack, "2");
        ctrl_c_puts_everything_back(stack);
        ctrl_c_twice_leaves_at_once(stack);
        a_terminal_that_is_closed_stops_nothing(stack);
    });
}

const CTRL_C: &str = "\x03";

fn ctrl_c_puts_everything_back(stack: &Stack<'_>) {
    let before = stack.image();
    for moment in ["✅ Prerequisites OK", "✅ Containers restarted"] {
        let mut at = stack.at_a_terminal(PROMOTE);
        at.until(moment);
        at.types(CTRL_C);
        let (code, text) = at.end();
        assert_eq!(code, 5, "{text}");
        assert!(text.contains("Production is as it was before"), "{text}");
        assert_eq!(stack.image(), before);
    }
}

fn ctrl_c_twice_leaves_at_once(stack: &Stack<'_>) {
    let before = stack.image();
    let mut at = stack.at_a_terminal(PROMOTE);
    at.until("✅ Containers restarted");
    at.types(CTRL_C);
    at.until("Interrupt once more");
    at.types(CTRL_C);
    let (code, text) = at.end();
    assert_eq!(code, 6, "{text}");
    let (code, text) = stack.run("ala-promote recover");
    assert_eq!(code, 0, "{text}");
    assert_eq!(stack.image(), before);
}

fn a_terminal_that_is_closed_stops_nothing(stack: &Stack<'_>) {
    let before = stack.image();
    let at = stack.at_a_terminal(PROMOTE);
    at.until("✅ Prerequisites OK");
    at.signal("KILL");
    let (_, text) = at.end();
    let start = Instant::now();
    let lock = format!("name=ala-promote-lock-{}", stack.project("production"));
    // The lock is given back last.
    let is_done = || {
        stack.records().last().is_some_and(|record| record.contains("operation-ended"))
            && stack.docker(&["ps", "-aq", "--filter", &lock]).is_empty()
    };
    while !is_done() {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "it does not end: {:?}, {text}",
            stack.records().last()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_ne!(stack.image(), before, "{text}: {:?}", stack.records().last());
}
