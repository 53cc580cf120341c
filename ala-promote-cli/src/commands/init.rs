//! The first day: shows what a folder means by convention and what mends it, and writes that down.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind};
use ala_promote_core::config::{ConfigLine, DatabaseChoice, Settings, UnwritableConfig, config_file};
use ala_promote_core::domain::EnvironmentName;
use ala_promote_core::plan::Finding;

use super::Done;
use crate::app::App;
use crate::context::{self, Access};
use crate::error::CliError;
use crate::exit;
use crate::init::{self, Draft, Found};
use crate::prompt;
use crate::render::{self, Ui};
use crate::settings::{Init, Options};

/// How often lines that mend something are added and all is looked at again: what one mends can show another.
const ROUNDS: usize = 8;
/// The most that is asked.
const QUESTIONS: usize = 3;

/// Looks at every environment, asks what can't be seen, and writes what was decided into the config file, and wrappers
/// if they are wanted.
pub(crate) async fn init(app: &App, ui: &Ui, options: &Options, init: &Init) -> Done {
    let settings = context::settings(app, options)?;
    if init.scripts && !init.force {
        nothing_in_the_way(&settings.dir, &init::WRAPPERS)?;
    }
    let path = settings.dir.join(config_file(options.stack.as_deref()));
    let draft = Draft::of(path.clone()).map_err(|error| not_written(&path, error))?;
    let may_ask = options.may_ask && !init.defaults && app.input.is_terminal();
    let mut day = FirstDay { app, ui, options, draft, questions: if may_ask { QUESTIONS } else { 0 } };
    let found = day.look().await?;
    day.ask_for_backups(&found).await?;
    let diff = day.draft.diff().map_err(unwritable)?;
    if !diff.is_empty() {
        ui.show(&format!("\n{diff}"));
    }
    if init.dry_run {
        ui.show("Nothing was written (--dry-run).");
        return Ok(exit::DONE);
    }
    write_config(ui, &day.draft, &found, &settings.dir)?;
    if init.scripts {
        for name in init::WRAPPERS {
            write(ui, &settings.dir.join(name), init::wrapper(), 0o755)?;
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

/// A look at a folder, and what was decided so far.
struct FirstDay<'a> {
    app: &'a App,
    ui: &'a Ui,
    options: &'a Options,
    draft: Draft,
    /// How many questions may still be asked.
    questions: usize,
}

impl FirstDay<'_> {
    /// Looks, adds the lines that take nothing for granted to the draft, and looks again, until there is none to add.
    /// Shows what was found then.
    async fn look(&mut self) -> Result<Vec<Found>, CliError> {
        let mut in_the_way: Vec<Finding> = Vec::new();
        let mut rounds = 0;
        loop {
            rounds += 1;
            let mut found = match self.found().await {
                Err(error) => {
                    let line: Vec<ConfigLine> = self.choose(&error).await?.into_iter().collect();
                    if self.draft.add(line).map_err(unwritable)? {
                        continue;
                    }
                    return Err(error);
                }
                Ok(found) => found,
            };
            // What two environments share is found from either.
            let mut told = BTreeSet::new();
            for found in &mut found {
                found.to_mend.retain(|finding| told.insert((finding.gate.clone(), finding.reason.clone())));
            }
            let certain = found.iter().flat_map(|found| &found.to_mend).flat_map(|finding| &finding.config);
            let certain = certain.filter(|line| line.if_so.is_none()).cloned().collect();
            if rounds < ROUNDS && self.draft.add(certain).map_err(unwritable)? {
                in_the_way.extend(found.into_iter().flat_map(|found| found.to_mend));
                continue;
            }
            in_the_way.retain(|finding| told.insert((finding.gate.clone(), finding.reason.clone())));
            let settings = self.settings()?;
            for found in &found {
                self.ui.show(&render::init::text(found, &settings.dir));
            }
            self.tell_of_missing_staging(&settings);
            if !in_the_way.is_empty() {
                self.ui.show(&render::init::mended(&in_the_way));
            }
            return Ok(found);
        }
    }

    /// Where nothing is staging, but something may be meant to be.
    fn tell_of_missing_staging(&self, settings: &Settings) {
        let is_alone = settings.environments.len() == 1;
        let missing = EnvironmentName::new("staging").ok().and_then(|name| settings.environment(&name).err());
        if let Some(hint) = missing.filter(|_| is_alone).and_then(|error| error.hint()) {
            self.ui
                .show(&format!("staging: there is none\n   → {}\n", render::text::hanging(&hint, "     ")));
        }
    }

    /// What the environments mean, if the config said what is drafted.
    async fn found(&self) -> Result<Vec<Found>, CliError> {
        let settings = self.settings()?;
        let names: Vec<_> = settings.environments.keys().cloned().collect();
        let engine = context::engine(self.app, settings, Access::Look).await?;
        let mut found = Vec::new();
        for name in &names {
            found.push(self.app.signals.unless(init::look(&engine, name)).await??);
        }
        Ok(found)
    }

    fn settings(&self) -> Result<Settings, CliError> {
        let text = self.draft.text().map_err(unwritable)?;
        context::settings_if(self.app, self.options, Some(text))
    }

    /// Asks which of several lines is meant, if that is what stands in the way.
    async fn choose(&mut self, error: &CliError) -> Result<Option<ConfigLine>, CliError> {
        let choices = error.choices();
        if choices.is_empty() || self.questions == 0 {
            return Ok(None);
        }
        self.questions -= 1;
        let question = render::init::question(&error.to_string(), choices);
        let answer = prompt::line(self.app, self.ui, &question).await?;
        let number = answer.and_then(|answer| answer.parse::<usize>().ok()).and_then(|n| n.checked_sub(1));
        Ok(number.and_then(|index| choices.get(index)).cloned())
    }

    /// Asks which database is backed up, where it can't be told; no answer is an answer too.
    async fn ask_for_backups(&mut self, found: &[Found]) -> Result<(), CliError> {
        let Some(protected) = found.iter().find(|found| found.protected) else { return Ok(()) };
        if self.questions == 0 || self.settings()?.backup.database != DatabaseChoice::Detect {
            return Ok(());
        }
        let (app, ui) = (self.app, self.ui);
        let line = match protected.databases.as_slice() {
            [] if protected.containers > 0 => {
                let question = "No database was found. Why is no backup needed? (empty: decide later) ";
                prompt::line(app, ui, question).await?.map(|why| ConfigLine::new(&["backup"], "none", why))
            }
            [_, _, ..] => {
                let names: Vec<&str> = protected.databases.iter().map(|name| name.as_str()).collect();
                let question = format!("Which database is to be backed up: {}? ", names.join(", "));
                let answer = prompt::line(app, ui, &question).await?;
                if answer.as_ref().is_some_and(|answer| !names.contains(&answer.as_str())) {
                    ui.show("That is none of them; decide later, in ala-promote.toml.");
                }
                let name = answer.filter(|name| names.contains(&name.as_str()));
                name.map(|name| ConfigLine::new(&["backup"], "service", name))
            }
            _ => None,
        };
        self.draft.add(line.into_iter().collect()).map_err(unwritable)?;
        Ok(())
    }
}

/// Told before anything is looked at: that a file is in the way.
fn nothing_in_the_way(dir: &Path, files: &[&str]) -> Result<(), CliError> {
    let is_there = |file: &&str| fs::symlink_metadata(dir.join(file)).is_ok();
    let there: Vec<&str> = files.iter().copied().filter(is_there).collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("there is already in {}: {}", dir.display(), there.join(", ")),
        hint: Some("--force puts it aside (NAME.before-ala-promote) and writes a new one".to_owned()),
    })
}

