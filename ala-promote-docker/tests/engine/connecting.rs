use ala_promote_core::backend::{Backend, BackendErrorKind};
use ala_promote_docker::{DockerBackend, DockerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::engines;

#[tokio::test]
async fn says_which_engine_it_is_and_two_live_side_by_side() {
    let mut backends = Vec::new();
    for engine in engines() {
        backends.push((engine.backend().await, engine));
    }
    for (backend, engine) in &backends {
        let version = engine.name.split(' ').next().unwrap();
        let said = backend.describe();
        let is_containerd = engine
            .docker(&["info", "--format", "{{json .DriverStatus}}"])
            .contains("io.containerd.snapshotter.v1");
        let store = if is_containerd { "containerd" } else { "classic" };
        assert!(said.starts_with(&format!("Docker Engine {version} ({store} store), docker")), "{said}");
        assert_eq!(backend.probe().address(), engine.address);
    }
}

#[tokio::test]
async fn podman_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("podman.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let body = r#"{"Platform":{"Name":"linux/amd64/debian-12"},"Components":[{"Name":"Podman Engine",
                "Version":"4.3.1"}],"Version":"4.3.1","ApiVersion":"1.41","MinAPIVersion":"1.24"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let environment = [("DOCKER_HOST".to_owned(), format!("unix://{}", socket.display()))].into();
    let error = DockerBackend::connect(DockerOptions::new(environment)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("Podman"), "{error}");
}

#[tokio::test]
async fn no_engine_is_unavailable_and_says_what_to_type() {
    let environment = [("DOCKER_HOST".to_owned(), "unix:///nonexistent/docker.sock".to_owned())].into();
    let error = DockerBackend::connect(DockerOptions::new(environment)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("unix:///nonexistent/docker.sock"), "{error}");
    assert!(error.hint().unwrap().contains("sudo systemctl start docker"));
}
