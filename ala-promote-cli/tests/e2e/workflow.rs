//! The documented workflow, from the first deployment to the second rollback.

use ala_promote_demo::{EngineEnv, Environment, Sample};

use crate::engines::on_every_engine;
use crate::script::{answer, call, compose, get, hurry, images, running};

use Environment::{Production, Staging};

#[test]
fn the_documented_workflow() {
    on_every_engine(the_workflow_on);
}

fn the_workflow_on(engine: &EngineEnv) {
    let sample = Sample::create(engine).expect("the sample can be built");
    hurry(&sample);

    sample.release("0.9.0").expect("a release");
    // Production runs already, started by hand as the team did: it is adopted as it runs.
    compose(&sample, &["up", "-d", "--build"]);
    let by_hand = images(&sample, Production);

    call(&sample, &["promote-to-production"])
        .expect(3, &["no release has been tested on staging", "./deploy-staging first"]);

    sample.release("1.0.0").expect("a release");
    let before = running(&sample, Production);
    let deployed = call(&sample, &["deploy-staging"]);
    let api = format!("✅ Backend healthy (port {})", sample.api_port(Staging));
    deployed.expect(
        0,
        &[
            "🧪 STAGING DEPLOYMENT - Test Environment Only",
            "✅ Prerequisites OK",
            "✅ Code updated",
            "✅ Images built",
            "✅ Images tagged: staging-tested-",
            "✅ Containers started",
            &api,
            "Backend:",
            "Frontend:",
        ],
    );
    assert_eq!(running(&sample, Production), before, "staging must not touch production");
    assert!(get(&sample, Staging, "version").expect("staging answers").contains("1.0.0"));

    not_confirmed_changes_nothing(&sample);
    let first = promoted(&sample);
    assert_ne!(first["backend"], by_hand["backend"]);

    sample.release("1.1.0").expect("a release");
    call(&sample, &["deploy-staging"]).expect(0, &[]);
    let second = promoted(&sample);
    assert_ne!(second["backend"], first["backend"]);

    a_release_that_fails_in_production_is_put_back(&sample);

    answer(&sample, &["rollback"], "yes\n").expect(0, &[]);
    assert_eq!(images(&sample, Production), first);
    answer(&sample, &["rollback"], "yes\n").expect(0, &[]);
    assert_eq!(
        images(&sample, Production),
        by_hand,
        "a second rollback goes further back, to what was adopted"
    );
    answer(&sample, &["rollback"], "yes\n").expect(3, &["no earlier release"]);

    call(&sample, &["ala-promote", "history", "--verify"]).expect(0, &["rollback", "promote"]);
    call(&sample, &["ala-promote", "status"]).expect(0, &["production", "staging"]);
}

fn not_confirmed_changes_nothing(sample: &Sample) {
    let before = running(sample, Production);
    for typed in ["no\n", "YES\n", "", "yes please\n"] {
        answer(sample, &["promote-to-production"], typed).expect(4, &["Type 'yes' to confirm:"]);
    }
    call(sample, &["promote-to-production", "--dry-run"]).expect(0, &[]);
    assert_eq!(running(sample, Production), before);
}

/// Promotes, and checks that production runs the very images of staging, and that nothing else was touched.
fn promoted(sample: &Sample) -> std::collections::BTreeMap<String, String> {
    let (staging, before) = (running(sample, Staging), running(sample, Production));
    answer(sample, &["promote-to-production"], "yes\n").expect(
        0,
        &[
            "⚠️  PRODUCTION DEPLOYMENT - Image Promotion",
            "⚠️  This affects REAL PATIENTS and LIVE DATA",
            "backup-",
        ],
    );
    let after = running(sample, Production);
    for service in ["backend", "worker", "frontend"] {
        assert_eq!(after[service].1, staging[service].1, "{service} must run what was tested");
        assert_ne!(after[service].0, before[service].0, "{service} must have been replaced");
    }
    assert_eq!(after["db"], before["db"], "the database must not be touched");
    assert_eq!(running(sample, Staging), staging, "promotion must not touch staging");
    images(sample, Production)
}

fn a_release_that_fails_in_production_is_put_back(sample: &Sample) {
    let (before, version) = (images(sample, Production), get(sample, Production, "version"));
    sample.release("1.2.0 broken").expect("a release");
    call(sample, &["deploy-staging"]).expect(0, &[]);
    answer(sample, &["promote-to-production"], "yes\n").expect(5, &["as it was"]);
    assert_eq!(images(sample, Production), before);
    assert_eq!(get(sample, Production, "version"), version, "production serves the old release");
    assert!(get(sample, Production, "health").is_some());
}
