//! The engine, what the folder means to it, Git, and the clock.

use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::{Backend, BackendErrorKind};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{EnvironmentName, Render};

use super::Check;
use crate::app::App;
use crate::context::{self, Access};
use crate::error::CliError;
use crate::render::text;

/// Looks at all that needs the engine, and at what is kept here.
pub(super) async fn look(app: &App, settings: Settings) -> Vec<Check> {
    let mut checks = vec![record(app, &settings)];
    match context::connect(app, &settings).await {
        Ok(backend) => {
            checks.push(Check::fine("engine", backend.describe()));
            for name in settings.environments.keys() {
                checks.extend(environment(app, &backend, &settings, name).await);
            }
            checks.push(source(&backend, &settings.dir).await);
        }
        Err(error) => checks.push(Check::failed("engine", &error)),
    }
    checks
}

/// The record, and the clock, which must not be behind it.
fn record(app: &App, settings: &Settings) -> Check {
    let journal = match context::journal(settings, Access::Look) {
        Ok(journal) => journal,
        Err(error) => return Check::failed("record", &error),
    };
    let view = journal.view();
    let now = app.clock.now();
    if let Some(last) = view.history.last().filter(|last| last.at > now) {
        let found = format!("it is {}, but the last record is of {}", text::when(now), text::when(last.at));
        return Check::problem("clock", found, "set the clock: timedatectl set-ntp true");
    }
    if let Some(operation) = view.unfinished.keys().next() {
        let found = format!("operation {operation} is not done");
        return Check::problem("record", found, "ala-promote status, then ala-promote recover");
    }
    let found = match journal.head().seq {
        0 => "nothing on record yet".to_owned(),
        count => format!("{count} records; the clock says {}", text::when(now)),
    };
    Check::fine("record", found)
}

async fn environment(
    app: &App,
    backend: &Arc<dyn Backend>,
    settings: &Settings,
    name: &EnvironmentName,
) -> Vec<Check> {
    let stacks = backend.stacks();
    let rendered = match stacks.resolve(settings, name).await {
        Ok(stack) => stacks.render(&stack).await,
        Err(error) => Err(error),
    };
    let render = match rendered {
        Ok(render) => render,
        Err(error) => return vec![Check::failed(name.as_str(), &CliError::from(error))],
    };
    let files: Vec<_> = render.stack.files.iter().map(|file| shown(file, &settings.dir)).collect();
    let env_file = render.stack.env_file.as_ref().map(|file| format!(", {}", shown(file, &settings.dir)));
    let found =
        format!("project {}: {}{}", render.stack.project, files.join(" + "), env_file.unwrap_or_default());
    let mut checks = vec![Check::fine(name.as_str(), found)];
    checks.extend(homes(app, name, &render));
    checks
}

/// Under sudo `~` is another folder than the one that the containers of the user were started with.
fn homes(app: &App, name: &EnvironmentName, render: &Render) -> Option<Check> {
    let set = |key: &str| app.environment.get(key).filter(|value| !value.is_empty());
    let (user, home) = (set("SUDO_USER")?, set("HOME")?);
    // Mounts are known with links followed.
    let real = Path::new(home).canonicalize().unwrap_or_else(|_| home.into());
    let mut services =
        render.services.iter().filter(|(_, s)| s.binds.iter().any(|bind| bind.source.starts_with(&real)));
    let (service, _) = services.next()?;
    Some(Check::problem(
        name.as_str(),
        format!("the service {service} mounts a folder below {home}, which is not the home of {user}"),
        format!("run it as {user}, or write the whole path in the Compose file in place of `~`"),
    ))
}

async fn source(backend: &Arc<dyn Backend>, dir: &Path) -> Check {
    match backend.source().state(dir).await {
        Ok(Some(state)) => Check::fine("source", format!("commit {state}")),
        Ok(None) => Check::warning(
            "source",
            "the folder is in no Git tree: releases will name no commit",
            "deploy from a clone, if the record shall tell what was built",
        ),
        Err(error) if error.kind() == BackendErrorKind::Unavailable => {
            let error = CliError::from(error);
            let mend = error.hint().unwrap_or_else(|| "install git".to_owned());
            Check::warning("source", error.to_string(), mend)
        }
        Err(error) => Check::failed("source", &CliError::from(error)),
    }
}

fn shown(file: &Path, dir: &Path) -> String {
    text::seen_from(file, dir).display().to_string()
}
