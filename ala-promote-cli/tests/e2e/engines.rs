//! The engines that scenarios run on.

use ala_promote_demo::EngineEnv;

/// Runs a scenario on every engine at once. Without any it is skipped, loudly; in CI that is a failure.
pub(crate) fn on_every_engine(scenario: impl Fn(&EngineEnv) + Sync) {
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
