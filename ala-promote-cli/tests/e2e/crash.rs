//! `kill -9` in the middle, then `recover`.

use ala_promote_demo::{EngineEnv, Environment, Sample};

use crate::engines::on_every_engine;
use crate::script::{answer, call, get, hurry, images, started_until};

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
    let line = ["promote-to-production", "--confirm", "production"];
    let mut child = started_until(sample, &line, marker);
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
}
