//! A folder with a stack, and what happens to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ala_promote_core::config::{Overrides, Settings};
use ala_promote_core::domain::{HealthTarget, ImageReference, PortMapping, StackRef};
use ala_promote_docker::DockerBackend;
use ala_promote_testkit::conformance::{Accident, Claim, Fixture, Guard};
use async_trait::async_trait;

use super::super::database::IMAGE;
use super::super::registry_server::Registry;
use super::super::support::{RealClock, Stage, TestEngine, eventually, free_port, service};
use super::tree::Tree;

/// A variable of the env file, and its value.
const SECRET: (&str, &str) = ("API_PASSWORD", "hunter2000");
/// Found before the one of the image.
const CUT_PG_DUMP: &str = "/usr/local/bin/pg_dump";

/// What the homes on one engine share.
pub(super) struct Shared {
    /// Has the image of services that nothing happens to.
    pub(super) still: Stage,
    pub(super) registry: Option<Registry>,
}

/// A folder with a stack.
pub(super) struct Home {
    stage: Stage,
    folder: PathBuf,
    port: u16,
    pushed: Option<ImageReference>,
    tree: Option<Tree>,
}

impl Home {
    pub(super) fn new(engine: &TestEngine, shared: &Shared, needs: &[Claim]) -> Self {
        let mut home = Self::empty(engine);
        let (reference, other) = (home.reference("live"), home.reference("other"));
        home.stage.image(&other, "other", &[]);
        home.stage.image(&reference, "live", &[]);
        home.take_still(shared);
        home.write("app/Dockerfile", &format!("FROM {}-still:live\nLABEL built=yes\n", home.stage.prefix));
        if let Some(registry) = shared.registry.as_ref().filter(|_| needs.contains(&Claim::Pulls)) {
            home.pushed = Some(home.push(registry));
        }
        home.tree = needs.contains(&Claim::SourceTree).then(|| Tree::of(&home.folder));
        if needs.contains(&Claim::Stacks) {
            home.up(&["app", "bystander"]);
        }
        home
    }

    /// One with a database that runs.
    pub(super) fn with_database(engine: &TestEngine, shared: &Shared) -> Self {
        let home = Self::empty(engine);
        home.take_still(shared);
        home.up(&["db", "bystander"]);
        let db = home.stage.id("db");
        let ready = ["exec", &db, "pg_isready", "-q", "-h", "127.0.0.1"];
        eventually("the database is up", || engine.try_docker(&ready).status.success());
        home
    }

    fn empty(engine: &TestEngine) -> Self {
        let stage = Stage::new(engine);
        // Projects are called after their folders.
        let folder = stage.dir.path().canonicalize().unwrap().join(&stage.prefix);
        std::fs::create_dir_all(folder.join("app")).unwrap();
        let home = Self { stage, folder, port: free_port(), pushed: None, tree: None };
        home.write(
            "docker-compose.yml",
            &format!(
                "services:
  app:
    image: {prefix}-app:live
    build: ./app
    command: [httpd, -f, -p, '80', -h, /www]
    environment: {{{variable}: '${{{variable}}}'}}
    ports: ['{port}:80']
    stop_grace_period: 0s
  bystander: &still
    image: {prefix}-still:live
    command: [sleep, '600']
    stop_grace_period: 0s
  absent: *still
  db:
    image: {IMAGE}
    environment: {{POSTGRES_USER: ala_user, POSTGRES_DB: ala, POSTGRES_PASSWORD: hunter2001}}
",
                prefix = home.stage.prefix,
                variable = SECRET.0,
                port = home.port,
            ),
        );
        home.set_variable(SECRET.1);
        home.write(".env.template", &format!("{}=\n", SECRET.0));
        home.write(".gitignore", ".env\n.ala-promote/\n");
        home
    }

    fn take_still(&self, shared: &Shared) {
        let (from, to) = (shared.still.reference("still"), format!("{}-still:live", self.stage.prefix));
        self.stage.engine.docker(&["tag", &from.to_string(), &to]);
    }

