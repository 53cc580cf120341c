//! One stack through what goes wrong while it is deployed, and through the less common ways to deploy it.

use std::collections::BTreeMap;

use ala_promote_demo::{EngineEnv, Environment, Sample};

use crate::engines::on_two_engines;
use crate::script::{answer, call, get, hurry, images, interrupt, never_healthy, running, started_until};

use Environment::{Production, Staging};

#[test]
fn put_back_and_other_ways() {
    on_two_engines(1, put_back_and_other_ways_on);
}

fn put_back_and_other_ways_on(engine: &EngineEnv) {
    let sample = Sample::create(engine).expect("the sample can be built");
    hurry(&sample);
    call(&sample, &["deploy-staging"]).expect(0, &[]);
    answer(&sample, &["promote-to-production"], "yes\n").expect(0, &[]);
    let (first, tag) = (images(&sample, Production), tested_tag(&sample));

    release(&sample, "1.1.0");
    a_health_url_that_never_answers(&sample);
    two_at_once(&sample);
    release(&sample, "1.3.0");
    interrupted_while_production_is_awaited(&sample);

    answer(&sample, &["deploy", "--from-staging"], "no\n").expect(4, &["Type 'yes' to confirm:"]);
    answer(&sample, &["deploy", "--from-staging"], "yes\n").expect(0, &["backup-"]);
    assert_eq!(promoted(&sample, Production), promoted(&sample, Staging));

    keep_failed(&sample);
    rapid_iteration(&sample);
    deploy_without_staging(&sample);

    call(&sample, &["rollback", "--list"]).expect(0, &[&tag, "production-built-", "runs now"]);
    call(&sample, &["rollback", "--to", &tag, "--confirm", "production"]).expect(0, &[]);
    assert_eq!(images(&sample, Production), first);
    assert!(get(&sample, Production, "version").expect("production answers").contains("1.0.0"));
}

fn release(sample: &Sample, version: &str) {
    hurry(sample);
    sample.release(version).expect("a release");
    call(sample, &["deploy-staging"]).expect(0, &[]);
}

fn promoted(sample: &Sample, environment: Environment) -> BTreeMap<String, String> {
    images(sample, environment).into_iter().filter(|(service, _)| service != "db").collect()
}

/// The tag of the one release that was tested so far.
fn tested_tag(sample: &Sample) -> String {
    let repository = format!("{}-api", sample.name());
    let tags =
        sample.engine().docker(&["images", "--format", "{{.Tag}}", &repository]).expect("docker answers");
    tags.lines().find(|tag| tag.starts_with("staging-tested-")).expect("it is tagged").to_owned()
}

fn image_of_tag(sample: &Sample, tag: &str) -> String {
    let reference = format!("{}-api:{tag}", sample.name());
    sample.engine().docker(&["inspect", "--format", "{{.Id}}", &reference]).expect("docker answers")
}

fn a_health_url_that_never_answers(sample: &Sample) {
    let (before, production) = (images(sample, Staging), running(sample, Production));
    let tag = image_of_tag(sample, "staging");
    never_healthy(sample, "3s");
    sample.release("1.2.0").expect("a release");
    call(sample, &["deploy-staging"]).expect(5, &["frontend", "/nothing", "as it was"]);
    assert_eq!(images(sample, Staging), before);
    assert_eq!(image_of_tag(sample, "staging"), tag);
    assert!(get(sample, Staging, "version").expect("staging answers").contains("1.1.0"));
    assert_eq!(running(sample, Production), production);
}

/// While staging is at work, a second operation on it is told whose the first is; production is free.
fn two_at_once(sample: &Sample) {
    let before = images(sample, Staging);
    never_healthy(sample, "60s");
    let at_work = started_until(sample, &["deploy-staging", "--skip-build"], "await-health");
    hurry(sample);
    let second = call(sample, &["deploy-staging", "--skip-build"]);
    let process = format!("(process {}) since 20", at_work.id());
    second.expect(11, &["Another operation is in progress: deploy staging by ", &process]);
    answer(sample, &["promote-to-production"], "yes\n").expect(0, &[]);
    interrupt(at_work).expect(5, &["as it was", "stopped on request"]);
    assert_eq!(images(sample, Staging), before);
    assert_eq!(promoted(sample, Production), promoted(sample, Staging));
}

fn interrupted_while_production_is_awaited(sample: &Sample) {
    let (before, staging) = (images(sample, Production), running(sample, Staging));
    let tag = image_of_tag(sample, "production");
    never_healthy(sample, "60s");
    let line = ["promote-to-production", "--confirm", "production"];
    interrupt(started_until(sample, &line, "await-health")).expect(5, &["as it was", "stopped on request"]);
    hurry(sample);
    assert_eq!(images(sample, Production), before);
    assert_eq!(image_of_tag(sample, "production"), tag);
    assert!(get(sample, Production, "version").expect("production answers").contains("1.1.0"));
    assert_eq!(running(sample, Staging), staging);
}

fn keep_failed(sample: &Sample) {
    let before = images(sample, Staging);
    never_healthy(sample, "3s");
    sample.release("1.4.0").expect("a release");
    call(sample, &["deploy-staging", "--keep-failed"]).expect(6, &["left with the failed release"]);
    hurry(sample);
    assert_ne!(images(sample, Staging)["backend"], before["backend"]);
    assert!(get(sample, Staging, "version").expect("staging answers").contains("1.4.0"));
}

/// An image that was built elsewhere, loaded, and tagged by hand.
fn rapid_iteration(sample: &Sample) {
    let docker = |arguments: &[&str]| sample.engine().docker(arguments).expect("docker answers");
    let context = sample.root().join("backend");
    std::fs::write(context.join("VERSION"), "1.5.0-rapid\n").expect("the file is written");
    let [test, staging] = ["test", "staging"].map(|tag| format!("{}-api:{tag}", sample.name()));
    docker(&["build", "-q", "-t", &test, &context.display().to_string()]);
    docker(&["tag", &test, &staging]);
    call(sample, &["deploy-staging", "--skip-build"]).expect(0, &["✅ Images tagged: staging-tested-"]);
    assert_eq!(images(sample, Staging)["backend"], image_of_tag(sample, "test"));
    assert!(get(sample, Staging, "version").expect("staging answers").contains("1.5.0-rapid"));
}

/// Asks nothing, builds for production what is committed, and leaves staging alone.
fn deploy_without_staging(sample: &Sample) {
    let (before, staging) = (running(sample, Production), running(sample, Staging));
    sample.release("1.6.0").expect("a release");
    call(sample, &["deploy"]).expect(0, &["backup-"]);
    let after = running(sample, Production);
    assert_eq!(after["db"], before["db"], "the database must not be touched");
    assert!(get(sample, Production, "version").expect("production answers").contains("1.6.0"));
    assert_eq!(running(sample, Staging), staging);
}
