//! The programs under the names of the scripts that they replace.

use ala_promote_core::domain::{EnvironmentName, ReleaseTag};
use clap::Parser;

use super::Resolved;
use super::common::{Common, Confirm, Source};
use crate::error::CliError;
use crate::settings::{Command, Deploy as DeployCommand, Move, Pull, Rollback as RollbackCommand};

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the engine, Compose or a disk can't be used; 2 usage or config; 3 refused; 4 not confirmed; \
5 failed or interrupted, and put back as it was; 6 needs attention; 7 an earlier operation needs `ala-promote recover`; \
11 another operation is at work. Nothing was changed in the cases 1 to 4, 7 and 11.";

fn named(environment: &str) -> Result<EnvironmentName, CliError> {
    EnvironmentName::new(environment).map_err(|error| CliError::Settings(error.into()))
}

/// Pull the code, build, tag and start staging, and check its health
///
/// Pulls the current branch, builds the images, tags them `staging` and `staging-tested-<time>`, starts the staging
/// stack and waits until it is healthy. A release that fails is replaced by what ran before. Production is not touched.
#[derive(Debug, Parser)]
#[command(
    name = "deploy-staging",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES,
    after_long_help = format!("Examples:\n  ./deploy-staging\n  ./deploy-staging --skip-build   # what was loaded and \
        tagged by hand\n\n{EXIT_CODES}")
)]
pub(crate) struct DeployStaging {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    common: Common,
}

impl DeployStaging {
    pub(crate) fn resolve(self) -> Resolved {
        let deploy = DeployCommand {
            environment: named("staging")?,
            pull: Pull::unless(self.source.no_pull, self.source.skip_build),
            build: !self.source.skip_build,
            keep_failed: self.source.keep_failed,
            dry_run: false,
        };
        Ok((self.common, Command::Deploy(deploy)))
    }
}

/// Promote the images that were tested on staging to production
///
/// Asks first, about the plan at hand. Then it backs the database up, moves the tags `production` and `production-old`,
/// recreates the containers with the very images that were tested, and checks their health. If anything fails, all is
/// put back as it was.
#[derive(Debug, Parser)]
#[command(
    name = "promote-to-production",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES,
    after_long_help = format!("Examples:\n  ./promote-to-production\n  ./promote-to-production --dry-run   # only show \
        what it would do\n  ./promote-to-production --confirm production   # without a question\n\n{EXIT_CODES}")
)]
pub(crate) struct PromoteToProduction {
    /// Print the plan and stop
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    common: Common,
}

impl PromoteToProduction {
    pub(crate) fn resolve(self) -> Resolved {
        promote(self.common, &self.confirm, self.dry_run)
    }
}

fn promote(common: Common, confirm: &Confirm, dry_run: bool) -> Resolved {
    let environment = named("production")?;
    let confirmed = confirm.given_for(&environment)?;
    Ok((common, Command::Promote(Move { environment, confirmed, dry_run })))
}

/// Build and deploy production from scratch, or promote what staging tested
///
/// Without --from-staging it pulls the current branch, builds the images for production, backs the database up, starts
/// them and checks their health, and asks nothing. With it, it does what promote-to-production does, question included.
#[derive(Debug, Parser)]
#[command(
    name = "deploy",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES,
    after_long_help = format!("Examples:\n  ./deploy --from-staging   # faster, and what was tested\n  ./deploy\n\n\
        {EXIT_CODES}")
)]
pub(crate) struct Deploy {
    /// Promote the images that were tested on staging instead of building
    #[arg(long)]
    from_staging: bool,
    /// Print the plan and stop; pulls no code
    #[arg(long)]
    dry_run: bool,
    /// Build what is checked out, without pulling the branch first
    #[arg(long)]
    no_pull: bool,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    common: Common,
}

impl Deploy {
    pub(crate) fn resolve(self) -> Resolved {
        if self.from_staging {
            return promote(self.common, &self.confirm, self.dry_run);
        }
        let environment = named("production")?;
        self.confirm.given_for(&environment)?;
        let (pull, dry_run) = (Pull::unless(self.no_pull, false), self.dry_run);
        let deploy = DeployCommand { environment, pull, build: true, keep_failed: false, dry_run };
        Ok((self.common, Command::Deploy(deploy)))
    }
}

/// Put production back to an earlier release
///
/// Goes back to the release before the one that runs; a second time, further back. Recreates the containers with that
/// release's images and checks their health. The database is left as it is: backups lie in ../backups.
#[derive(Debug, Parser)]
#[command(
    name = "rollback",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES,
    after_long_help = format!("Examples:\n  ./rollback --list\n  ./rollback\n  ./rollback --to \
        staging-tested-20251029-143022\n\n{EXIT_CODES}")
)]
pub(crate) struct Rollback {
    /// Go back to this release instead of the one before
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseTag>,
    /// List the releases that can be gone back to, and stop
    #[arg(long, conflicts_with_all = ["to", "dry_run", "confirm"])]
    list: bool,
    /// Print the plan and stop
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    common: Common,
}

impl Rollback {
    pub(crate) fn resolve(self) -> Resolved {
        let environment = named("production")?;
        let confirmed = self.confirm.given_for(&environment)?;
        let command = if self.list {
            Command::Choices { environment }
        } else {
            let how = Move { environment, confirmed, dry_run: self.dry_run };
            Command::Rollback(RollbackCommand { to: self.to, how })
        };
        Ok((self.common, command))
    }
}