    fn reference(&self, tag: &str) -> ImageReference {
        self.stage.reference(tag)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    fn set_variable(&self, value: &str) {
        self.write(".env", &format!("{}={value}\n", SECRET.0));
    }

    /// As people do.
    fn up(&self, services: &[&str]) {
        let up =
            self.stage.engine.compose_command(&self.folder, &[&["up", "-d"], services].concat()).output();
        let up = up.unwrap();
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    }

    /// Pushes an image that is not there otherwise.
    fn push(&self, registry: &Registry) -> ImageReference {
        let engine = &self.stage.engine;
        let pushed: ImageReference =
            format!("127.0.0.1:{}/{}-team/app:pushed", registry.port, self.stage.prefix).parse().unwrap();
        self.stage.image(&pushed, "pushed", &[]);
        engine.docker(&["push", "-q", &pushed.to_string()]);
        engine.docker(&["rmi", &pushed.to_string()]);
        pushed
    }

    fn stack(&self) -> StackRef {
        StackRef {
            environment: "production".parse().unwrap(),
            project: self.stage.project(),
            dir: self.folder.clone(),
            files: vec![self.folder.join("docker-compose.yml")],
            env_file: Some(self.folder.join(".env")),
            service_env_files: BTreeMap::new(),
            changes: Vec::new(),
            derived_file: None,
        }
    }

    fn app(&self) -> HealthTarget {
        HealthTarget {
            service: service("app"),
            display: "App".into(),
            promoted: true,
            job: false,
            ports: vec![PortMapping {
                host_ip: None,
                published: Some(self.port),
                target: 80,
                protocol: "tcp".into(),
            }],
            path: None,
            replicas: 1,
        }
    }
}

/// What was made for one case, and what happens to it.
pub(super) struct HomeGuard {
    home: Arc<Home>,
    scratch: tempfile::TempDir,
    /// Programs that hold ports.
    holders: Mutex<Vec<Child>>,
    /// Whether something may have to be put back on the engine that is not the home's own.
    is_noted: bool,
    is_cut: AtomicBool,
}

impl HomeGuard {
    pub(super) fn fixture(home: Arc<Home>, backend: Arc<DockerBackend>, needs: &[Claim]) -> Fixture {
        let scratch = tempfile::tempdir().unwrap();
        Fixture {
            backend,
            clock: Arc::new(RealClock),
            settings: Settings::load(&home.folder, &Default::default(), &Overrides::default()).unwrap(),
            stack: home.stack(),
            service: home.app(),
            reference: home.reference("live"),
            other: home.reference("other"),
            bystander: service("bystander"),
            absent: service("absent"),
            database: Some(service("db")),
            pushed: home.pushed.clone(),
            secret: Some((SECRET.0.into(), SECRET.1.into())),
            free_port: needs.contains(&Claim::ForeignPorts).then(free_port),
            scratch: scratch.path().canonicalize().unwrap(),
            guard: Box::new(Self {
                home,
                scratch,
                holders: Mutex::default(),
                // Cases about the witness need nothing.
                is_noted: needs.is_empty(),
                is_cut: AtomicBool::new(false),
            }),
        }
    }

    /// A program in the engine's network listens there.
    fn take_port(&self, port: u16) {
        let engine = &self.home.stage.engine;
        let mut busybox = engine.beside("busybox");
        let words = ["nc", "-ll", "-p", &port.to_string(), "-e", "true"];
        self.holders.lock().unwrap().push(busybox.args(words).stdin(Stdio::null()).spawn().unwrap());
        let address = (engine.address.as_str(), port);
        eventually("the port is taken", || std::net::TcpStream::connect(address).is_ok());
    }

    /// Notes on ledgers have names of their own.
    fn forget_notes(&self) {
        let engine = &self.home.stage.engine;
        let all = ["--filter", "label=ala-promote.ledger.dir", "--format", "{{.Name}} {{.Labels}}"];
        let notes = engine.docker(&[&["volume", "ls"][..], &all].concat());
        let scratch = self.scratch.path().display().to_string();
        for note in notes.lines().filter(|note| note.contains(&scratch)) {
            engine.try_docker(&["volume", "rm", note.split(' ').next().unwrap_or_default()]);
        }
    }

    /// From now on `pg_dump` ends early, and says that all is well.
    fn cut_dumps(&self, after: u64) {
        self.is_cut.store(true, Ordering::Relaxed);
        let script = format!("#!/bin/sh\n/usr/lib/postgresql/15/bin/pg_dump \"$@\" | head -c {after}\n");
        let write = "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
        let db = self.home.stage.id("db");
        self.home.stage.exec(&db, &["sh", "-c", write, CUT_PG_DUMP, &script]);
    }
}

#[async_trait]
impl Guard for HomeGuard {
    async fn happen(&self, accident: Accident) -> Result<(), String> {
        let (home, engine) = (&self.home, &self.home.stage.engine);
        let tree = || home.tree.as_ref().ok_or("there is no source tree");
        match accident {
            Accident::ServiceStops => drop(engine.docker(&["stop", "-t", "0", &home.stage.id("app")])),
            Accident::BuildBreaks => {
                let still = &home.stage.prefix;
                let text = format!("FROM {still}-still:live\nRUN echo conformance-broken; exit 3\n");
                home.write("app/Dockerfile", &text);
            }
            Accident::LockGoes => {
                drop(engine.docker(&["rm", "-f", &format!("ala-promote-lock-{}", home.stage.prefix)]));
            }
            Accident::FilesBreak => home.write("docker-compose.yml", "services:\n  app:\n    image: 'x\n"),
            Accident::VariableGoes => home.write(".env", "OTHER=1\n"),
            Accident::VariableChanges => home.set_variable("another-value"),
            Accident::EnvFileGoes => std::fs::remove_file(home.folder.join(".env")).unwrap(),
            Accident::PortIsTaken(port) => self.take_port(port),
            Accident::UpstreamMoves => tree()?.move_upstream(),
            Accident::UpstreamDiverges => tree()?.diverge(),
            Accident::HeadDetaches => tree()?.detach(),
            Accident::DumpsAreCut { after } => self.cut_dumps(after),
            other => return Err(format!("{other:?} is not known here")),
        }
        Ok(())
    }
}

impl Drop for HomeGuard {
    fn drop(&mut self) {
        for holder in self.holders.get_mut().unwrap() {
            let _ = holder.kill();
            let _ = holder.wait();
        }
        if *self.is_cut.get_mut() {
            self.home.stage.exec(&self.home.stage.id("db"), &["rm", "-f", CUT_PG_DUMP]);
        }
        if self.is_noted {
            self.forget_notes();
        }
    }
}
