//! The engines that scenarios run on.

use ala_promote_demo::EngineEnv;

/// Runs a scenario on every engine at once. Without any it is skipped, loudly; in CI that is a failure.
pub(crate) fn on_every_engine(scenario: impl Fn(&EngineEnv) + Sync) {
    at_once(&found(), scenario);
}

/// Which of the further engines a scenario runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    First,
    Second,
}

/// Runs a scenario on the engine of the environment and on one of the further ones, which take turns: what it shows
/// depends on how Compose is called, and not on how the engine keeps its images. Where all is to be tried, on every one.
pub(crate) fn on_two_engines(turn: Turn, scenario: impl Fn(&EngineEnv) + Sync) {
    let mut engines = found();
    if !crate::is_torture() && engines.len() > 2 {
        let further = engines.split_off(1);
        engines.extend(further.into_iter().nth(turn as usize));
    }
    at_once(&engines, scenario);
}

fn found() -> Vec<EngineEnv> {
    let engines = EngineEnv::all();
    if engines.is_empty() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "no Docker engine answers, and CI may skip nothing"
        );
        eprintln!("SKIPPED: no Docker engine answers");
    }
    engines
}

fn at_once(engines: &[EngineEnv], scenario: impl Fn(&EngineEnv) + Sync) {
    std::thread::scope(|scope| {
        for engine in engines {
            scope.spawn(|| scenario(engine));
        }
    });
}
