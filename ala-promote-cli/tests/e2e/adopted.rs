//! Production that was started by hand under a project name of its own, and one that Swarm owns.

use std::fs;

use ala_promote_demo::{EngineEnv, Environment, Sample};

use crate::engines::on_two_engines;
use crate::script::{answer, call, compose};

use Environment::Production;

#[test]
fn started_under_another_name() {
    on_two_engines(1, started_under_another_name_on);
}

fn started_under_another_name_on(engine: &EngineEnv) {
    let sample = Sample::create(engine).expect("the sample can be built");
    owned_by_swarm(&sample);

    let other = format!("{}-other", sample.name());
    compose(&sample, &["-p", &other, "up", "-d", "--build", "--no-deps", "frontend"]);
    let filter = format!("label=com.docker.compose.project={other}");
    let runs =
        || sample.engine().docker(&["ps", "-q", "--no-trunc", "--filter", &filter]).expect("docker answers");
    let before = runs();
    for line in ["promote-to-production", "deploy", "deploy-staging"] {
        let (named, runs) = (format!("project `{}`", sample.name()), format!("project `{other}`"));
        answer(&sample, &[line], "yes\n")
            .expect(3, &["COMPOSE_PROJECT_NAME", &named, &runs, "ala-promote.toml"]);
    }

    // Where nothing says otherwise, it is taken as it runs.
    let env_file = sample.deployment().join(".env");
    let text = fs::read_to_string(&env_file).expect("the file is there");
    let without: String =
        text.lines().filter(|l| !l.starts_with("COMPOSE_PROJECT_NAME")).map(|l| format!("{l}\n")).collect();
    fs::write(&env_file, without).expect("the file is written");
    let taken = format!("production (project {other})");
    call(&sample, &["ala-promote", "status"]).expect(0, &[&taken, "healthy: HTTP 200"]);
    assert_eq!(runs(), before, "it must not be touched");
}

/// A container with the labels that Swarm gives.
fn owned_by_swarm(sample: &Sample) {
    let docker = |arguments: &[&str]| sample.engine().docker(arguments).expect("docker answers");
    let stack = format!("com.docker.stack.namespace={}", sample.project(Production));
    let labels = ["--label", &stack, "--label", "com.docker.swarm.service.id=abc"];
    let create = [&["create"], labels.as_slice(), &["ala-medical-postgres:15"]].concat();
    let container = docker(&create);
    for line in ["promote-to-production", "deploy"] {
        answer(sample, &[line], "yes\n").expect(1, &["Swarm owns its container", "docker stack rm"]);
    }
    docker(&["rm", "-v", &container]);
}
