//! What can be wrong, and is refused with nothing changed.

use std::fs;

use ala_promote_demo::{EngineEnv, Environment, Sample};

use crate::engines::on_two_engines;
use crate::privileged;
use crate::script::{answer, call, called, command, hurry, running};

use Environment::{Production, Staging};

/// Cases that need no stack to run.
#[test]
fn before_anything_runs() {
    on_two_engines(0, |engine| {
        let sample = Sample::create(engine).expect("the sample can be built");
        broken_yaml(&sample);
        missing_env_file(&sample);
        unset_variable(&sample);
        neither_image_nor_build(&sample);
        unknown_key(&sample);
        no_engine(&sample);
        unsupported_engine(&sample);
        no_compose(&sample);
        compose_v1_with_a_new_engine(&sample);
        if privileged::is_root() {
            privileged::read_only(&sample);
            privileged::no_permission_for_the_socket(&sample);
        }
        assert!(running(&sample, Staging).is_empty() && running(&sample, Production).is_empty());
    });
}

/// Changes a file for the time of a call.
fn with_changed(sample: &Sample, file: &str, change: impl Fn(&str) -> String, check: impl FnOnce()) {
    let path = sample.deployment().join(file);
    let text = fs::read_to_string(&path).expect("the file is there");
    fs::write(&path, change(&text)).expect("the file is written");
    check();
    fs::write(&path, text).expect("the file is written");
}

fn broken_yaml(sample: &Sample) {
    let broken = |text: &str| text.replacen("services:", "services:\n  \tbroken: [", 1);
    with_changed(sample, "docker-compose.yml", broken, || {
        call(sample, &["deploy-staging"]).expect(2, &["docker-compose.yml", "line"]);
    });
}

fn missing_env_file(sample: &Sample) {
    for (file, template) in [(".env.staging", ".env.staging.template"), (".env", ".env.template")] {
        let path = sample.deployment().join(file);
        let text = fs::read_to_string(&path).expect("the file is there");
        fs::remove_file(&path).expect("the file goes");
        call(sample, &["deploy-staging"]).expect(2, &[&format!("cp {template} {file}")]);
        fs::write(&path, text).expect("the file comes back");
    }
}

fn unset_variable(sample: &Sample) {
    let without = |text: &str| {
        text.lines().filter(|l| !l.starts_with("CORS_ORIGIN")).map(|l| format!("{l}\n")).collect()
    };
    with_changed(sample, ".env.staging", without, || {
        call(sample, &["deploy-staging"]).expect(2, &["CORS_ORIGIN", ".env.staging"]);
    });
}

fn neither_image_nor_build(sample: &Sample) {
    let with = |text: &str| text.replacen("services:", "services:\n  ghost:\n    restart: always", 1);
    with_changed(sample, "docker-compose.yml", with, || {
        let refused = call(sample, &["deploy-staging"]);
        assert!(matches!(refused.code, Some(2 | 3)), "{}", refused.text);
        assert!(refused.text.contains("ghost"), "{}", refused.text);
    });
}

fn unknown_key(sample: &Sample) {
    let config = sample.deployment().join("ala-promote.toml");
    fs::write(&config, "\n[helth]\nwindow = \"1s\"\n").expect("the config is written");
    call(sample, &["deploy-staging"]).expect(2, &["ala-promote.toml:2", "helth", "health"]);
    fs::remove_file(config).expect("the config goes");
}

fn no_engine(sample: &Sample) {
    let mut command = command(sample, &["deploy-staging"]);
    command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    called(&command.output().expect("it runs")).expect(1, &["/nonexistent/docker.sock"]);
}

fn unsupported_engine(sample: &Sample) {
    let mut command = command(sample, &["deploy-staging"]);
    command.env("DOCKER_HOST", "ssh://user@host.example.com");
    called(&command.output().expect("it runs")).expect(1, &["ssh://"]);
}

fn no_compose(sample: &Sample) {
    let mut command = command(sample, &["deploy-staging"]);
    command.env("PATH", "/nonexistent").env("DOCKER_CONFIG", "/nonexistent");
    called(&command.output().expect("it runs")).expect(1, &["ompose"]);
}

/// Compose v1 takes a container of a new engine down, and then can't start its successor.
fn compose_v1_with_a_new_engine(sample: &Sample) {
    let v1 = "/usr/bin/docker-compose";
    let engine =
        sample.engine().docker(&["version", "--format", "{{.Server.APIVersion}}"]).expect("docker answers");
    let minor: u32 = engine.split('.').nth(1).and_then(|minor| minor.parse().ok()).expect("an API version");
    if minor < 45 || !std::path::Path::new(v1).exists() {
        return;
    }
    let mut command = command(sample, &["deploy-staging"]);
    command.env("ALA_PROMOTE_COMPOSE", v1);
    called(&command.output().expect("it runs")).expect(1, &["ContainerConfig", "v2"]);
}

