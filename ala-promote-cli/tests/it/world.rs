//! A folder with real files over an in-memory backend, and commands run in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use ala_promote_cli::input::{Input, Script};
use ala_promote_cli::output::{Recorder, Stream};
use ala_promote_cli::signals::Signals;
use ala_promote_cli::{App, Connect, Program};
use ala_promote_core::backend::{Backend, BackendResult};
use ala_promote_testkit::memory::{MemoryBackend, MemoryBuilder};
use async_trait::async_trait;

/// A folder with real files over an in-memory backend.
pub(crate) struct World {
    pub(crate) backend: MemoryBackend,
    root: tempfile::TempDir,
}

/// What came of a command.
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) screen: String,
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

impl World {
    /// The document's stack, running in both environments.
    pub(crate) fn sample() -> Self {
        Self::with(MemoryBackend::ala_medical())
    }

    pub(crate) fn with(builder: MemoryBuilder) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("deployment");
        std::fs::create_dir(&dir).unwrap();
        for file in ["docker-compose.yml", "docker-compose.staging.yml", ".env", ".env.staging"] {
            std::fs::write(dir.join(file), "").unwrap();
        }
        Self { backend: builder.root(root.path()).build().unwrap(), root }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("deployment")
    }

    /// An app in the folder, with this input.
    pub(crate) fn app(&self, backend: Arc<dyn Backend>, input: impl Input + 'static) -> (App, Arc<Recorder>) {
        let output = Arc::new(Recorder::default());
        let app = App {
            backend: Arc::new(Connected(backend)),
            clock: Arc::new(self.backend.clock()),
            environment: [("USER".to_owned(), "ann".to_owned())].into(),
            working_dir: self.dir(),
            host: "host.example.com".to_owned(),
            pid: 4711,
            input: Box::new(input),
            output: Arc::<Recorder>::clone(&output),
            signals: Signals::none(),
        };
        (app, output)
    }

    /// Runs a command line with this input.
    pub(crate) async fn run_with(&self, line: &str, input: impl Input + 'static) -> Ran {
        let (app, output) = self.app(Arc::new(self.backend.clone()), input);
        self.run_in(&app, &output, line).await
    }

    /// Runs a command line in an app.
    pub(crate) async fn run_in(&self, app: &App, output: &Recorder, line: &str) -> Ran {
        let argv: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let program = match argv[0].to_str().unwrap().trim_start_matches("./") {
            "deploy-staging" => Program::DeployStaging,
            "promote-to-production" => Program::PromoteToProduction,
            "deploy" => Program::Deploy,
            "rollback" => Program::Rollback,
            "ala-promote" => Program::Umbrella,
            other => panic!("no program {other}"),
        };
        let code = app.run(program, &argv).await.code();
        let clean = |text: String| text.replace(self.root.path().to_str().unwrap(), "/srv/ala");
        Ran {
            code,
            out: clean(output.text(Stream::Out)),
            err: clean(output.text(Stream::Err)),
            screen: clean(output.screen()),
        }
    }

    /// Runs a command line whose input has ended.
    pub(crate) async fn run(&self, line: &str) -> Ran {
        self.run_with(line, Script::new("")).await
    }
}
