//! What can be typed: one clap definition for each program, all of the same parts.

mod common;
mod drop_in;
mod umbrella;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Parser;

use crate::settings::{Command, Invocation, Options};
pub(crate) use common::Common;

/// Which program was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `ala-promote`.
    Umbrella,
    /// `deploy-staging`.
    DeployStaging,
    /// `promote-to-production`.
    PromoteToProduction,
    /// `deploy`.
    Deploy,
    /// `rollback`.
    Rollback,
}

/// What came of reading the arguments.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Something to do.
    Run(Invocation),
    /// A text to print: help, the version, or what is wrong.
    Say(clap::Error),
}

impl Program {
    /// The program that is called by this name, whatever folder it is in.
    fn named(called: &OsStr) -> Option<Self> {
        let programs = [
            ("ala-promote", Self::Umbrella),
            ("deploy-staging", Self::DeployStaging),
            ("promote-to-production", Self::PromoteToProduction),
            ("deploy", Self::Deploy),
            ("rollback", Self::Rollback),
        ];
        let name = Path::new(called).file_stem()?;
        programs.into_iter().find(|(known, _)| name == *known).map(|(_, program)| program)
    }
}

/// Reads the arguments; the first is the program's name as it was called. `ala-promote run-as NAME …`, which wrappers
/// use, is what NAME would be.
pub(crate) fn parse(program: Program, argv: &[OsString]) -> Result<Parsed, crate::error::CliError> {
    if let (Program::Umbrella, [_, run_as, rest @ ..]) = (program, argv)
        && run_as == "run-as"
    {
        let program = rest.first().and_then(|called| Program::named(called));
        let program = program.ok_or_else(|| crate::error::CliError::Usage {
            problem:
                "`run-as` is for wrappers called deploy-staging, promote-to-production, deploy or rollback"
                    .into(),
            hint: Some("let the wrapper have such a name: exec ala-promote run-as \"$0\" \"$@\"".into()),
        })?;
        return parse(program, rest);
    }
    let (common, command) = match program {
        Program::Umbrella => match umbrella::Args::try_parse_from(argv) {
            Ok(args) => args.resolve()?,
            Err(error) => return Ok(Parsed::Say(error)),
        },
        Program::DeployStaging => match drop_in::DeployStaging::try_parse_from(argv) {
            Ok(args) => args.resolve()?,
            Err(error) => return Ok(Parsed::Say(error)),
        },
        Program::PromoteToProduction => match drop_in::PromoteToProduction::try_parse_from(argv) {
            Ok(args) => args.resolve()?,
            Err(error) => return Ok(Parsed::Say(error)),
        },
        Program::Deploy => match drop_in::Deploy::try_parse_from(argv) {
            Ok(args) => args.resolve()?,
            Err(error) => return Ok(Parsed::Say(error)),
        },
        Program::Rollback => match drop_in::Rollback::try_parse_from(argv) {
            Ok(args) => args.resolve()?,
            Err(error) => return Ok(Parsed::Say(error)),
        },
    };
    let options = Options::new(common, program, argv.first(), &command);
    Ok(Parsed::Run(Invocation { options, command }))
}

/// What each program's arguments come to.
pub(crate) type Resolved = Result<(Common, Command), crate::error::CliError>;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        umbrella::Args::command().debug_assert();
        drop_in::DeployStaging::command().debug_assert();
        drop_in::PromoteToProduction::command().debug_assert();
        drop_in::Deploy::command().debug_assert();
        drop_in::Rollback::command().debug_assert();
    }
}
