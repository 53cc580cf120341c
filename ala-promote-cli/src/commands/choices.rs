//! The releases that an environment can go back to.

use ala_promote_core::domain::{EnvironmentName, Release};
use serde::Serialize;

use super::Done;
use crate::app::App;
use crate::context::{self, Access};
use crate::exit;
use crate::render::table::Table;
use crate::render::{Ui, text};
use crate::settings::Options;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    environment: &'a EnvironmentName,
    current: Option<&'a Release>,
    choices: Vec<Choice<'a>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    release: &'a Release,
    /// Why it can't be used.
    problem: Option<&'a str>,
}

/// Lists them, the nearest first, with the one that runs before them.
pub(crate) async fn choices(app: &App, ui: &Ui, options: &Options, environment: &EnvironmentName) -> Done {
    let settings = context::settings(app, options)?;
    settings.environment(environment)?;
    let engine = context::engine(app, settings, Access::Look).await?;
    let choices = app.signals.unless(engine.rollback_choices(environment)).await??;
    let view = engine.journal().view();
    let current = view.current(environment);
    if ui.is_json() {
        let choices = choices.iter().map(|(release, problem)| choice(release, problem)).collect();
        ui.document(&Document { version: 1, environment, current, choices });
        return Ok(exit::DONE);
    }
    if choices.is_empty() {
        ui.show(&format!("{environment} has no earlier release to go back to."));
    }
    let mut table = Table::new(&["", "RELEASE", "MADE", "SOURCE", "STATE"]);
    if let Some(current) = current {
        table.row(row("*", current, "runs now".to_owned()));
    }
    let next = choices.iter().position(|(_, problem)| problem.is_none());
    for (at, (release, problem)) in choices.iter().enumerate() {
        let state = match problem {
            Some(problem) => format!("can't be used: {problem}"),
            None if Some(at) == next && at == 0 => format!("usable, the next: {}", options.again),
            None => format!("usable: {} --to {}", options.again, release.tag),
        };
        table.row(row("", release, state));
    }
    ui.show(table.text().trim_end());
    Ok(exit::DONE)
}

fn choice<'a>(release: &'a Release, problem: &'a Option<String>) -> Choice<'a> {
    Choice { release, problem: problem.as_deref() }
}

fn row(mark: &str, release: &Release, state: String) -> Vec<String> {
    let source = release.source.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    vec![mark.to_owned(), release.tag.to_string(), text::when(release.created_at), source, state]
}
