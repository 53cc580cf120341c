//! Random histories. Another one: `ALA_PROMOTE_SEED=7`; more of them: `ALA_PROMOTE_TORTURE_HISTORIES=1000`.

use std::time::Instant;

use ala_promote_testkit::sweep::History;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[tokio::test]
async fn every_promise_is_kept_whatever_happens() {
    let first = variable("ALA_PROMOTE_SEED").unwrap_or(1);
    let count = variable("ALA_PROMOTE_TORTURE_HISTORIES").unwrap_or(24);
    let started = Instant::now();
    for seed in first..first + count {
        History::of_seed(seed).run().await.unwrap().assert_clean();
    }
    println!("figures: random histories | {count} | 0 | {} s", started.elapsed().as_secs());
}
