//! `ala-promote` and its subcommands.

use ala_promote_core::domain::{EnvironmentName, ReleaseTag};
use clap::{Parser, Subcommand};

use super::Resolved;
use super::common::{Common, Confirm, Source};
use crate::error::CliError;
use crate::settings::{Command, Deploy, Init, Move, Pull, Rollback};

const EXAMPLES: &str = "\
Examples:
  ala-promote deploy staging
  ala-promote plan promote production
  ala-promote promote production
  ala-promote status
  ala-promote rollback production --list
  ala-promote history --verify";

/// Promote tested container images from staging to production with Docker Compose
#[derive(Debug, Parser)]
#[command(name = "ala-promote", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build and deploy an environment. Example: ala-promote deploy staging
    Deploy {
        #[command(flatten)]
        deploy: DeployArgs,
        /// Print the plan and stop; pulls no code
        #[arg(long)]
        dry_run: bool,
    },
    /// Promote the release tested on the environment before. Example: ala-promote promote production
    Promote {
        #[command(flatten)]
        promote: PromoteArgs,
        /// Print the plan and stop
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Go back to an earlier release. Example: ala-promote rollback production --list
    Rollback {
        #[command(flatten)]
        rollback: RollbackArgs,
        /// List the releases that can be gone back to, and stop
        #[arg(long, conflicts_with_all = ["to", "dry_run", "confirm"])]
        list: bool,
        /// Print the plan and stop
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Print what an operation would do; changes and records nothing. Example: ala-promote plan promote production
    Plan {
        #[command(subcommand)]
        of: PlanOf,
    },
    /// Show what runs where, how healthy it is, and whether it is what the record says. Example: ala-promote status
    Status {
        /// Only this environment
        environment: Option<EnvironmentName>,
    },
    /// Show what was done, by whom, and how it ended. Example: ala-promote history --verify
    History {
        /// Check that the record is what was written, and hold it against the engine's note of it
        #[arg(long)]
        verify: bool,
        /// Show so many entries, newest first
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Finish or take back an operation whose process died. Example: ala-promote recover
    Recover {
        /// Begin a new record, where the state folder was lost and there is no copy to put back
        #[arg(long)]
        new_ledger: bool,
    },
    /// Look at all that a deployment needs: engine, files, permissions, disk, clock, Git. Example: ala-promote doctor
    Doctor,
    /// Show what this folder means and what mends it, and write that into ala-promote.toml. Example: ala-promote init
    /// --scripts
    Init {
        /// Ask nothing
        #[arg(long)]
        defaults: bool,
        /// Write the four scripts too, as wrappers that can be committed
        #[arg(long)]
        scripts: bool,
        /// Put scripts aside that are in the way, as NAME.before-ala-promote
        #[arg(long)]
        force: bool,
        /// Show what would be written, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the JSON Schema of ala-promote.toml, for editors. Example: ala-promote schema > ala-promote.schema.json
    Schema,
    /// Show the versions of this program, the engine and Compose. Example: ala-promote version
    Version,
}

#[derive(Debug, clap::Args)]
struct DeployArgs {
    /// The environment
    environment: EnvironmentName,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, clap::Args)]
struct PromoteArgs {
    /// The environment that is promoted to
    environment: EnvironmentName,
}

#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// The environment
    environment: EnvironmentName,
    /// Go back to this release instead of the one before
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseTag>,
}

#[derive(Debug, Subcommand)]
enum PlanOf {
    /// Of a deployment. Example: ala-promote plan deploy staging
    Deploy(DeployArgs),
    /// Of a promotion. Example: ala-promote plan promote production --json
    Promote(PromoteArgs),
    /// Of a rollback. Example: ala-promote plan rollback production
    Rollback(RollbackArgs),
}

impl Args {
    pub(crate) fn resolve(self) -> Resolved {
        Ok((self.common, self.verb.resolve()?))
    }
}

impl Verb {
    fn resolve(self) -> Result<Command, CliError> {
        Ok(match self {
            Self::Deploy { deploy, dry_run } => deploy.resolve(dry_run),
            Self::Promote { promote, dry_run, confirm } => {
                let confirmed = confirm.given_for(&promote.environment)?;
                promote.resolve(confirmed, dry_run)
            }
            Self::Rollback { rollback, list: true, .. } => {
                Command::Choices { environment: rollback.environment }
            }
            Self::Rollback { rollback, list: false, dry_run, confirm } => {
                let confirmed = confirm.given_for(&rollback.environment)?;
                rollback.resolve(confirmed, dry_run)
            }
            Self::Plan { of: PlanOf::Deploy(deploy) } => deploy.resolve(true),
            Self::Plan { of: PlanOf::Promote(promote) } => promote.resolve(false, true),
            Self::Plan { of: PlanOf::Rollback(rollback) } => rollback.resolve(false, true),
            Self::Status { environment } => Command::Status { environment },
            Self::History { verify, limit } => Command::History { verify, limit },
            Self::Recover { new_ledger } => Command::Recover { new_ledger },
            Self::Doctor => Command::Doctor,
            Self::Init { defaults, scripts, force, dry_run } => {
                Command::Init(Init { defaults, scripts, force, dry_run })
            }
            Self::Schema => Command::Schema,
            Self::Version => Command::Version,
        })
    }
}

impl DeployArgs {
    fn resolve(self, dry_run: bool) -> Command {
        let Source { skip_build, no_pull, keep_failed } = self.source;
        let pull = Pull::unless(no_pull, skip_build);
        let environment = self.environment;
        Command::Deploy(Deploy { environment, pull, build: !skip_build, keep_failed, dry_run })
    }
}

impl PromoteArgs {
    fn resolve(self, confirmed: bool, dry_run: bool) -> Command {
        Command::Promote(Move { environment: self.environment, confirmed, dry_run })
    }
}

impl RollbackArgs {
    fn resolve(self, confirmed: bool, dry_run: bool) -> Command {
        let how = Move { environment: self.environment, confirmed, dry_run };
        Command::Rollback(Rollback { to: self.to, how })
    }
}
