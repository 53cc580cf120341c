//! The engines that scenarios run on.

use std::ffi::OsStr;
use std::process::Command;

use ala_promote_demo::EngineEnv;

/// Runs a scenario on every engine at once. Without any it is skipped, loudly; in CI that is a failure.
pub(crate) fn on_every_engine(scenario: impl Fn(&EngineEnv) + Sync) {
    at_once(&EngineEnv::all(), scenario);
}

/// Runs a scenario on the engine of the environment and on the further one whose turn it is: what it shows depends on how
/// Compose is called, and not on how the engine keeps its images.
pub(crate) fn on_two_engines(turn: usize, scenario: impl Fn(&EngineEnv) + Sync) {
    at_once(&EngineEnv::two(turn), scenario);
}

fn at_once(engines: &[EngineEnv], scenario: impl Fn(&EngineEnv) + Sync) {
    if engines.is_empty() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "no Docker engine answers, and CI may skip nothing"
        );
        eprintln!("SKIPPED: no Docker engine answers");
    }
    std::thread::scope(|scope| {
        for engine in engines {
            scope.spawn(|| scenario(engine));
        }
    });
}

/// A command that heeds signals: tests that run in the background of a script were started with Ctrl-C ignored, and would
/// hand that down.
pub(crate) fn heeding_signals(program: impl AsRef<OsStr>) -> Command {
    // By its whole path: a test may take `PATH` away.
    let mut command = Command::new("/usr/bin/env");
    command.arg("--default-signal=HUP,INT,TERM").arg(program);
    command
}
