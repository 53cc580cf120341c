use std::net::TcpListener;

use ala_promote_core::backend::{Backend, BackendErrorKind};
use ala_promote_core::domain::{ContainerHealth, ContainerState, PortMapping};

use super::support::{Stage, engines, eventually, free_port};

fn tcp(published: u16, target: u16) -> PortMapping {
    PortMapping { host_ip: None, published: Some(published), target, protocol: "tcp".into() }
}

#[tokio::test]
async fn a_project_s_containers_are_listed_as_they_are() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let reference = stage.reference("v1");
        let image = stage.image(&reference, "1", &[]);
        let port = free_port();
        stage.compose_file(&format!(
            "version: '2.4'
services:
  api:
    image: {reference}
    command: sleep 300
    ports: ['{port}:80', '127.0.0.1::81']
    healthcheck: {{test: ['CMD', 'true'], interval: 1s}}
  job:
    image: {reference}
    command: ['sh', '-c', 'exit 3']
  worker:
    image: {reference}
    command: sleep 300
    scale: 2
"
        ));
        stage.compose(&["up", "-d"]);
        stage.compose(&["run", "-d", "job", "sleep", "300"]);
        let health = ["inspect", "--format", "{{.State.Health.Status}}", &stage.id("api")];
        eventually("healthy", || engine.docker(&health) == "healthy");
        let job = format!("label=com.docker.compose.project={}", stage.prefix);
        let job =
            ["--filter", &job, "--filter", "label=com.docker.compose.oneoff=False", "--filter", "name=job"];
        eventually("exited", || engine.docker(&[&["ps", "-q"][..], &job].concat()).is_empty());

        let found = backend.stacks().containers(&stage.project()).await.unwrap();
        let services: Vec<&str> = found.iter().map(|c| c.service.as_str()).collect();
        assert_eq!(services, ["api", "job", "worker", "worker"]);
        let (api, job) = (&found[0], &found[1]);
        assert_eq!(api.image.id, image);
        assert_eq!((api.image.platform.as_str(), api.image.layers.len()), ("linux/amd64", 1));
        assert!(api.image.created.is_some());
        assert_eq!(api.image_reference.as_ref(), Some(&reference));
        assert_eq!(api.state, ContainerState::Running);
        assert_eq!(api.health, Some(ContainerHealth::Healthy));
        assert!(api.config_hash.is_some());
        let local = api.ports.iter().find(|p| p.target == 81).unwrap();
        assert_eq!(local.host_ip.as_deref(), Some("127.0.0.1"));
        assert!(local.published.is_some());
        assert!(api.ports.contains(&tcp(port, 80)), "{:?}", api.ports);
        assert_eq!(job.state, ContainerState::Exited(3));
        assert_eq!(job.health, None);

        let holders = backend.stacks().port_holders(&[tcp(port, 1)]).await.unwrap();
        assert_eq!(holders.len(), 1, "{holders:?}");
        assert_eq!(holders[0].holder, api.name);
        assert_eq!(holders[0].project, Some(stage.project()));
        assert_eq!(holders[0].service.as_ref().unwrap().as_str(), "api");

        // Bound or not, the mapping is known.
        engine.docker(&["stop", "-t", "0", &api.id]);
        let found = backend.stacks().containers(&stage.project()).await.unwrap();
        assert!(found[0].ports.contains(&tcp(port, 80)), "{:?}", found[0].ports);
        assert_eq!(backend.stacks().port_holders(&[tcp(port, 1)]).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_container_outlives_its_image() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let reference = stage.reference("v1");
        let image = stage.image(&reference, "1", &[]);
        stage.compose_file(&format!("services:\n  api:\n    image: {reference}\n    command: 'true'\n"));
        stage.compose(&["up", "-d"]);
        engine.docker(&["wait", &stage.id("api")]);
        engine.docker(&["rmi", "-f", image.as_str()]);
        let found = backend.stacks().containers(&stage.project()).await.unwrap();
        assert_eq!(found[0].image.id, image);
        assert!(found[0].image.layers.is_empty());
    }
}

#[tokio::test]
async fn a_process_outside_docker_is_seen_as_far_as_it_can_be() {
    for engine in engines() {
        let backend = engine.backend().await;
        let Ok(listener) = TcpListener::bind((engine.address.as_str(), 0)) else {
            eprintln!("{} is not an address of this network namespace", engine.address);
            continue;
        };
        let port = listener.local_addr().unwrap().port();
        let holders = backend.stacks().port_holders(&[tcp(port, 80)]).await.unwrap();
        assert_eq!(holders.len(), 1);
        assert!(holders[0].holder.contains(&format!("ss -ltnp 'sport = :{port}'")), "{holders:?}");
        drop(listener);
        assert_eq!(backend.stacks().port_holders(&[tcp(port, 80)]).await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_swarm_owns_is_refused() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let reference = stage.reference("v1");
        stage.image(&reference, "1", &[]);
        let name = format!("{}_api.1.x", stage.prefix);
        let stack = format!("com.docker.stack.namespace={}", stage.prefix);
        let labels = ["--label", stack.as_str(), "--label", "com.docker.swarm.service.id=x"];
        engine
            .docker(&[&["create", "--name", &name][..], &labels, &[&reference.to_string(), "true"]].concat());
        let error = backend.stacks().containers(&stage.project()).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("Swarm owns"), "{error}");
    }
}
