use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use ala_promote_core::backend::{Backend, BackendErrorKind, Call};
use ala_promote_core::domain::{ImageId, ServiceName};
use ala_promote_docker::DockerBackend;

use super::support::{Stage, TestEngine, engines, service};

/// A stack of two services with all that a restore has to keep, running on an image `production`, and saved.
struct Saved {
    stage: Stage,
    backend: DockerBackend,
    file: PathBuf,
    services: Vec<ServiceName>,
    old: ImageId,
    new: ImageId,
    /// How the containers were before.
    ids: Vec<String>,
    facts: Vec<String>,
}

/// What must be the same afterwards, as the engine says it.
const FACTS: &str = "{{.Name}} {{.Image}} {{json .Config.Env}} {{json .Config.Cmd}} {{json .Config.Entrypoint}} \
    {{json .HostConfig.Binds}} {{json .HostConfig.RestartPolicy}} {{json .HostConfig.PortBindings}} \
    {{.HostConfig.NetworkMode}} {{.HostConfig.Memory}} {{json .Config.StopTimeout}} \
    {{index .Config.Labels \"com.docker.compose.config-hash\"}} {{len .NetworkSettings.Networks}}";

impl Saved {
    async fn new(engine: &TestEngine) -> Self {
        let stage = Stage::new(engine);
        let backend = engine.backend().await;
        let production = stage.reference("production");
        let changes = ["VOLUME /of-image", "ENTRYPOINT [\"/bin/sh\", \"-c\"]"];
        let new = stage.image(&stage.reference("staging"), "new", &changes);
        let old = stage.image(&production, "old", &changes);
        // Two networks with an alias and an address of its own, three kinds of volumes, and more that Compose passes on.
        let subnet = stage.subnet();
        stage.compose_file(&format!(
            "version: '2.4'
services:
  api:
    image: {production}
    command: ['sleep 300 & wait']
    environment: {{SECRET: hunter2000}}
    restart: unless-stopped
    stop_grace_period: 1s
    mem_limit: 64m
    volumes: ['named:/named', '/unnamed']
    networks:
      front: {{aliases: [backend]}}
      back: {{ipv4_address: {subnet}.9}}
  web:
    image: {production}
    entrypoint: httpd -f -p 80 -h /www
    depends_on: [api]
    ports: ['127.0.0.1::80']
    stop_grace_period: 1s
    networks: [front]
volumes: {{named: {{}}}}
networks:
  front: {{}}
  back: {{ipam: {{config: [{{subnet: {subnet}.0/24}}]}}}}
"
        ));
        stage.compose(&["up", "-d"]);
        for (dir, text) in [("named", "n"), ("unnamed", "u"), ("of-image", "i")] {
            stage.exec(&stage.id("api"), &["sh", "-c", &format!("echo {text} >/{dir}/data")]);
        }
        let services = vec![service("api"), service("web")];
        let file = stage.dir.path().join("state/snapshot.json");
        backend.stacks().snapshot(&stage.stack(), &services, &file).await.unwrap();
        let mut saved = Self { stage, backend, file, services, old, new, ids: Vec::new(), facts: Vec::new() };
        saved.ids = saved.now();
        saved.facts = saved.facts_now();
        saved
    }

    fn now(&self) -> Vec<String> {
        ["api", "web"].map(|name| self.stage.id(name)).to_vec()
    }

    fn facts_now(&self) -> Vec<String> {
        self.now().iter().map(|id| self.stage.engine.docker(&["inspect", "--format", FACTS, id])).collect()
    }

    /// Moves the tag and lets Compose take it, as a promotion does.
    async fn promote(&self) {
        self.backend.images().tag(&self.new, &self.stage.reference("production")).await.unwrap();
        self.stage.compose(&["up", "-d"]);
        let images = self.now();
        assert!(images.iter().all(|id| self.image_of(id) == self.new.as_str()));
    }

    /// Puts containers of the new image in the place of those that are there, as Compose would and faster.
    fn replace_by_hand(&self) {
        let engine = &self.stage.engine;
        let project = format!("com.docker.compose.project={}", self.stage.prefix);
        for name in ["api", "web"] {
            let id = self.stage.id(name);
            let container = engine.docker(&["inspect", "--format", "{{.Name}}", &id]);
            let service = format!("com.docker.compose.service={name}");
            engine.docker(&["rm", "-f", &id]);
            let run = ["run", "-d", "--stop-timeout", "1", "--name", container.trim_start_matches('/')];
            let labels = ["--label", &project, "--label", &service];
            engine.docker(&[&run[..], &labels, &[self.new.as_str(), "sleep 300"]].concat());
        }
    }

    fn image_of(&self, id: &str) -> String {
        self.stage.engine.docker(&["inspect", "--format", "{{.Image}}", id])
    }

    async fn restore(&self) {
        self.backend.stacks().restore(&self.stage.stack(), &self.file, &Call::silent()).await.unwrap();
    }

