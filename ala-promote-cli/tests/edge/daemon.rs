//! The engine itself is stopped and started in the middle of an operation.
//!
//! `ALA_PROMOTE_TEST_DAEMON` names an engine that no other test uses, as `ALA_PROMOTE_TEST_ENGINES` does, and then the
//! commands that stop and start it: `docker_host|docker_config|path|address|stop|start`.

use std::process::{Command, Stdio};
use std::time::Instant;

use ala_promote_demo::{EngineEnv, is_torture};

use super::stack::Stack;
use super::tests::{PROMOTE, tested};

const ROLLBACK: &str = "rollback --confirm production";

/// An engine and how it is stopped and started.
struct Daemon {
    engine: EngineEnv,
    stop: String,
    start: String,
}

impl Daemon {
    /// Said loudly where there is none; in CI that is a failure.
    fn find() -> Option<Self> {
        let Ok(entry) = std::env::var("ALA_PROMOTE_TEST_DAEMON") else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI may skip nothing");
            eprintln!("SKIPPED: ALA_PROMOTE_TEST_DAEMON names no engine that may be stopped");
            return None;
        };
        let mut parts = entry.rsplitn(3, '|');
        let mut part = || parts.next().expect("docker_host|docker_config|path|address|stop|start").to_owned();
        let (start, stop, engine) = (part(), part(), part());
        Some(Self { engine: EngineEnv::ambient().with(&engine), stop, start })
    }

    fn restart(&self) {
        for command in [&self.stop, &self.start] {
            let output = Command::new("sh").args(["-c", command]).output().unwrap();
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// When the engine is stopped: as soon as this line is printed.
const MOMENTS: [&str; 3] = ["✅ Prerequisites OK", "✅ Images tagged", "✅ Containers restarted"];

#[test]
fn an_engine_that_is_restarted() {
    let Some(daemon) = Daemon::find() else { return };
    let stack = Stack::create(&daemon.engine);
    let (code, text) = stack.run("deploy");
    assert_eq!(code, 0, "{text}");
    let old = stack.image();
    tested(&stack, "2");
    let (code, text) = stack.run(PROMOTE);
    assert_eq!(code, 0, "{text}");
    let new = stack.image();
    let started = Instant::now();
    let moments = if is_torture() { &MOMENTS[..] } else { &MOMENTS[1..2] };
    for moment in moments {
        for (line, before, after) in [(ROLLBACK, &new, &old), (PROMOTE, &old, &new)] {
            restarted_in_the_middle(&daemon, &stack, line, moment, [before, after]);
        }
    }
    stack.held("the engine is restarted", 2 * moments.len(), started);
}

/// All is on the one release or on the other, and what was said is what is; then it can be done.
fn restarted_in_the_middle(
    daemon: &Daemon,
    stack: &Stack<'_>,
    line: &str,
    moment: &str,
    [before, after]: [&String; 2],
) {
    assert_eq!(&stack.image(), before);
    let running = stack.start(line, Stdio::null());
    running.until(moment);
    daemon.restart();
    let (code, said) = running.end();
    assert!(matches!(code, 0 | 5 | 6), "{code}: {said}");
    let (recovered, text) = stack.run("ala-promote recover");
    assert_eq!(recovered, 0, "{said}\n{text}");
    let (verified, text) = stack.run("ala-promote history --verify");
    assert_eq!(verified, 0, "{text}");
    let image = stack.image();
    assert!([before, after].contains(&&image), "{image}: {said}");
    match code {
        0 => assert_eq!(&image, after, "said to be done: {said}"),
        5 => assert_eq!(&image, before, "said to be put back: {said}"),
        _ => {}
    }
    println!("{line} at {moment}: exit code {code}");
    if &image == before {
        let (code, text) = stack.run(line);
        assert_eq!(code, 0, "{text}");
    }
    assert_eq!(&stack.image(), after);
}
