use std::io::{Read, Write};
use std::net::TcpListener;

use ala_promote_core::backend::Backend;
use ala_promote_core::domain::{HealthTarget, HealthVerdict, PortMapping, ServiceHealth};
use ala_promote_docker::DockerBackend;

use super::support::{Stage, engines, eventually, free_port, service, skip};

fn target(name: &str, ports: &[(u16, u16)]) -> HealthTarget {
    let mapping = |(published, target): &(u16, u16)| PortMapping {
        host_ip: None,
        published: Some(*published),
        target: *target,
        protocol: "tcp".into(),
    };
    HealthTarget {
        service: service(name),
        display: name.into(),
        promoted: true,
        job: false,
        ports: ports.iter().map(mapping).collect(),
        path: Some("/".into()),
        replicas: 1,
    }
}

async fn look(backend: &DockerBackend, stage: &Stage, target: HealthTarget) -> ServiceHealth {
    backend.probe().look(&stage.stack(), &[target]).await.unwrap().remove(0)
}

/// Looks until it is healthy.
async fn healthy(backend: &DockerBackend, stage: &Stage, target: HealthTarget) -> ServiceHealth {
    for _ in 0..100 {
        let seen = look(backend, stage, target.clone()).await;
        if seen.verdict == HealthVerdict::Healthy {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    look(backend, stage, target).await
}

#[tokio::test]
async fn http_on_published_ports_of_what_is_promoted() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let reference = stage.reference("v1");
        let image = stage.image(&reference, "1", &[]);
        let (port, other) = (free_port(), free_port());
        stage.compose_file(&format!(
            "services:
  web:
    image: {reference}
    command: httpd -f -p 80 -h /www
    ports: ['{port}:80']
  cache:
    image: {reference}
    command: nc -ll -p 6379 -e cat
    ports: ['{other}:6379']
"
        ));
        stage.compose(&["up", "-d"]);
        let web = target("web", &[(port, 80)]);
        let seen = healthy(&backend, &stage, web.clone()).await;
        assert_eq!(seen.verdict, HealthVerdict::Healthy, "{seen:?}");
        assert_eq!(seen.evidence, format!("HTTP 200 at http://{}:{port}/", engine.address));
        assert_eq!((seen.port, seen.images), (Some(port), vec![image]));

        let missing = HealthTarget { path: Some("/nothing".into()), ..web.clone() };
        let seen = look(&backend, &stage, missing).await;
        assert_eq!(seen.verdict, HealthVerdict::Starting);
        assert_eq!(seen.evidence, format!("HTTP 404 at http://{}:{port}/nothing", engine.address));

        // Where nobody said a path, `/` is asked.
        let no_path = HealthTarget { path: None, ..web.clone() };
        let seen = look(&backend, &stage, no_path).await;
        assert_eq!(seen.evidence, format!("HTTP 200 at http://{}:{port}/", engine.address));

        // What is not promoted is asked no HTTP.
        let cache = HealthTarget { promoted: false, ..target("cache", &[(other, 6379)]) };
        let seen = healthy(&backend, &stage, cache).await;
        assert_eq!(seen.evidence, format!("port open: {other}"));

        let before = look(&backend, &stage, web.clone()).await.generation;
        engine.docker(&["restart", "-t", "0", &stage.id("web")]);
        let after = healthy(&backend, &stage, web.clone()).await;
        assert_eq!(after.verdict, HealthVerdict::Healthy);
        assert_ne!(after.generation, before);

        engine.docker(&["pause", &stage.id("web")]);
        let seen = look(&backend, &stage, web.clone()).await;
        assert_eq!(seen.verdict, HealthVerdict::Starting, "{seen:?}");
        engine.docker(&["unpause", &stage.id("web")]);
        let two = HealthTarget { replicas: 2, ..web };
        assert_eq!(look(&backend, &stage, two).await.evidence, "1 of 2 containers run");
    }
}

#[tokio::test]
async fn jobs_workers_and_those_that_ended() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let reference = stage.reference("v1");
        stage.image(&reference, "1", &[]);
        stage.compose_file(&format!(
            "services:
  done: {{image: '{reference}', command: 'true'}}
  broken: {{image: '{reference}', command: 'false'}}
  worker: {{image: '{reference}', command: 'sleep 300'}}
  loops: {{image: '{reference}', command: 'false', restart: always}}
"
        ));
        stage.compose(&["up", "-d"]);
        engine.docker(&["wait", &stage.id("done"), &stage.id("broken")]);
        let job = |name: &str| HealthTarget { job: true, ..target(name, &[]) };
        for (target, verdict, evidence) in [
            (job("done"), HealthVerdict::Healthy, "exited with code 0"),
            (job("broken"), HealthVerdict::Failed, "exited with code 1"),
            (job("worker"), HealthVerdict::Starting, "the job still runs"),
            (target("worker", &[]), HealthVerdict::Healthy, "running"),
            (target("broken", &[]), HealthVerdict::Failed, "exited with code 1"),
            (target("done", &[]), HealthVerdict::Failed, "exited with code 0"),
            (target("absent", &[]), HealthVerdict::Starting, "no container"),
        ] {
            let seen = look(&backend, &stage, target).await;
            assert_eq!(seen.verdict, verdict, "{seen:?}");
            assert!(seen.evidence.ends_with(evidence), "{seen:?}");
        }
        eventually("it was restarted", || {
            engine.docker(&["inspect", "--format", "{{.RestartCount}}", &stage.id("loops")]) != "0"
        });
        // What the engine starts again may yet work, whenever one looks.
        let seen = look(&backend, &stage, target("loops", &[])).await;
        assert_ne!(seen.verdict, HealthVerdict::Failed, "{seen:?}");
    }
}