    /// All that a restore promises, and that Compose agrees once the tag is back.
    async fn check(&self) {
        self.check_containers();
        for name in ["api", "backend"] {
            self.stage.exec(&self.stage.id("web"), &["nslookup", name]);
        }
        let before = self.now();
        self.backend.images().tag(&self.old, &self.stage.reference("production")).await.unwrap();
        self.stage.compose(&["up", "-d"]);
        assert_eq!(self.now(), before, "Compose made them anew");
        assert_eq!(self.facts_now(), self.facts);
    }

    fn check_containers(&self) {
        assert_eq!(self.facts_now(), self.facts);
        let api = self.stage.id("api");
        for (dir, text) in [("named", "n"), ("unnamed", "u"), ("of-image", "i")] {
            assert_eq!(self.stage.exec(&api, &["cat", &format!("/{dir}/data")]), text, "{dir}");
        }
        assert_eq!(self.stage.exec(&api, &["sh", "-c", "echo $SECRET"]), "hunter2000");
    }
}

#[tokio::test]
async fn what_ran_runs_again_and_compose_leaves_it_alone() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        assert_eq!(saved.file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        saved.promote().await;
        saved.restore().await;
        assert_ne!(saved.now(), saved.ids);
        let again = saved.now();
        // The tag still names the new image: the reference is known all the same.
        let containers = saved.backend.stacks().containers(&saved.stage.project()).await.unwrap();
        for container in containers {
            assert_eq!(container.image.id, saved.old);
            assert_eq!(container.image_reference, Some(saved.stage.reference("production")));
        }
        saved.restore().await;
        assert_eq!(saved.now(), again);
        saved.check().await;

        // What was restored can be saved and restored again.
        let second = saved.stage.dir.path().join("state/second.json");
        let stacks = saved.backend.stacks();
        stacks.snapshot(&saved.stage.stack(), &saved.services, &second).await.unwrap();
        saved.promote().await;
        stacks.restore(&saved.stage.stack(), &second, &Call::silent()).await.unwrap();
        saved.check().await;
        stacks.discard_snapshot(&second).await.unwrap();
        stacks.discard_snapshot(&second).await.unwrap();
        assert!(!second.exists());
    }
}

#[tokio::test]
async fn what_is_still_the_saved_one_stays() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        saved.restore().await;
        assert_eq!(saved.now(), saved.ids);
        engine.docker(&["stop", "-t", "0", &saved.ids[0]]);
        engine.docker(&["rename", &saved.ids[0], &format!("{}_aside", saved.stage.prefix)]);
        engine.docker(&["pause", &saved.ids[1]]);
        saved.restore().await;
        assert_eq!(saved.now(), saved.ids);
        saved.check().await;
        // A complete file is left alone, whatever runs now.
        let before = std::fs::read(&saved.file).unwrap();
        engine.docker(&["stop", "-t", "0", &saved.ids[0]]);
        saved.backend.stacks().snapshot(&saved.stage.stack(), &saved.services, &saved.file).await.unwrap();
        assert_eq!(std::fs::read(&saved.file).unwrap(), before);
    }
}

#[tokio::test]
async fn what_did_not_run_is_stopped_again() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        let web = &saved.ids[1];
        engine.docker(&["stop", "-t", "0", web]);
        let file = saved.stage.dir.path().join("state/stopped.json");
        let stacks = saved.backend.stacks();
        stacks.snapshot(&saved.stage.stack(), &saved.services, &file).await.unwrap();
        // As `up` does.
        engine.docker(&["start", web]);
        stacks.restore(&saved.stage.stack(), &file, &Call::silent()).await.unwrap();
        let running = engine.docker(&["inspect", "--format", "{{.State.Running}}", &saved.ids[0], web]);
        assert_eq!(running.split_whitespace().collect::<Vec<_>>(), ["true", "false"]);
    }
}

#[tokio::test]
async fn a_restore_that_was_killed_is_done_by_the_next() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        // Longer and longer, until one gets through.
        for milliseconds in (0..).map(|n| 25 * n * n + 5) {
            saved.replace_by_hand();
            let stack = saved.stage.stack();
            let call = Call::silent();
            let restore = saved.backend.stacks().restore(&stack, &saved.file, &call);
            let done = tokio::time::timeout(Duration::from_millis(milliseconds), restore).await.is_ok();
            saved.restore().await;
            saved.check_containers();
            if done {
                break;
            }
        }
        saved.check().await;
    }
}

#[tokio::test]
async fn an_up_that_was_killed_is_put_back() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        for milliseconds in [300, 600, 900, 1300, 1800, 2400] {
            saved.backend.images().tag(&saved.new, &saved.stage.reference("production")).await.unwrap();
            let mut up = saved.stage.compose_command(&["up", "-d"]);
            let mut child =
                up.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            child.kill().unwrap();
            child.wait().unwrap();
            saved.restore().await;
            saved.check_containers();
        }
        saved.check().await;
    }
}

