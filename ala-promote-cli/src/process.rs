//! The edge to the real process: its environment, streams, signals and runtime. Nothing else touches them.

mod stdin;
mod stdout;
mod stop;
mod user;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use ala_promote_core::backend::{Backend, BackendResult};
use ala_promote_docker::{DockerBackend, DockerOptions};
use async_trait::async_trait;
use tracing_subscriber::EnvFilter;

use self::stdin::ProcessInput;
use self::stdout::ProcessOutput;
use crate::output::{Output, Stream};
use crate::{App, Connect, Program, SystemClock, exit};

/// What may be set to see more of what goes on inside, such as `ala_promote_docker=debug`.
const LOG_VARIABLE: &str = "ALA_PROMOTE_LOG";
/// What is seen else.
const LOG_DEFAULT: &str = "error,ala_promote_core=warn,ala_promote_docker=warn,ala_promote_cli=warn";

/// Runs one command as the process that was started for it.
#[must_use]
pub fn run(program: Program) -> ExitCode {
    let output = ProcessOutput::start();
    let environment: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(key, value)| Some((text(key)?, text(value)?))).collect();
    log_to_stderr(&environment);
    let exit = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(command(program, environment, Arc::clone(&output)));
            // A thread may still wait for an input that never comes.
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            output.write(Stream::Err, &format!("❌ The process can't start its threads: {error}\n"));
            exit::UNUSABLE
        }
    };
    output.flush();
    exit.into()
}

fn text(text: OsString) -> Option<String> {
    text.into_string().ok()
}

async fn command(
    program: Program,
    environment: BTreeMap<String, String>,
    output: Arc<ProcessOutput>,
) -> exit::Exit {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let app = App {
        backend: Arc::new(Docker),
        clock: Arc::new(SystemClock),
        user: user::name(),
        host: host.or_else(|| environment.get("HOSTNAME").cloned()).unwrap_or_default(),
        environment,
        working_dir: std::env::current_dir().unwrap_or_default(),
        pid: std::process::id(),
        input: Box::new(ProcessInput),
        output,
        signals: stop::listen(),
    };
    app.run(program, &argv).await
}

fn log_to_stderr(environment: &BTreeMap<String, String>) {
    let wanted = environment.get(LOG_VARIABLE).map_or(LOG_DEFAULT, String::as_str);
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A second run within one process finds the first one's in place.
    let _ = subscriber.try_init();
}

/// The Docker engine of this host.
struct Docker;

#[async_trait]
impl Connect for Docker {
    async fn connect(
        &self,
        environment: &BTreeMap<String, String>,
        engine_address: Option<&str>,
    ) -> BackendResult<Arc<dyn Backend>> {
        let options = DockerOptions::new(environment.clone())
            .with_engine_address(engine_address.map(ToOwned::to_owned));
        Ok(Arc::new(DockerBackend::connect(options).await?))
    }
}
