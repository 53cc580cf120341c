//! The backend of the example: one binary, and one image, for the API and the worker.
//!
//! `ala-backend serve` answers HTTP, `ala-backend worker` does background work, `ala-backend healthcheck` asks a
//! running API for its health (an image `FROM scratch` has no curl).

mod api;
mod database;
mod healthcheck;
mod release;
mod settings;
mod worker;

use std::error::Error;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::database::Database;
use crate::release::Release;
use crate::settings::Settings;

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    match run(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ala-backend {command}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str) -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    match command {
        "healthcheck" => healthcheck::ask(settings.port),
        "serve" | "worker" => start(command, settings),
        _ => Err("expected `serve`, `worker` or `healthcheck`".into()),
    }
}

fn start(command: &str, settings: Settings) -> Result<(), Box<dyn Error>> {
    let release = Release::read(&settings.version_file)?;
    println!("ala-backend {command}: version {} in {}", release.version, settings.environment);
    if release.crashes() {
        return Err(format!("version {} crashes, as it says", release.version).into());
    }
    let database = Database::new(settings.database_url()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let work = async {
            match command {
                "worker" => worker::run(&database).await,
                _ => api::serve(settings, release, database.clone()).await,
            }
        };
        // Requests in hand are dropped: a stop is quick, and clients try again.
        tokio::select! {
            stopped = terminated() => Ok(stopped?),
            ended = work => ended,
        }
    });
    // Without this the end waits for name lookups, which take seconds where the database's container is gone.
    runtime.shutdown_background();
    outcome
}

/// Resolves at SIGTERM or SIGINT. PID 1 of a container dies of neither unless it handles them, and `docker stop` would
/// wait its whole grace period.
async fn terminated() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