#[tokio::test]
async fn a_stop_that_is_under_way_is_waited_for() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        // Its shell hears no SIGTERM: for three seconds the engine says that it runs.
        let stop = saved.stage.engine.docker_command(&["stop", "-t", "3", &saved.ids[0]]).spawn();
        let mut stop = stop.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        saved.restore().await;
        stop.wait().unwrap();
        assert_eq!(saved.now(), saved.ids);
        saved.check_containers();
        // A signal for another end stops nothing.
        let started = ["inspect", "--format", "{{.State.StartedAt}}", &saved.ids[0]];
        let before = engine.docker(&started);
        engine.docker(&["kill", "-s", "HUP", &saved.ids[0]]);
        saved.restore().await;
        assert_eq!(engine.docker(&started), before);
    }
}

#[tokio::test]
async fn the_names_that_compose_leaves_half_way_are_freed() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        let old = &saved.ids[0];
        let name = engine.docker(&["inspect", "--format", "{{.Name}}", old]);
        // Compose v2 makes `<oldid12>_<name>` and removes the old one; v1 gives the old one that name.
        let temporary = format!("{}_{}", &old[..12], name.trim_start_matches('/'));
        let project = format!("com.docker.compose.project={}", saved.stage.prefix);
        let labels = ["--label", &project, "--label", "com.docker.compose.service=api"];
        let image = saved.new.as_str();
        engine.docker(&["rename", old, &temporary]);
        engine.docker(
            &[&["create", "--name", name.trim_start_matches('/')][..], &labels, &[image, "true"]].concat(),
        );
        saved.restore().await;
        assert_eq!(saved.now(), saved.ids);
        engine.docker(&[&["create", "--name", &temporary][..], &labels, &[image, "true"]].concat());
        engine.docker(&["rm", "-f", old]);
        saved.restore().await;
        saved.check().await;
    }
}

#[tokio::test]
async fn a_service_without_containers_has_none_afterwards() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let reference = stage.reference("v1");
        stage.image(&reference, "1", &["VOLUME /data"]);
        stage.compose_file(&format!(
            "services:\n  one: {{image: '{reference}', command: 'sleep 300', stop_grace_period: 1s}}\n  two: \
             {{image: '{reference}', command: 'sleep 300'}}\n"
        ));
        let file = stage.dir.path().join("snapshot.json");
        backend.stacks().snapshot(&stage.stack(), &[service("one")], &file).await.unwrap();
        stage.compose(&["up", "-d"]);
        let volume = ["inspect", "--format", "{{(index .Mounts 0).Name}}", &stage.id("one")];
        let volume = engine.docker(&volume);
        let two = stage.id("two");
        backend.stacks().restore(&stage.stack(), &file, &Call::silent()).await.unwrap();
        assert_eq!(stage.ids("one"), Vec::<String>::new());
        assert_eq!(stage.ids("two"), [two], "not part of the snapshot");
        engine.docker(&["volume", "rm", &volume]);
    }
}

#[tokio::test]
async fn nothing_is_touched_where_something_is_missing() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        saved.promote().await;
        let promoted = saved.now();
        let restore =
            async || saved.backend.stacks().restore(&saved.stage.stack(), &saved.file, &Call::silent()).await;
        let text = std::fs::read_to_string(&saved.file).unwrap();
        let gone = "0".repeat(64);
        std::fs::write(&saved.file, text.replace(saved.old.as_str(), &format!("sha256:{gone}"))).unwrap();
        let error = restore().await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("its image 000000000000 is gone"), "{error}");

        std::fs::write(
            &saved.file,
            text.replace(&format!("{}_named", saved.stage.prefix), "alat-no-such-volume"),
        )
        .unwrap();
        let error = restore().await.unwrap_err();
        assert!(error.to_string().contains("its volume alat-no-such-volume is gone"), "{error}");

        std::fs::write(
            &saved.file,
            text.replace(&format!("{}_back", saved.stage.prefix), "alat no such network"),
        )
        .unwrap();
        let error = restore().await.unwrap_err();
        assert!(error.to_string().contains("its network alat no such network is gone"), "{error}");

        for (changed, kind) in [
            (
                text.replace(&format!("\"project\":\"{}\"", saved.stage.prefix), "\"project\":\"p\""),
                BackendErrorKind::Conflict,
            ),
            (text.replace("\"version\":1,", "\"version\":2,"), BackendErrorKind::Unsupported),
            (text[..text.len() / 2].to_owned(), BackendErrorKind::Invalid),
        ] {
            std::fs::write(&saved.file, changed).unwrap();
            assert_eq!(restore().await.unwrap_err().kind(), kind);
        }
        std::fs::remove_file(&saved.file).unwrap();
        assert_eq!(restore().await.unwrap_err().kind(), BackendErrorKind::NotFound);
        assert_eq!(saved.now(), promoted);
    }
}

#[tokio::test]
async fn what_could_not_be_put_back_is_not_saved() {
    for engine in engines() {
        let saved = Saved::new(&engine).await;
        let file = saved.stage.dir.path().join("other.json");
        engine.docker(&["pause", &saved.ids[1]]);
        let error =
            saved.backend.stacks().snapshot(&saved.stage.stack(), &saved.services, &file).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("paused"), "{error}");
        assert!(!file.exists());
        engine.docker(&["unpause", &saved.ids[1]]);
    }
}
