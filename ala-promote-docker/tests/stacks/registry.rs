//! Images that were built elsewhere, pulled from a real registry: Debian's `docker-registry`, beside each engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ala_promote_core::config::prepare_state_dir;
use ala_promote_core::domain::{ImageId, ImageReference, Outcome, Release, Verb};

use crate::decision::Decider;
use crate::registry_server::Registry;
use crate::support::{Stage, TestEngine, engines, skip};

const DEPLOY: Verb = Verb::Deploy { build: true, keep_failed: false };
/// `ops` with the password `s3cret-pass`.
const HTPASSWD: &str = "ops:$2y$05$abcdefghijklmnopqrstuuV7fpPozvyqJfnY19y0802WTlXUm6Rjy\n";
const LOGIN: &str = "ops:s3cret-pass";
/// The same as a Docker client keeps it.
const CREDENTIALS: &str = "b3BzOnMzY3JldC1wYXNz";

#[test]
fn registry() {
    let engines = engines();
    if engines.is_empty() {
        return skip("no engine answers");
    }
    if !Registry::is_here() {
        return;
    }
    std::thread::scope(|scope| {
        for engine in &engines {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(life_with_a_registry(engine));
            });
        }
    });
}

async fn life_with_a_registry(engine: &TestEngine) {
    let mut lab = Lab::new(engine).await;
    let first = lab.push("1", &["staging"]);

    // What was pulled to staging is what production runs.
    lab.committed("staging", DEPLOY).await;
    assert_eq!(lab.running("staging"), std::slice::from_ref(&first));
    let digest = lab.release("staging").images["app"].digest.clone();
    assert_eq!(digest.expect("the release has a digest").repository(), lab.repository());
    lab.committed("production", Verb::Promote).await;
    assert_eq!(lab.running("production"), std::slice::from_ref(&first));

    // Somebody pushes another image by both tags: neither a promotion nor `pull_policy: always` takes it.
    let second = lab.push("2", &["staging", "production"]);
    lab.committed("production", Verb::Promote).await;
    assert_eq!(lab.running("production"), std::slice::from_ref(&first));
    assert_eq!(lab.named("staging"), Some(first.clone()), "nothing was pulled");

    // A deployment does; production stays.
    lab.committed("staging", DEPLOY).await;
    assert_eq!(lab.running("staging"), std::slice::from_ref(&second));
    assert_eq!(lab.running("production"), std::slice::from_ref(&first));

    // An image that is gone from the engine is brought back by its digest, though its tag has moved on.
    lab.push("3", &["staging"]);
    lab.lose("staging", &second);
    lab.committed("production", Verb::Promote).await;
    assert_eq!(lab.running("production"), std::slice::from_ref(&second));

    // Nothing is claimed or changed where the registry does not answer, or wants other credentials.
    lab.committed("staging", DEPLOY).await;
    let before = (lab.named("staging"), lab.containers("staging"));
    assert_ne!(before.0, Some(second.clone()));
    lab.push("4", &["staging"]);
    lab.registry.stop();
    lab.rolled_back("staging", DEPLOY).await;
    assert_eq!((lab.named("staging"), lab.containers("staging")), before);
    lab.registry.start(Some(HTPASSWD));
    let reason = lab.rolled_back("staging", DEPLOY).await;
    assert!(reason.contains("auth"), "{reason}");
    assert_eq!((lab.named("staging"), lab.containers("staging")), before);
    lab.log_in().await;
    lab.committed("staging", DEPLOY).await;
    let fourth = lab.named("staging").unwrap();
    assert_ne!(Some(&fourth), before.0.as_ref());

    // What is gone from the engine and from its registry can't be promoted.
    lab.delete(&lab.release("staging"));
    lab.lose("staging", &fourth);
    let reason = lab.rolled_back("production", Verb::Promote).await;
    assert!(reason.contains("manifest") || reason.contains("not found"), "{reason}");
    assert_eq!(lab.running("production"), [second]);
}

/// A registry, and a stack of which both environments take their image from it.
struct Lab {
    decider: Decider,
    folder: PathBuf,
    client: tempfile::TempDir,
    registry: Registry,
    stage: Stage,
}

impl Lab {
    async fn new(engine: &TestEngine) -> Self {
        let stage = Stage::new(engine);
        let mut registry = Registry::new(engine);
        registry.start(None);
        let folder = stage.dir.path().canonicalize().unwrap().join(&stage.prefix);
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        std::fs::create_dir(&folder).unwrap();
        write(
            "docker-compose.yml",
            &format!(
                "services:\n  app:\n    image: 127.0.0.1:{}/{}-team/app:${{TAG}}\n    pull_policy: always\n    \
                 command: [\"sleep\", \"600\"]\n    stop_grace_period: 0s\n",
                registry.port, stage.prefix
            ),
        );
        write("docker-compose.staging.yml", "services:\n  app:\n    environment:\n      STAGE: staging\n");
        write(".env", "TAG=production\n");
        write(".env.staging", "TAG=staging\n");
        write("ala-promote.toml", "[health]\nwindow = \"1s\"\ninterval = \"200ms\"\n");
        let decider = Decider::new(&folder, Arc::new(engine.backend().await)).unwrap();
        prepare_state_dir(decider.engine.settings()).unwrap();
        Self { decider, folder, client: tempfile::tempdir().unwrap(), registry, stage }
    }

    fn repository(&self) -> String {
        format!("127.0.0.1:{}/{}-team/app", self.registry.port, self.stage.prefix)
    }

    fn reference(&self, tag: &str) -> ImageReference {
        format!("{}:{tag}", self.repository()).parse().unwrap()
    }

