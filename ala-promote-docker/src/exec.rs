//! Commands inside containers.

use std::pin::Pin;
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use crate::engine::Engine;
use crate::error::engine_error;

/// Most that is kept of each output of a short command, in bytes.
const MAX_OUTPUT_BYTES: usize = 64 << 10;
/// How long the engine may take to notice that a command ended, after its output did.
const END_NOTICED: Duration = Duration::from_secs(30);
/// Pause between two looks for that.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A command that was started inside a container.
pub(crate) struct Exec<'a> {
    engine: &'a Engine,
    id: String,
    what: String,
    /// Its output, as frames of either stream. Ends without an error also when it was cut.
    pub(crate) output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
}

/// What a short command left.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) exit_code: i64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl<'a> Exec<'a> {
    /// Starts it. Nothing secret may be in `command` or `environment`: every process of the host sees them.
    pub(crate) async fn start(
        engine: &'a Engine,
        container: &str,
        command: Vec<String>,
        environment: Vec<String>,
        what: impl Into<String>,
    ) -> BackendResult<Self> {
        Self::start_with(engine, container, command, environment, None, what.into()).await
    }

    /// The same, with something on its standard input, which may be secret.
    async fn start_with(
        engine: &'a Engine,
        container: &str,
        command: Vec<String>,
        environment: Vec<String>,
        input: Option<&[u8]>,
        what: String,
    ) -> BackendResult<Self> {
        let options = CreateExecOptions {
            cmd: Some(command),
            env: Some(environment),
            attach_stdin: Some(input.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let docker = engine.docker();
        let id = docker.create_exec(container, options).await.map_err(|e| engine_error(&what, e))?.id;
        // Larger pieces than the default, since a dump is gigabytes.
        let start = StartExecOptions { output_capacity: Some(64 << 10), ..StartExecOptions::default() };
        match docker.start_exec(&id, Some(start)).await.map_err(|e| engine_error(&what, e))? {
            StartExecResults::Attached { output, input: mut stdin } => {
                if let Some(bytes) = input {
                    let given = async {
                        stdin.write_all(bytes).await?;
                        stdin.shutdown().await
                    };
                    given.await.map_err(|error| engine_error(&what, Error::IOError { err: error }))?;
                }
                Ok(Self { engine, id, what, output })
            }
            StartExecResults::Detached => Err(BackendError::new(
                BackendErrorKind::Failed,
                what,
                "the engine did not attach to the command's output",
            )),
        }
    }

    /// The exit code, once the engine has noticed the end.
    pub(crate) async fn exit_code(self) -> BackendResult<i64> {
        let Self { engine, id, what, .. } = self;
        let deadline = Instant::now() + END_NOTICED;
        loop {
            let seen = engine.docker().inspect_exec(&id).await;
            let seen = seen.map_err(|e| engine_error(&what, e))?;
            if let (Some(false), Some(code)) = (seen.running, seen.exit_code) {
                return Ok(code);
            }
            if Instant::now() >= deadline {
                return Err(BackendError::new(
                    BackendErrorKind::TimedOut,
                    what,
                    format!("its output ended, but the command did not within {} s", END_NOTICED.as_secs()),
                ));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Runs a short command to its end.
///
/// # Errors
/// An exit code is none. `TimedOut` leaves the command running.
pub(crate) async fn run(
    engine: &Engine,
    container: &str,
    command: Vec<String>,
    environment: Vec<String>,
    what: &str,
    limit: Duration,
) -> BackendResult<Ended> {
    let started = Exec::start_with(engine, container, command, environment, None, what.to_owned());
    to_its_end(started, what, limit).await
}

/// Runs a short command to its end, with something secret on its standard input.
pub(crate) async fn run_with_input(
    engine: &Engine,
    container: &str,
    command: Vec<String>,
    input: &[u8],
    what: &str,
    limit: Duration,
) -> BackendResult<Ended> {
    let started = Exec::start_with(engine, container, command, Vec::new(), Some(input), what.to_owned());
    to_its_end(started, what, limit).await
}

async fn to_its_end<'a>(
    started: impl Future<Output = BackendResult<Exec<'a>>>,
    what: &str,
    limit: Duration,
) -> BackendResult<Ended> {
    let whole = async {
        let mut exec = started.await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(frame) = exec.output.next().await {
            match frame.map_err(|e| engine_error(what, e))? {
                LogOutput::StdOut { message } => keep(&mut stdout, &message),
                LogOutput::StdErr { message } => keep(&mut stderr, &message),
                // Not a frame of either: the stream was cut, and what came is not to be relied on.
                LogOutput::Console { .. } | LogOutput::StdIn { .. } => {
                    return Err(BackendError::new(
                        BackendErrorKind::Unavailable,
                        what,
                        "its output was cut; the container or the engine went away",
                    ));
                }
            }
        }
        let exit_code = exec.exit_code().await?;
        Ok(Ended { exit_code, stdout: text(&stdout), stderr: text(&stderr) })
    };
    match timeout(limit, whole).await {
        Ok(ended) => ended,
        Err(_) => Err(BackendError::new(
            BackendErrorKind::TimedOut,
            what,
            format!("not done after {} s", limit.as_secs()),
        )),
    }
}

fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    let room = MAX_OUTPUT_BYTES.saturating_sub(kept.len());
    kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
