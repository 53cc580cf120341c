//! The first day: shows what a folder means by convention, and writes that down.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind};
use ala_promote_core::config::CONFIG_FILE;

use super::Done;
use crate::app::App;
use crate::context::{self, Access};
use crate::error::CliError;
use crate::exit;
use crate::init::{self, Answers, Found};
use crate::prompt;
use crate::render::{self, Ui};
use crate::settings::{Init, Options};

/// Looks at every environment, asks what can't be seen, and writes the config file, and wrappers if they are wanted.
pub(crate) async fn init(app: &App, ui: &Ui, options: &Options, init: &Init) -> Done {
    if options.stack.is_some() {
        return Err(CliError::Usage {
            problem: "init writes the config of a folder that has one stack".to_owned(),
            hint: Some(
                "one of several stacks says its files and project itself, in ala-promote.NAME.toml"
                    .to_owned(),
            ),
        });
    }
    let settings = context::settings(app, options)?;
    let dir = settings.dir.clone();
    let names: Vec<_> = settings.environments.keys().cloned().collect();
    let mut files = vec![CONFIG_FILE];
    if init.scripts {
        files.extend(init::WRAPPERS);
    }
    nothing_in_the_way(&dir, &files, init.force)?;
    let engine = context::engine(app, settings, Access::Look).await?;
    let mut found = Vec::new();
    for name in &names {
        found.push(app.signals.unless(init::look(&engine, name)).await??);
    }
    // What two environments share is found from either.
    let mut told = BTreeSet::new();
    for found in &mut found {
        found.to_mend.retain(|finding| told.insert((finding.gate.clone(), finding.reason.clone())));
        ui.show(&render::init::text(found, &dir));
    }
    let may_ask = options.may_ask && !init.defaults && app.input.is_terminal();
    let answers = if may_ask { ask(app, ui, &found).await? } else { Answers::default() };
    write(ui, &dir.join(CONFIG_FILE), &init::config_text(&found, &answers, &dir), 0o644)?;
    if init.scripts {
        for name in init::WRAPPERS {
            write(ui, &dir.join(name), init::wrapper(), 0o755)?;
        }
    }
    let to_mend = found.iter().map(|found| found.to_mend.len()).sum::<usize>();
    ui.show(&match to_mend {
        0 => "\nNothing that runs was changed. Next: ./deploy-staging (or: ala-promote deploy staging)"
            .to_owned(),
        count => format!("\nNothing that runs was changed. To mend first: {count}, as told above."),
    });
    Ok(exit::DONE)
}

/// Told before anything is looked at: that a file is in the way.
fn nothing_in_the_way(dir: &Path, files: &[&str], force: bool) -> Result<(), CliError> {
    let there: Vec<&str> =
        files.iter().copied().filter(|file| fs::symlink_metadata(dir.join(file)).is_ok()).collect();
    if there.is_empty() || force {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("there is already in {}: {}", dir.display(), there.join(", ")),
        hint: Some("--force puts it aside (NAME.before-ala-promote) and writes a new one".to_owned()),
    })
}

/// At most two questions; no answer is an answer too.
async fn ask(app: &App, ui: &Ui, found: &[Found]) -> Result<Answers, CliError> {
    let mut answers = Answers::default();
    let Some(protected) = found.iter().find(|found| found.protected) else { return Ok(answers) };
    match protected.databases.as_slice() {
        [] if protected.containers > 0 => {
            let question = "No database was found. Why is no backup needed? (empty: decide later) ";
            answers.no_backup = prompt::line(app, ui, question).await?;
        }
        [_, _, ..] => {
            let names: Vec<&str> = protected.databases.iter().map(|name| name.as_str()).collect();
            let question = format!("Which database is to be backed up: {}? ", names.join(", "));
            let answer = prompt::line(app, ui, &question).await?;
            if answer.as_ref().is_some_and(|answer| !names.contains(&answer.as_str())) {
                ui.show("That is none of them; decide later, in ala-promote.toml.");
            }
            answers.database = answer.filter(|name| names.contains(&name.as_str()));
        }
        _ => {}
    }
    Ok(answers)
}

fn write(ui: &Ui, path: &Path, text: &str, mode: u32) -> Result<(), CliError> {
    let aside = init::put_aside_and_write(path, text, mode).map_err(|error| {
        let what = format!("write {}", path.display());
        BackendError::new(BackendErrorKind::Unavailable, what, "the file can't be written")
            .with_hint("mend that, or take away what was put aside before, then try again")
            .with_source(error)
    })?;
    match aside {
        Some(aside) => {
            ui.show(&format!("✅ Wrote {}; what was there is {}", path.display(), aside.display()))
        }
        None => ui.show(&format!("✅ Wrote {}", path.display())),
    }
    Ok(())
}
