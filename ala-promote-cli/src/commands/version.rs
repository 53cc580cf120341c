//! Versions: of this program, the engine, Compose.

use serde::Serialize;

use super::Done;
use crate::app::App;
use crate::context;
use crate::error::CliError;
use crate::exit;
use crate::render::{Ui, problem};
use crate::settings::Options;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
struct Document {
    version: u32,
    ala_promote: &'static str,
    /// The engine and Compose, where they can be reached.
    backend: Option<String>,
    /// Why not.
    problem: Option<String>,
}

/// Tells them; that the engine can't be reached is part of the answer.
pub(crate) async fn version(app: &App, ui: &Ui, options: &Options) -> Done {
    let address = context::settings(app, options).ok().and_then(|settings| settings.engine_address);
    let connected = app.signals.unless(app.backend.connect(&app.environment, address.as_deref())).await?;
    let backend = connected.map(|backend| backend.describe()).map_err(CliError::from);
    if ui.is_json() {
        let problem = backend.as_ref().err().map(ToString::to_string);
        ui.document(&Document { version: 1, ala_promote: VERSION, backend: backend.ok(), problem });
        return Ok(exit::DONE);
    }
    ui.show(&format!("ala-promote {VERSION}"));
    match backend {
        Ok(description) => ui.show(&description),
        Err(error) => ui.show(&format!("engine not reached: {}", problem::explained(&error).trim_end())),
    }
    Ok(exit::DONE)
}