#[tokio::test]
async fn a_healthcheck_counts_and_its_secrets_do_not_show() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let reference = stage.reference("v1");
        stage.image(&reference, "1", &[]);
        let port = free_port();
        stage.compose_file(&format!(
            "version: '2.4'
services:
  api:
    image: {reference}
    command: httpd -f -p 80 -h /www
    ports: ['{port}:80']
    environment: {{PASSWORD: hunter2000}}
    healthcheck: {{test: ['CMD-SHELL', 'echo asked with hunter2000; test -e /tmp/ok'], interval: 1s, retries: 1}}
"
        ));
        stage.compose(&["up", "-d"]);
        let api = target("api", &[(port, 80)]);
        let status = ["inspect", "--format", "{{.State.Health.Status}}", &stage.id("api")];
        eventually("unhealthy", || engine.docker(&status) == "unhealthy");
        let seen = look(&backend, &stage, api.clone()).await;
        assert_eq!(seen.verdict, HealthVerdict::Unhealthy);
        assert_eq!(seen.evidence, "healthcheck: unhealthy: asked with <PASSWORD>");
        stage.exec(&stage.id("api"), &["sh", "-c", ": >/tmp/ok"]);
        eventually("healthy", || engine.docker(&status) == "healthy");
        let seen = look(&backend, &stage, api.clone()).await;
        assert_eq!(
            seen.evidence,
            format!("healthcheck passed, HTTP 200 at http://{}:{port}/", engine.address)
        );
        // Without a path of the config, the healthcheck speaks for what answers at the port.
        let no_path = HealthTarget { path: None, ..api.clone() };
        let seen = look(&backend, &stage, no_path).await;
        assert_eq!(seen.evidence, format!("healthcheck passed, port open: {port}"));
        // Both have to pass.
        let missing = HealthTarget { path: Some("/nothing".into()), ..api.clone() };
        assert_eq!(look(&backend, &stage, missing.clone()).await.verdict, HealthVerdict::Starting);
        let not_promoted = HealthTarget { promoted: false, ..missing };
        let seen = look(&backend, &stage, not_promoted).await;
        assert_eq!((seen.verdict, seen.evidence.as_str()), (HealthVerdict::Healthy, "healthcheck passed"));
    }
}

/// An HTTP server of this process that says that all is well.
fn stranger(address: &str) -> Option<u16> {
    let listener = TcpListener::bind((address, 0)).ok()?;
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    Some(port)
}

#[tokio::test]
async fn a_stranger_s_answer_is_no_pass() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let reference = stage.reference("v1");
        stage.image(&reference, "1", &[]);
        // On this host's loopback, where one would ask if nobody had said where the engine's ports are.
        let port = stranger("127.0.0.1").unwrap();
        let published = if engine.is_here { String::new() } else { format!("ports: ['{port}:80']") };
        stage.compose_file(&format!(
            "services:\n  web:\n    image: {reference}\n    command: sleep 300\n    {published}\n"
        ));
        stage.compose(&["up", "-d"]);
        let seen = look(&backend, &stage, target("web", &[(port, 80)])).await;
        assert_eq!(seen.verdict, HealthVerdict::Starting, "{seen:?}");
        if engine.is_here {
            assert_eq!(seen.evidence, format!("the container does not hold port {port} for its port 80"));
        } else {
            assert!(seen.evidence.contains(&engine.address), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn postgres_is_asked_itself() {
    for engine in engines() {
        let image = "ala-medical-postgres:15";
        if !engine.try_docker(&["image", "inspect", image]).status.success() {
            skip(&format!("{image} is not on Docker Engine {}", engine.name));
            continue;
        }
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let port = free_port();
        stage.compose_file(&format!(
            "services:
  db:
    image: {image}
    environment: {{POSTGRES_PASSWORD: hunter2000}}
    ports: ['{port}:5432']
"
        ));
        stage.compose(&["up", "-d"]);
        let db = HealthTarget { promoted: false, ..target("db", &[(port, 5432)]) };
        let seen = healthy(&backend, &stage, db).await;
        assert_eq!(seen.verdict, HealthVerdict::Healthy, "{seen:?}");
        assert_eq!(seen.evidence, "pg_isready: accepting connections");
    }
}