    /// Pushes an image as somebody elsewhere would: what tags name here stays.
    fn push(&self, version: &str, tags: &[&str]) -> ImageId {
        let engine = &self.stage.engine;
        let made = self.stage.reference(version);
        let id = self.stage.image(&made, version, &[]);
        for tag in tags {
            let before = self.named(tag);
            let reference = self.reference(tag).to_string();
            engine.docker(&["tag", &made.to_string(), &reference]);
            engine.docker(&["push", &reference]);
            match before {
                Some(before) => engine.docker(&["tag", before.as_str(), &reference]),
                None => engine.docker(&["rmi", &reference]),
            };
        }
        engine.docker(&["rmi", &made.to_string()]);
        id
    }

    /// What a tag names on the engine.
    fn named(&self, tag: &str) -> Option<ImageId> {
        let reference = self.reference(tag).to_string();
        let found = self.stage.engine.try_docker(&["image", "inspect", "--format", "{{.Id}}", &reference]);
        let id = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        found.status.success().then(|| ImageId::new(id))
    }

    fn project(&self, environment: &str) -> String {
        let end = if environment == "production" { "" } else { "-staging" };
        format!("{}{end}", self.stage.prefix)
    }

    fn containers(&self, environment: &str) -> Vec<String> {
        let project = format!("label=com.docker.compose.project={}", self.project(environment));
        let listed = self.stage.engine.docker(&["ps", "-aq", "--no-trunc", "--filter", &project]);
        listed.lines().map(str::to_owned).collect()
    }

    /// The images that an environment's containers run.
    fn running(&self, environment: &str) -> Vec<ImageId> {
        let image =
            |id: &String| ImageId::new(self.stage.engine.docker(&["inspect", "--format", "{{.Image}}", id]));
        self.containers(environment).iter().map(image).collect()
    }

    fn release(&self, environment: &str) -> Release {
        let environment = environment.parse().unwrap();
        self.decider.engine.journal().view().current(&environment).unwrap().clone()
    }

    async fn committed(&self, environment: &str, verb: Verb) {
        let outcome = self.decider.operate(environment, verb).await;
        let engine = &self.stage.engine.name;
        assert!(matches!(outcome, Outcome::Committed { .. }), "{environment} on {engine}: {outcome:?}");
    }

    async fn rolled_back(&self, environment: &str, verb: Verb) -> String {
        match self.decider.operate(environment, verb).await {
            Outcome::RolledBack { reason } => reason,
            outcome => panic!("{environment} on {}: {outcome:?}", self.stage.engine.name),
        }
    }

    /// Takes the environment down and its image off the engine, by all its names.
    fn lose(&self, environment: &str, id: &ImageId) {
        let engine = &self.stage.engine;
        for container in self.containers(environment) {
            engine.docker(&["rm", "-f", &container]);
        }
        engine.docker(&["rmi", "-f", id.as_str()]);
        assert!(!engine.try_docker(&["image", "inspect", id.as_str()]).status.success(), "it is still there");
    }

    /// Deletes a release's manifests from the registry.
    fn delete(&self, release: &Release) {
        for digest in release.images.values().filter_map(|image| image.digest.as_ref()) {
            let (_, name) = digest.repository().split_once('/').unwrap();
            let url =
                format!("http://127.0.0.1:{}/v2/{name}/manifests/{}", self.registry.port, digest.digest());
            let mut curl = self.stage.engine.beside("curl");
            let done = curl
                .args(["-sS", "--fail", "--noproxy", "*", "-u", LOGIN, "-X", "DELETE", &url])
                .status()
                .unwrap();
            assert!(done.success(), "{url}");
        }
    }

    /// From now on the client has the registry's credentials.
    async fn log_in(&mut self) {
        let mut environment = self.stage.engine.environment.clone();
        let home = environment.get("HOME").map_or("/root", String::as_str);
        let before =
            environment.get("DOCKER_CONFIG").map_or_else(|| Path::new(home).join(".docker"), PathBuf::from);
        if before.join("cli-plugins").is_dir() {
            std::os::unix::fs::symlink(before.join("cli-plugins"), self.client.path().join("cli-plugins"))
                .unwrap();
        }
        let registry = format!("127.0.0.1:{}", self.registry.port);
        let config = format!("{{\"auths\": {{\"{registry}\": {{\"auth\": \"{CREDENTIALS}\"}}}}}}");
        std::fs::write(self.client.path().join("config.json"), config).unwrap();
        environment.insert("DOCKER_CONFIG".into(), self.client.path().display().to_string());
        let options = ala_promote_docker::DockerOptions::new(environment);
        let backend = ala_promote_docker::DockerBackend::connect(options).await.unwrap();
        self.decider = self.decider.by(Arc::new(backend));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let engine = &self.stage.engine;
        for id in ["staging", "production"].iter().flat_map(|environment| self.containers(environment)) {
            engine.try_docker(&["rm", "-fv", &id]);
        }
        let dir = format!("label=ala-promote.ledger.dir={}", self.folder.display());
        let listed = engine.try_docker(&["volume", "ls", "-q", "--filter", &dir]);
        for volume in String::from_utf8_lossy(&listed.stdout).lines() {
            engine.try_docker(&["volume", "rm", volume]);
        }
        let format = "{{.Repository}}:{{.Tag}} {{.ID}}";
        let listed = engine.try_docker(&["image", "ls", "--no-trunc", "--format", format]);
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            if let Some((name, id)) =
                line.split_once(' ').filter(|(name, _)| name.contains(&self.stage.prefix))
            {
                let name = if name.ends_with("<none>") { id } else { name };
                engine.try_docker(&["rmi", "-f", name]);
            }
        }
    }
}
