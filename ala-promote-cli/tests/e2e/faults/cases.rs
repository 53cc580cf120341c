//! Which cases run, and what is said of them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::time::Instant;

use ala_promote_demo::{EngineEnv, is_torture};

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Of these cases, in their order: the one that is asked for by name; where everything is to be tried, those whose turn it
/// is on this engine, so that each runs on one of the engines; else this many. Which ones depends on the seed; each engine
/// takes others, while there are any.
pub(super) fn chosen(engine: &EngineEnv, all: Vec<String>, share: usize) -> Vec<String> {
    if let Some(only) = variable("ALA_PROMOTE_CASE") {
        return all.into_iter().filter(|case| *case == only).collect();
    }
    if is_torture() {
        let (place, engines) = place(engine);
        let is_here = |(number, _): &(usize, String)| number % engines == place;
        return all.into_iter().enumerate().filter(is_here).map(|(_, case)| case).collect();
    }
    let seed = variable("ALA_PROMOTE_SEED").unwrap_or_else(|| "1".to_owned());
    let mut shuffled = all.clone();
    shuffled.sort_by_cached_key(|case| {
        let mut hasher = DefaultHasher::new();
        (&seed, case).hash(&mut hasher);
        hasher.finish()
    });
    let mine: Vec<String> = shuffled.into_iter().cycle().skip(place(engine).0 * share).take(share).collect();
    all.into_iter().filter(|case| mine.contains(case)).collect()
}

/// Whether faults of this kind of operation are tried on the engine: all where everything is, or a case is asked for by
/// name; else one kind on each.
pub(super) fn is_turn_of(engine: &EngineEnv, scenario: &str) -> bool {
    const KINDS: [&str; 3] = ["promote", "rollback", "deploy"];
    match variable("ALA_PROMOTE_CASE") {
        Some(only) => only.split('/').next() == Some(scenario),
        None => is_torture() || KINDS.get(place(engine).0 % KINDS.len()) == Some(&scenario),
    }
}

/// Which of the engines that tests run on it is, and of how many.
fn place(engine: &EngineEnv) -> (usize, usize) {
    let all = EngineEnv::all();
    let host = |engine: &EngineEnv| engine.variables.get("DOCKER_HOST").cloned();
    let place = all.iter().position(|other| host(other) == host(engine));
    (place.expect("it is one of them"), all.len())
}

/// A case at work. If it fails, the line that runs it alone is printed.
pub(super) struct Case<'a>(pub(super) &'a str);

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = self.0;
            eprintln!("    ALA_PROMOTE_CASE='{name}' cargo test -p ala-promote-cli --test e2e in_the_middle");
        }
    }
}

/// Counts the cases of a scenario; when it is dropped it prints the line that `docs/reliability.md` is made from.
pub(super) struct Tally {
    scenario: String,
    cases: usize,
    started: Instant,
}

impl Tally {
    pub(super) fn new(engine: &EngineEnv, scenario: &str) -> Self {
        let version = engine.docker(&["version", "--format", "{{.Server.Version}}"]).expect("docker answers");
        let driver = engine.docker(&["info", "--format", "{{.Driver}}"]).expect("docker answers");
        let scenario = format!("{scenario}, Engine {version} with {driver}");
        Self { scenario, cases: 0, started: Instant::now() }
    }

    pub(super) fn count(&mut self) {
        self.cases += 1;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let violations = u8::from(std::thread::panicking());
        let (scenario, cases, seconds) = (&self.scenario, self.cases, self.started.elapsed().as_secs());
        println!("figures: {scenario} | {cases} | {violations} | {seconds} s");
    }
}
