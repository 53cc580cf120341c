//! The Compose files of the workflow document itself: refused with the lines to mend, and working once they are mended.

use std::collections::BTreeSet;
use std::fs;

use ala_promote_demo::{EngineEnv, Environment, Sample};

use crate::engines::on_two_engines;
use crate::script::{answer, call, get, images, running};

use Environment::{Production, Staging};

#[test]
fn files_of_the_document() {
    on_two_engines(1, files_of_the_document_on);
}

fn files_of_the_document_on(engine: &EngineEnv) {
    let sample = Sample::in_document_shape(engine).expect("the sample can be built");
    // The backend has no HEALTHCHECK there, and nothing at `/`.
    let config =
        "[health]\ntimeout = \"60s\"\nwindow = \"1s\"\n\n[services.backend]\nhealth_path = \"/api/health\"\n";
    fs::write(sample.deployment().join("ala-promote.toml"), config).expect("the config is written");

    refused(&sample);
    mend(&sample);
    call(&sample, &["deploy-staging"]).expect(0, &[]);
    let staging = running(&sample, Staging);
    answer(&sample, &["promote-to-production"], "yes\n").expect(0, &[]);
    assert_eq!(running(&sample, Staging), staging, "promotion must not touch staging");
    for service in ["backend", "frontend"] {
        assert_eq!(images(&sample, Production)[service], staging[service].1);
    }
    for environment in [Staging, Production] {
        let [http, _, api, database] = sample.host_ports(environment);
        let expected = BTreeSet::from([http, api, database]);
        assert_eq!(bound(&sample, environment), expected, "{environment:?} holds its own ports alone");
        assert!(get(&sample, environment, "health").is_some(), "{environment:?} answers");
    }
}

fn refused(sample: &Sample) {
    let [_, tls, ..] = sample.host_ports(Production);
    let port = format!("both publish port {tls}");
    let env_file = sample.deployment().join(".env").display().to_string();
    let lines = [
        port.as_str(),
        "services.frontend.ports",
        "services.backend.env_file",
        &env_file,
        "Nothing was changed.",
    ];
    call(sample, &["deploy-staging"]).expect(3, &lines);
    let promotion = answer(sample, &["promote-to-production"], "yes\n");
    promotion.expect(3, &lines);
    promotion.expect(3, &["service frontend is built differently", "build.args.VITE_API_URL"]);
    for environment in [Staging, Production] {
        let filter = format!("label=com.docker.compose.project={}", sample.project(environment));
        let containers = sample.engine().docker(&["ps", "-aq", "--filter", &filter]).expect("docker answers");
        assert_eq!(containers, "", "nothing may have been started in {environment:?}");
    }
    let repository = format!("{}-frontend", sample.name());
    let images = sample.engine().docker(&["images", "-q", &repository]).expect("docker answers");
    assert_eq!(images, "", "nothing may have been built");
}

/// What the messages ask for, and nothing else: ports that the overlay maps elsewhere stay in the base.
fn mend(sample: &Sample) {
    let change = |file: &str, changes: &[(&str, &str)]| {
        let path = sample.deployment().join(file);
        let text = fs::read_to_string(&path).expect("the file is there");
        let mended = changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{from} is not in {text}");
            text.replace(from, to)
        });
        fs::write(path, mended).expect("the file is written");
    };
    let [_, tls, ..] = sample.host_ports(Production);
    let environment = "    environment:\n      NODE_ENV: ${NODE_ENV}\n      DATABASE_URL: ${DATABASE_URL}\n";
    change(
        "docker-compose.yml",
        &[
            (&format!("      - \"{tls}:443\"\n"), ""),
            ("    env_file: .env\n", environment),
            ("VITE_API_URL: ${VITE_API_URL}", "VITE_API_URL: /api"),
        ],
    );
    let build = "    build:\n      args:\n        VITE_API_URL: ${VITE_API_URL}\n";
    change("docker-compose.staging.yml", &[(build, "")]);
}

/// The host ports that its containers hold, as the engine tells it.
fn bound(sample: &Sample, environment: Environment) -> BTreeSet<u16> {
    let format = "{{range .NetworkSettings.Ports}}{{range .}}{{.HostPort}} {{end}}{{end}}";
    let ports = |(container, _): (String, String)| {
        sample.engine().docker(&["inspect", "--format", format, &container]).expect("docker answers")
    };
    let lists: Vec<String> = running(sample, environment).into_values().map(ports).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).map(|port| port.parse().expect("a port")).collect()
}
