//! What runs where.

use ala_promote_core::domain::EnvironmentName;
use ala_promote_core::engine::{Engine, EnvironmentStatus};
use serde::Serialize;

use super::Done;
use crate::app::App;
use crate::context::{self, Access};
use crate::error::CliError;
use crate::exit;
use crate::render::{self, Ui, problem};
use crate::settings::Options;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    environments: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Seen(&'a EnvironmentStatus),
    Unseen { environment: &'a EnvironmentName, problem: String },
}

/// Looks at one environment, or at all of them.
pub(crate) async fn status(app: &App, ui: &Ui, options: &Options, only: Option<&EnvironmentName>) -> Done {
    let settings = context::settings(app, options)?;
    let names = match only {
        Some(name) => vec![settings.environment(name)?.name.clone()],
        None => settings.environments.keys().cloned().collect(),
    };
    let engine = context::engine(app, settings, Access::Look).await?;
    let mut seen = app.signals.unless(look(&engine, names)).await?;
    // What is wrong with one environment must not hide the others; with nothing else to show it is the answer.
    if seen.iter().all(|(_, status)| status.is_err())
        && let Some((_, Err(error))) = seen.pop()
    {
        return Err(error);
    }
    tell(ui, &seen);
    Ok(exit::DONE)
}

async fn look(
    engine: &Engine,
    names: Vec<EnvironmentName>,
) -> Vec<(EnvironmentName, Result<EnvironmentStatus, CliError>)> {
    let mut seen = Vec::new();
    for name in names {
        let status = engine.status(&name).await.map_err(CliError::from);
        seen.push((name, status));
    }
    seen
}

fn tell(ui: &Ui, seen: &[(EnvironmentName, Result<EnvironmentStatus, CliError>)]) {
    if ui.is_json() {
        let environments = seen.iter().map(|(environment, status)| entry(environment, status)).collect();
        ui.document(&Document { version: 1, environments });
        return;
    }
    let texts = seen.iter().map(|(environment, status)| match status {
        Ok(status) => render::status::text(status),
        Err(error) => format!("{environment}: {}", problem::explained(error)),
    });
    ui.show(texts.collect::<Vec<_>>().join("\n").trim_end());
}

fn entry<'a>(environment: &'a EnvironmentName, status: &'a Result<EnvironmentStatus, CliError>) -> Entry<'a> {
    match status {
        Ok(status) => Entry::Seen(status),
        Err(error) => Entry::Unseen { environment, problem: error.to_string() },
    }
}