/// A config that is there is added to; a new one has comments.
fn write_config(ui: &Ui, draft: &Draft, found: &[Found], dir: &Path) -> Result<(), CliError> {
    let path = draft.path();
    if draft.is_new() {
        return write(ui, path, &init::config_text(found, draft.lines(), dir).map_err(unwritable)?, 0o644);
    }
    if draft.diff().map_err(unwritable)?.is_empty() {
        ui.show(&format!("{} has nothing to be added", path.display()));
        return Ok(());
    }
    draft.write().map_err(|error| not_written(path, error))?;
    ui.show(&format!("✅ Added to {}", path.display()));
    Ok(())
}

fn write(ui: &Ui, path: &Path, text: &str, mode: u32) -> Result<(), CliError> {
    let aside = init::put_aside_and_write(path, text, mode).map_err(|error| not_written(path, error))?;
    match aside {
        Some(aside) => {
            ui.show(&format!("✅ Wrote {}; what was there is {}", path.display(), aside.display()))
        }
        None => ui.show(&format!("✅ Wrote {}", path.display())),
    }
    Ok(())
}

fn not_written(path: &Path, error: std::io::Error) -> CliError {
    let what = format!("write {}", path.display());
    BackendError::new(BackendErrorKind::Unavailable, what, "the file can't be written")
        .with_hint("mend that, or take away what was put aside before, then try again")
        .with_source(error)
        .into()
}

/// The config was read before, so that this is about a table that is written as something else.
fn unwritable(error: UnwritableConfig) -> CliError {
    CliError::Usage {
        problem: error.to_string(),
        hint: Some("add the lines that are shown by hand".to_owned()),
    }
}
