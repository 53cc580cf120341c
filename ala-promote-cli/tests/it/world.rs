//! A folder with real files over an in-memory backend, and commands run in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ala_promote_cli::input::{Input, Script};
use ala_promote_cli::output::{Output, Recorder, Stream};
use ala_promote_cli::signals::Signals;
use ala_promote_cli::{App, Connect, Program};
use ala_promote_core::backend::{Backend, BackendError, BackendErrorKind, BackendResult, Clock as _};
use ala_promote_testkit::clock::VirtualClock;
use ala_promote_testkit::memory::{MemoryBackend, MemoryBuilder};
use async_trait::async_trait;

/// A folder with real files over an in-memory backend.
pub(crate) struct World {
    pub(crate) backend: MemoryBackend,
    root: tempfile::TempDir,
    when_connected: Arc<Mutex<Option<Hook>>>,
}

type Hook = Box<dyn FnOnce() + Send>;

/// What came of a command.
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) screen: String,
}

struct Connected(Arc<dyn Backend>, Arc<Mutex<Option<Hook>>>);

#[async_trait]
impl Connect for Connected {
    async fn connect(
        &self,
        _: &BTreeMap<String, String>,
        _: Option<&str>,
    ) -> BackendResult<Arc<dyn Backend>> {
        if let Some(hook) = self.1.lock().unwrap().take() {
            hook();
        }
        Ok(Arc::clone(&self.0))
    }
}

/// Where no engine answers.
pub(crate) struct NoEngine;

#[async_trait]
impl Connect for NoEngine {
    async fn connect(
        &self,
        _: &BTreeMap<String, String>,
        _: Option<&str>,
    ) -> BackendResult<Arc<dyn Backend>> {
        let kind = BackendErrorKind::Unavailable;
        Err(BackendError::new(kind, "reach the engine", "it does not answer").with_hint("start it"))
    }
}

/// Keeps what is printed, and does something when a text is.
#[derive(Default)]
pub(crate) struct Screen {
    recorder: Recorder,
    hook: Mutex<Option<(String, Hook)>>,
}

impl Screen {
    /// Does something once, when a text is printed.
    pub(crate) fn on(&self, text: &str, hook: impl FnOnce() + Send + 'static) {
        *self.hook.lock().unwrap() = Some((text.to_owned(), Box::new(hook)));
    }
}

impl Output for Screen {
    fn write(&self, stream: Stream, text: &str) {
        self.recorder.write(stream, text);
        let mut hook = self.hook.lock().unwrap();
        if hook.as_ref().is_some_and(|(wanted, _)| text.contains(wanted.as_str()))
            && let Some((_, hook)) = hook.take()
        {
            hook();
        }
    }
}

/// A person at a terminal who thinks for more than an hour.
pub(crate) struct Terminal {
    clock: VirtualClock,
    answer: String,
}

impl Terminal {
    pub(crate) fn slow(clock: VirtualClock, answer: &str) -> Self {
        Self { clock, answer: answer.to_owned() }
    }
}

#[async_trait]
impl Input for Terminal {
    fn is_terminal(&self) -> bool {
        true
    }

    async fn line(&self) -> Vec<u8> {
        self.clock.sleep(Duration::from_secs(4000)).await;
        self.answer.clone().into()
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
        Self { backend: builder.root(root.path()).build().unwrap(), root, when_connected: Arc::default() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("deployment")
    }

    /// The backend as an app takes it.
    pub(crate) fn arc(&self) -> Arc<dyn Backend> {
        Arc::new(self.backend.clone())
    }

    /// Does something once, when a command has connected to the backend.
    pub(crate) fn when_connected(&self, hook: impl FnOnce() + Send + 'static) {
        *self.when_connected.lock().unwrap() = Some(Box::new(hook));
    }

    /// An app in the folder, with this input.
    pub(crate) fn app(&self, backend: Arc<dyn Backend>, input: impl Input + 'static) -> (App, Arc<Screen>) {
        let output = Arc::new(Screen::default());
        let app = App {
            backend: Arc::new(Connected(backend, Arc::clone(&self.when_connected))),
            clock: Arc::new(self.backend.clock()),
            environment: [("USER".to_owned(), "ann".to_owned())].into(),
            working_dir: self.dir(),
            user: "root".to_owned(),
            host: "host.example.com".to_owned(),
            pid: 4711,
            input: Box::new(input),
            output: Arc::<Screen>::clone(&output),
            signals: Signals::none(),
        };
        (app, output)
    }

    /// Runs a command line with this input.
    pub(crate) async fn run_with(&self, line: &str, input: impl Input + 'static) -> Ran {
        let (app, output) = self.app(self.arc(), input);
        self.run_in(&app, &output, line).await
    }

    /// Runs a command line in an app.
    pub(crate) async fn run_in(&self, app: &App, output: &Screen, line: &str) -> Ran {
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
            out: clean(output.recorder.text(Stream::Out)),
            err: clean(output.recorder.text(Stream::Err)),
            screen: clean(output.recorder.screen()),
        }
    }

    /// Runs a command line whose input has ended.
    pub(crate) async fn run(&self, line: &str) -> Ran {
        self.run_with(line, Script::new("")).await
    }
}
