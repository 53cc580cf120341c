//! `kill -9` in the middle, then `recover`.

use std::time::{Duration, Instant};

use ala_promote_demo::{EngineEnv, Environment, Sample};

use crate::engines::on_every_engine;
use crate::script::{answer, call, command, get, hurry, images};

use Environment::{Production, Staging};

#[test]
fn killed_while_it_promotes() {
    on_every_engine(killed_on);
}

fn killed_on(engine: &EngineEnv) {
    let sample = Sample::create(engine).expect("the sample can be built");
    hurry(&sample);
    call(&sample, &["deploy-staging"]).expect(0, &[]);
    answer(&sample, &["promote-to-production"], "yes\n").expect(0, &[]);
    let before = images(&sample, Production);
    sample.release("2.0.0").expect("a release");
    call(&sample, &["deploy-staging"]).expect(0, &[]);

    for marker in ["\"action\":\"swap\"", "await-health"] {
        kill_when_started(&sample, marker);
        answer(&sample, &["promote-to-production"], "yes\n").expect(7, &["ala-promote recover"]);
        call(&sample, &["deploy-staging", "--skip-build"]).expect(0, &[]);
        call(&sample, &["ala-promote", "recover"]).expect(0, &["as it was"]);
        assert_eq!(images(&sample, Production), before, "all on the old release after a kill at {marker}");
        assert!(get(&sample, Production, "version").expect("production answers").contains("1.0.0"));
        call(&sample, &["ala-promote", "recover"]).expect(0, &[]);
    }

    answer(&sample, &["promote-to-production"], "yes\n").expect(0, &[]);
    assert_eq!(images(&sample, Production)["backend"], images(&sample, Staging)["backend"]);
}

/// Starts a promotion, and kills it right after the record that starts the step whose action has this mark.
fn kill_when_started(sample: &Sample, marker: &str) {
    let ledger = sample.deployment().join(".ala-promote/ledger/000001.jsonl");
    let records = || std::fs::read_to_string(&ledger).unwrap_or_default();
    let before = records().len();
    let mut child =
        command(sample, &["promote-to-production", "--confirm", "production"]).spawn().expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let new = records();
        let new = new.get(before..).unwrap_or_default();
        if step_is_started(new, marker) {
            break;
        }
        assert!(Instant::now() < deadline, "the step never started: {new}");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
}

/// Whether the new records start the step that does this.
fn step_is_started(records: &str, marker: &str) -> bool {
    let Some(plan) = records.lines().find(|line| line.contains("operation-started")) else { return false };
    let Some(action) = plan.find(marker) else { return false };
    // The step's id is the last one before its action.
    let Some(at) = plan[..action].rfind("\"step-") else { return false };
    let id: String = plan[at + 1..].chars().take_while(|c| *c != '"').collect();
    let started = format!("\"record\":\"step-started\",\"step\":\"{id}\"");
    records.lines().any(|line| line.contains(&started))
}
