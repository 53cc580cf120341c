//! What was typed, as plain values: resolved once, then only passed on.

use std::ffi::OsString;
use std::path::PathBuf;

use ala_promote_core::domain::{EnvironmentName, ReleaseTag, Request, Verb};

use crate::args::{Common, Program};

/// One call of a program.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) options: Options,
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug)]
pub(crate) struct Options {
    /// The folder, if one was named.
    pub(crate) dir: Option<PathBuf>,
    /// The stack, if one was named.
    pub(crate) stack: Option<String>,
    /// The program as it was called.
    pub(crate) called: Option<OsString>,
    /// Whether standard output is for machines.
    pub(crate) json: bool,
    /// Whether anything may be asked.
    pub(crate) may_ask: bool,
    /// Whether progress is left out.
    pub(crate) quiet: bool,
    /// Whether more is told.
    pub(crate) verbose: bool,
    /// What a person types for the same command once more: `./promote-to-production`.
    pub(crate) again: String,
}

impl Options {
    pub(crate) fn new(
        common: Common,
        program: Program,
        called: Option<&OsString>,
        command: &Command,
    ) -> Self {
        let Common { dir, stack, json, no_input, quiet, verbose } = common;
        let (called, may_ask) = (called.cloned(), !no_input);
        let which = stack.iter().map(|name| format!(" --stack {name}"));
        let again = which.fold(again(program, command), |again, which| again + &which);
        Self { dir, stack, called, json, may_ask, quiet, verbose, again }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    Deploy(Deploy),
    Promote(Move),
    Rollback(Rollback),
    /// The releases that an environment can be rolled back to.
    Choices {
        environment: EnvironmentName,
    },
    Status {
        environment: Option<EnvironmentName>,
    },
    History {
        verify: bool,
        limit: usize,
    },
    Recover {
        new_ledger: bool,
    },
    Doctor,
    Init(Init),
    Schema,
    Version,
}

/// The first day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Init {
    pub(crate) defaults: bool,
    pub(crate) scripts: bool,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
}

/// A deployment.
#[derive(Debug)]
pub(crate) struct Deploy {
    pub(crate) environment: EnvironmentName,
    pub(crate) pull: Pull,
    pub(crate) build: bool,
    pub(crate) keep_failed: bool,
    pub(crate) dry_run: bool,
}

impl Deploy {
    pub(crate) fn request(&self) -> Request {
        let verb = Verb::Deploy { build: self.build, keep_failed: self.keep_failed };
        Request { environment: self.environment.clone(), verb }
    }
}

/// Whether the code is pulled before it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    First,
    /// It is not, because of this flag.
    Not(&'static str),
}

impl Pull {
    pub(crate) fn unless(no_pull: bool, skip_build: bool) -> Self {
        match (no_pull, skip_build) {
            (true, _) => Self::Not("--no-pull"),
            (false, true) => Self::Not("--skip-build"),
            (false, false) => Self::First,
        }
    }
}

/// What promotions and rollbacks have in common.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) environment: EnvironmentName,
    /// Whether the question was answered beforehand.
    pub(crate) confirmed: bool,
    pub(crate) dry_run: bool,
}

/// A rollback.
#[derive(Debug)]
pub(crate) struct Rollback {
    pub(crate) to: Option<ReleaseTag>,
    pub(crate) how: Move,
}

fn again(program: Program, command: &Command) -> String {
    match (program, command) {
        (Program::DeployStaging, _) => "./deploy-staging".to_owned(),
        (Program::PromoteToProduction, _) => "./promote-to-production".to_owned(),
        (Program::Deploy, Command::Promote(_)) => "./deploy --from-staging".to_owned(),
        (Program::Deploy, _) => "./deploy".to_owned(),
        (Program::Rollback, _) => "./rollback".to_owned(),
        (Program::Umbrella, Command::Deploy(deploy)) => format!("ala-promote deploy {}", deploy.environment),
        (Program::Umbrella, Command::Promote(how)) => format!("ala-promote promote {}", how.environment),
        (Program::Umbrella, Command::Rollback(rollback)) => {
            format!("ala-promote rollback {}", rollback.how.environment)
        }
        (Program::Umbrella, Command::Choices { environment }) => {
            format!("ala-promote rollback {environment}")
        }
        (Program::Umbrella, Command::Status { .. }) => "ala-promote status".to_owned(),
        (Program::Umbrella, Command::History { .. }) => "ala-promote history".to_owned(),
        (Program::Umbrella, Command::Recover { .. }) => "ala-promote recover".to_owned(),
        (Program::Umbrella, Command::Doctor) => "ala-promote doctor".to_owned(),
        (Program::Umbrella, Command::Init(_)) => "ala-promote init".to_owned(),
        (Program::Umbrella, Command::Schema) => "ala-promote schema".to_owned(),
        (Program::Umbrella, Command::Version) => "ala-promote version".to_owned(),
    }
}
