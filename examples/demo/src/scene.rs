//! Where the commands are played.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use ala_promote_cli::input::Script;
use ala_promote_cli::output::{Output, Stream};
use ala_promote_cli::signals::Signals;
use ala_promote_cli::{App, Connect, Program, SystemClock};
use ala_promote_core::backend::{Backend, BackendResult, Clock};
use ala_promote_demo::{EngineEnv, Sample};
use ala_promote_docker::{DockerBackend, DockerOptions};
use ala_promote_testkit::memory::{ImageBehaviour, MemoryBackend, SourceCommit};
use async_trait::async_trait;

/// Where the commands are played.
#[async_trait]
pub(crate) trait Scene: Send + Sync {
    /// Commits a new release; one whose version has the word `broken` is unhealthy in production alone.
    fn release(&self, version: &str) -> io::Result<()>;

    /// Runs a command in the deployment folder; gives its exit code.
    async fn run(&self, line: &str, typed: &str) -> u8;
}

/// On a Docker engine.
pub(crate) struct OnEngine {
    sample: Sample,
}

impl OnEngine {
    pub(crate) fn new(engine: &EngineEnv) -> io::Result<Self> {
        Ok(Self { sample: Sample::create(engine)? })
    }
}

#[async_trait]
impl Scene for OnEngine {
    fn release(&self, version: &str) -> io::Result<()> {
        self.sample.release(version)
    }

    async fn run(&self, line: &str, typed: &str) -> u8 {
        let variables = self.sample.engine().variables.clone();
        let app = app(Arc::new(Docker), Arc::new(SystemClock), variables, self.sample.deployment(), typed);
        play(&app, line).await
    }
}

/// On the in-memory backend.
pub(crate) struct InMemory {
    backend: MemoryBackend,
    /// The folder goes with it.
    _root: tempfile::TempDir,
}

impl InMemory {
    pub(crate) fn new() -> io::Result<Self> {
        let root = tempfile::tempdir()?;
        let deployment = root.path().join("deployment");
        std::fs::create_dir(&deployment)?;
        // The conventions look for these; what is in them is the backend's business.
        for file in ["docker-compose.yml", "docker-compose.staging.yml", ".env", ".env.staging"] {
            std::fs::write(deployment.join(file), "")?;
        }
        let backend = MemoryBackend::ala_medical().root(root.path()).build().map_err(io::Error::other)?;
        Ok(Self { backend, _root: root })
    }
}

#[async_trait]
impl Scene for InMemory {
    fn release(&self, version: &str) -> io::Result<()> {
        let commit = SourceCommit::new(version);
        let production = "production".parse().map_err(io::Error::other)?;
        self.backend.commit(if version.contains("broken") {
            commit.behaviour("backend", ImageBehaviour::UnhealthyIn(production))
        } else {
            commit
        });
        Ok(())
    }

    async fn run(&self, line: &str, typed: &str) -> u8 {
        let deployment = self.backend.root().join("deployment");
        let connect = Arc::new(Connected(Arc::new(self.backend.clone())));
        let app = app(connect, Arc::new(self.backend.clock()), BTreeMap::new(), deployment, typed);
        play(&app, line).await
    }
}

fn app(
    backend: Arc<dyn Connect>,
    clock: Arc<dyn Clock>,
    environment: BTreeMap<String, String>,
    working_dir: PathBuf,
    typed: &str,
) -> App {
    App {
        backend,
        clock,
        environment,
        working_dir,
        user: "demo".to_owned(),
        host: "host.example.com".to_owned(),
        pid: std::process::id(),
        input: Box::new(Script::new(typed)),
        output: Arc::new(Screen),
        signals: Signals::none(),
    }
}

async fn play(app: &App, line: &str) -> u8 {
    let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let program = match argv.first().and_then(|name| name.to_str()) {
        Some("deploy-staging") => Program::DeployStaging,
        Some("promote-to-production") => Program::PromoteToProduction,
        _ => Program::Umbrella,
    };
    app.run(program, &argv).await.code()
}

struct Docker;

#[async_trait]
impl Connect for Docker {
    async fn connect(
        &self,
        environment: &BTreeMap<String, String>,
        engine_address: Option<&str>,
    ) -> BackendResult<Arc<dyn Backend>> {
        let options = DockerOptions::new(environment.clone());
        let options = options.with_engine_address(engine_address.map(ToOwned::to_owned));
        Ok(Arc::new(DockerBackend::connect(options).await?))
    }
}

struct Connected(Arc<dyn Backend>);

#[async_trait]
impl Connect for Connected {
    async fn connect(
        &self,
        _: &BTreeMap<String, String>,
        _: Option<&str>,
    ) -> BackendResult<Arc<dyn Backend>> {
        Ok(Arc::clone(&self.0))
    }
}

/// Both streams in one, as a terminal shows them.
struct Screen;

impl Output for Screen {
    fn write(&self, _: Stream, text: &str) {
        let mut out = io::stdout();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
