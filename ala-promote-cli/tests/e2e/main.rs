//! The binaries on real engines: every engine that is found, side by side. Nothing is asked of the tool's own words
//! that the engine can tell: what runs is read with `docker inspect`.

mod bad_input;
mod crash;
mod script;
mod workflow;

use ala_promote_demo::EngineEnv;

/// Runs a scenario on every engine at once. Without any it is skipped, loudly; in CI that is a failure.
fn on_every_engine(scenario: impl Fn(&EngineEnv) + Sync) {
    let engines = EngineEnv::all();
    if engines.is_empty() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "no Docker engine answers, and CI may skip nothing"
        );
        eprintln!("SKIPPED: no Docker engine answers");
        return;
    }
    std::thread::scope(|scope| {
        for engine in &engines {
            scope.spawn(|| scenario(engine));
        }
    });
}
