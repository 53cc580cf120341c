//! Arguments that several programs have.

use std::path::PathBuf;

use ala_promote_core::domain::EnvironmentName;
use clap::Args;

use crate::error::CliError;

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Work on this folder instead of the working directory or the program's own
    #[arg(long, value_name = "FOLDER", global = true)]
    pub(crate) dir: Option<PathBuf>,
    /// Of several stacks in the folder, work on the one of ala-promote.NAME.toml
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) stack: Option<String>,
    /// Print JSON on standard output, and messages for people on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Never ask: a question counts as not confirmed
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    /// Print only questions, problems and what was asked for
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more: lines of builds, evidence of health checks
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// An answer given beforehand.
#[derive(Debug, Clone, Args)]
pub(crate) struct Confirm {
    /// Answer the question beforehand, by the name of the environment: for automation
    #[arg(long, value_name = "ENVIRONMENT")]
    confirm: Option<String>,
}

impl Confirm {
    /// Whether it is the answer for this environment; another name is a mistake to be told, not a "no".
    pub(crate) fn given_for(&self, environment: &EnvironmentName) -> Result<bool, CliError> {
        match &self.confirm {
            None => Ok(false),
            Some(name) if name == environment.as_str() => Ok(true),
            Some(name) => Err(CliError::Usage {
                problem: format!("--confirm names `{name}`, but this would change {environment}"),
                hint: Some(format!("--confirm {environment}")),
            }),
        }
    }
}

/// How a deployment gets its images.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Source {
    /// Take the images that are tagged now instead of building (after `docker load` and `docker tag`); pulls no code
    #[arg(long)]
    pub(crate) skip_build: bool,
    /// Build what is checked out, without pulling the branch first
    #[arg(long)]
    pub(crate) no_pull: bool,
    /// Leave a failed release running, to be looked at, instead of putting the one before back
    #[arg(long)]
    pub(crate) keep_failed: bool,
}
