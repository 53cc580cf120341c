use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ala_promote_core::backend::{Backend, BackendErrorKind, BackendResult, Call, CancelToken};
use ala_promote_core::domain::{HookCommand, StackRef};
use ala_promote_docker::DockerBackend;

use super::support::{Stage, TestEngine, engines, eventually, service};

/// A running service, of version one of its image.
struct Scene {
    stage: Stage,
    backend: DockerBackend,
}

impl Scene {
    async fn new(engine: &TestEngine) -> Self {
        let stage = Stage::new(engine);
        stage.image(&stage.reference("live"), "one", &[]);
        std::fs::write(stage.dir.path().join(".env"), "GREETING=hunter2000\n").unwrap();
        stage.compose_file(&format!(
            "services:
  app:
    image: {}
    environment: {{GREETING: '${{GREETING}}'}}
    command: [sleep, '600']
    restart: always
    stop_grace_period: 0s
    volumes: [data:/tmp]
    depends_on: [other]
  other:
    image: {0}
    command: [sleep, '600']
volumes: {{data: {{name: {}-data}}}}
",
            stage.reference("live"),
            stage.prefix
        ));
        let backend = engine.backend().await;
        Self { stage, backend }
    }

    fn stack(&self) -> StackRef {
        StackRef { env_file: Some(self.stage.dir.path().join(".env")), ..self.stage.stack() }
    }

    fn log(&self) -> PathBuf {
        self.stage.dir.path().join("hook.log")
    }

    fn command(&self, place: Option<&str>, words: &[&str]) -> HookCommand {
        HookCommand {
            operation: "20251029-143022-promote-0001".parse().unwrap(),
            release: Some("staging-tested-20251029-143022".parse().unwrap()),
            name: "migrate".parse().unwrap(),
            service: place.map(service),
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            timeout: Duration::from_secs(120),
            log: self.log(),
        }
    }

    async fn run(&self, command: &HookCommand) -> BackendResult<()> {
        self.backend.hooks().run(&self.stack(), command, &Call::silent()).await
    }

    /// The log since the last time.
    fn logged(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap();
        std::fs::remove_file(self.log()).unwrap();
        text
    }