/// Cases with a stack that runs, and that must still run unchanged afterwards.
#[test]
fn while_it_runs() {
    on_two_engines(0, while_it_runs_on);
}

fn while_it_runs_on(engine: &EngineEnv) {
    let sample = Sample::create(engine).expect("the sample can be built");
    hurry(&sample);
    call(&sample, &["deploy-staging"]).expect(0, &[]);
    answer(&sample, &["promote-to-production"], "yes\n").expect(0, &[]);
    let (staging, production) = (running(&sample, Staging), running(&sample, Production));

    build_fails(&sample);
    tag_moved(&sample);
    tag_deleted(&sample);
    port_taken(&sample);
    two_databases(&sample);
    database_down(&sample);
    state_deleted(&sample);
    if privileged::is_root() {
        privileged::read_only(&sample);
        privileged::full_disk(&sample);
    }

    assert_eq!(running(&sample, Staging), staging);
    assert_eq!(running(&sample, Production), production);
}

fn build_fails(sample: &Sample) {
    let dockerfile = sample.root().join("backend/Dockerfile");
    let text = fs::read_to_string(&dockerfile).expect("the file is there");
    fs::write(&dockerfile, format!("{text}\nCOPY no-such-file /\n")).expect("the file is written");
    let failed = call(sample, &["deploy-staging"]);
    failed.expect(5, &["no-such-file", "as it was"]);
    fs::write(&dockerfile, text).expect("the file is written");
}

fn tag_moved(sample: &Sample) {
    let (api, frontend) =
        (format!("{}-api:staging", sample.name()), format!("{}-frontend:staging", sample.name()));
    let docker = |arguments: &[&str]| sample.engine().docker(arguments).expect("docker answers");
    let tested = docker(&["inspect", "--format", "{{.Id}}", &api]);
    docker(&["tag", &frontend, &api]);
    answer(sample, &["promote-to-production"], "yes\n").expect(3, &[&api, "is not what was tested"]);
    docker(&["tag", &tested, &api]);
}

fn tag_deleted(sample: &Sample) {
    let docker = |arguments: &[&str]| sample.engine().docker(arguments).expect("docker answers");
    let repository = format!("{}-api", sample.name());
    let tags = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", &repository]);
    let tested = tags.lines().find(|tag| tag.contains("staging-tested")).expect("it is tagged").to_owned();
    docker(&["rmi", &tested]);
    answer(sample, &["promote-to-production"], "yes\n").expect(3, &[&tested]);
    docker(&["tag", &format!("{repository}:staging"), &tested]);
}

fn port_taken(sample: &Sample) {
    let taken = sample.api_port(Production).to_string();
    let path = sample.deployment().join(".env.staging");
    let text = fs::read_to_string(&path).expect("the file is there");
    let other: String = text
        .lines()
        .map(|l| if l.starts_with("API_PORT") { format!("API_PORT={taken}\n") } else { format!("{l}\n") })
        .collect();
    fs::write(&path, other).expect("the file is written");
    let compose =
        fs::read_to_string(sample.deployment().join("docker-compose.yml")).expect("the file is there");
    let service = compose.lines().skip_while(|line| *line != "  backend:");
    let below = service.take_while(|line| *line != "    ports:").count();
    let line = compose.lines().take_while(|line| *line != "  backend:").count() + below + 1;
    let place = format!("docker-compose.yml:{line}: services.backend.ports");
    call(sample, &["deploy-staging", "--skip-build"]).expect(3, &[&taken, &place]);
    fs::write(&path, text).expect("the file is written");
}

fn two_databases(sample: &Sample) {
    let with = |text: &str| {
        let second = "services:\n  audit:\n    image: ala-medical-postgres:15\n    environment:\n      POSTGRES_PASSWORD: PASSWORD\n";
        text.replacen("services:\n", second, 1)
    };
    with_changed(sample, "docker-compose.yml", with, || {
        answer(sample, &["promote-to-production"], "yes\n")
            .expect(3, &["audit", "db", "[[backup.databases]]"]);
    });
}

fn database_down(sample: &Sample) {
    let (db, _) = running(sample, Production)["db"].clone();
    sample.engine().docker(&["stop", &db]).expect("docker answers");
    answer(sample, &["promote-to-production"], "yes\n").expect(3, &["database db is down"]);
    sample.engine().docker(&["start", &db]).expect("docker answers");
}

fn state_deleted(sample: &Sample) {
    let (state, aside) = (sample.deployment().join(".ala-promote"), sample.root().join("aside"));
    fs::rename(&state, &aside).expect("the state goes");
    answer(sample, &["promote-to-production"], "yes\n")
        .expect(3, &[".ala-promote", "ala-promote recover --new-ledger"]);
    fs::remove_dir_all(&state).ok();
    fs::rename(&aside, &state).expect("the state comes back");
}