    /// Containers that hooks of our operation left.
    fn left(&self) -> Vec<String> {
        let label = format!("label=com.docker.compose.project={}", self.stage.prefix);
        let ours = "label=ala-promote.operation=20251029-143022-promote-0001";
        let listed = self.stage.engine.docker(&["ps", "-aq", "--filter", &label, "--filter", ours]);
        listed.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_hook_runs_in_the_new_image_with_the_service_s_environment() {
    for engine in engines() {
        let scene = Scene::new(&engine).await;
        scene.stage.compose(&["up", "-d", "--no-deps", "--no-build", "app"]);
        let old = scene.stage.id("app");
        // There is nothing to pull it from: a hook that tried would fail.
        let file = scene.stage.dir.path().join("docker-compose.yml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replacen("    restart: always", "    pull_policy: always", 1)).unwrap();
        // The release's tags are moved before the hooks.
        scene.stage.image(&scene.stage.reference("live"), "two", &[]);
        let words =
            ["sh", "-c", "cat /www/index.html; echo; env; echo \"said $GREETING\"; echo kept >/tmp/mark"];
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&lines);
        let call = Call::new(CancelToken::new(), move |line| seen.lock().unwrap().push(line.to_owned()));
        let command = scene.command(Some("app"), &words);
        scene.backend.hooks().run(&scene.stack(), &command, &call).await.unwrap();
        let mode = std::fs::metadata(scene.log()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let log = scene.logged();
        let has = |line: &str| log.lines().any(|l| l == line);
        assert!(has("two") && has("said <GREETING>"), "{log}");
        assert!(has("ALA_PROMOTE_OPERATION=20251029-143022-promote-0001"), "{log}");
        assert!(has("ALA_PROMOTE_RELEASE=staging-tested-20251029-143022"), "{log}");
        assert!(has("ALA_PROMOTE_ENVIRONMENT=production"), "{log}");
        assert!(has(&format!("ALA_PROMOTE_PROJECT={}", scene.stage.prefix)), "{log}");
        assert!(
            !log.contains("hunter2000") && !lines.lock().unwrap().join("\n").contains("hunter2000"),
            "{log}"
        );
        assert!(lines.lock().unwrap().iter().any(|line| line == "two"));
        // With the service's volumes, beside what runs; no other service is started.
        assert_eq!(scene.stage.exec(&old, &["cat", "/tmp/mark"]), "kept");
        assert_eq!(scene.stage.id("app"), old);
        assert!(scene.stage.ids("other").is_empty() && scene.left().is_empty());

        let failing = scene.command(Some("app"), &["sh", "-c", "echo hunter2000 is wrong >&2; exit 7"]);
        let error = scene.run(&failing).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Failed);
        let text = error.to_string();
        assert!(text.contains("exit code 7") && text.contains("<GREETING> is wrong"), "{text}");
        assert!(!text.contains("hunter2000") && error.hint().unwrap().contains("hook.log"), "{text}");
        let nowhere = scene.run(&scene.command(Some("nowhere"), &["true"])).await.unwrap_err();
        assert_eq!(nowhere.kind(), BackendErrorKind::NotFound);
    }
}

#[tokio::test]
async fn nothing_of_a_hook_in_a_container_outlives_it() {
    for engine in engines() {
        let scene = Scene::new(&engine).await;
        let waiting = "trap 'exit 0' TERM; echo begun; sleep 600 & wait";
        let mut slow = scene.command(Some("app"), &["sh", "-c", waiting]);
        // Cancelled once it is at work, whatever that takes.
        let cancel = CancelToken::new();
        let stop = cancel.clone();
        let call = Call::new(cancel, move |line| {
            if line == "begun" {
                stop.cancel();
            }
        });
        let error = scene.backend.hooks().run(&scene.stack(), &slow, &call).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Cancelled, "{error}");
        assert!(scene.left().is_empty(), "left after a cancel");
        slow.timeout = Duration::from_secs(4);
        let error = scene.run(&slow).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::TimedOut, "{error}");
        assert!(scene.left().is_empty(), "left after its time");

        // What a killed process left, and what another hook has.
        let reference = scene.stage.reference("live").to_string();
        let project = format!("com.docker.compose.project={}", scene.stage.prefix);
        let start = |hook: &str| {
            let hook = format!("ala-promote.hook={hook}");
            let ours = "ala-promote.operation=20251029-143022-promote-0001";
            let run = [
                "run",
                "-d",
                "--stop-signal",
                "KILL",
                "--label",
                ours,
                "--label",
                &hook,
                "--label",
                &project,
            ];
            scene.stage.engine.docker(&[&run[..], &[&reference, "sleep", "600"]].concat())
        };
        let (_ours, other) = (start("migrate"), start("warm"));
        let command = scene.command(Some("app"), &["true"]);
        scene.backend.hooks().end(&scene.stack(), &command).await.unwrap();
        assert_eq!(scene.left().len(), 1, "ours is not gone, or the other is");
        assert!(other.starts_with(&scene.left()[0]));
        scene.backend.hooks().end(&scene.stack(), &command).await.unwrap();
    }
}

#[tokio::test]
async fn a_hook_on_the_host_has_little_and_leaves_nothing() {
    let engines = engines();
    let Some(engine) = engines.first() else { return };
    let scene = Scene::new(engine).await;
    scene.run(&scene.command(None, &["env"])).await.unwrap();
    let log = scene.logged();
    let mut names: Vec<&str> =
        log.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    let known = [
        "ALA_PROMOTE_ENVIRONMENT",
        "ALA_PROMOTE_OPERATION",
        "ALA_PROMOTE_PROJECT",
        "ALA_PROMOTE_RELEASE",
        "DOCKER_HOST",
        "HOME",
        "PATH",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{log}");

    // In the environment's folder, which also its program is looked for in; no shell reads the words.
    let script = scene.stage.dir.path().join("hook.sh");
    std::fs::write(
        &script,
        "#!/bin/sh\npwd\necho \"$1\" hunter2000\n(trap '' HUP; sleep 600) &\necho $! >pid\n",
    )
    .unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    scene.run(&scene.command(None, &["./hook.sh", "$HOME; true"])).await.unwrap();
    let log = scene.logged();
    let dir = scene.stage.dir.path().canonicalize().unwrap();
    assert!(log.lines().any(|line| line == dir.to_str().unwrap()), "{log}");
    assert!(log.lines().any(|line| line == "$HOME; true <GREETING>"), "{log}");
    let pid = std::fs::read_to_string(scene.stage.dir.path().join("pid")).unwrap();
    let is_at_work = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    eventually("what the hook left in its group has ended", || !is_at_work());

    let mut slow = scene.command(None, &["sleep", "600"]);
    slow.timeout = Duration::from_secs(1);
    assert_eq!(scene.run(&slow).await.unwrap_err().kind(), BackendErrorKind::TimedOut);
    let missing = scene.run(&scene.command(None, &["./no-such-program"])).await.unwrap_err();
    assert!(missing.to_string().contains("there is no program ./no-such-program"), "{missing}");
    assert!(missing.hint().unwrap().contains("folder"));
}
