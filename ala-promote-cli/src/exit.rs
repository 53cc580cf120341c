//! Exit codes: a contract that scripts rely on. What an error or an outcome comes to is decided here and nowhere else.

use std::process::ExitCode;

use ala_promote_core::config::SettingsErrorKind;
use ala_promote_core::domain::Outcome;
use ala_promote_core::engine::{EngineError, EngineErrorKind};

use crate::error::CliError;

/// Done; for `recover` also that an operation was taken back.
pub const DONE: Exit = Exit(0);
/// The engine, Compose, a disk or another tool can't be used; nothing was changed.
pub const UNUSABLE: Exit = Exit(1);
/// Usage or config; nothing was changed.
pub const USAGE: Exit = Exit(2);
/// Refused by a gate; nothing was changed.
pub const REFUSED: Exit = Exit(3);
/// Not confirmed; nothing was changed.
pub const NOT_CONFIRMED: Exit = Exit(4);
/// Failed or interrupted, and all is as it was.
pub const PUT_BACK: Exit = Exit(5);
/// Needs attention: what is what was printed. Also: left with the failed release, as `--keep-failed` asked; interrupted
/// twice, or stopped half-way, so that `ala-promote recover` is needed; of `history --verify`, the record is not what
/// was written.
pub const NEEDS_ATTENTION: Exit = Exit(6);
/// An earlier operation needs `ala-promote recover`; nothing was changed.
pub const NEEDS_RECOVERY: Exit = Exit(7);
/// Locked by another operation that is at work; nothing was changed.
pub const LOCKED: Exit = Exit(11);

/// How a command ended, for scripts: one of this module's constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exit(u8);

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }

    /// Of two things that one command did, how the command ended: the worse one.
    pub(crate) fn or_worse(self, other: Self) -> Self {
        let rank = |exit: Self| if exit == NEEDS_ATTENTION { u8::MAX } else { exit.0 };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

impl From<&Outcome> for Exit {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Committed { .. } => DONE,
            Outcome::RolledBack { .. } => PUT_BACK,
            // What was kept, and what a later core may add: somebody has to look.
            _ => NEEDS_ATTENTION,
        }
    }
}

impl From<&EngineError> for Exit {
    fn from(error: &EngineError) -> Self {
        match error.kind() {
            EngineErrorKind::Usage => USAGE,
            EngineErrorKind::Refused => REFUSED,
            EngineErrorKind::Locked => LOCKED,
            EngineErrorKind::NeedsRecovery => NEEDS_RECOVERY,
            EngineErrorKind::Environment => UNUSABLE,
            _ => NEEDS_ATTENTION,
        }
    }
}

impl From<&CliError> for Exit {
    fn from(error: &CliError) -> Self {
        match error {
            CliError::Usage { .. } => USAGE,
            CliError::Settings(error) if error.kind() == SettingsErrorKind::Unusable => UNUSABLE,
            CliError::Settings(_) => USAGE,
            CliError::Engine(error) => error.into(),
            CliError::NotConfirmed { .. } => NOT_CONFIRMED,
            CliError::Interrupted => PUT_BACK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract() {
        let codes = [
            DONE,
            UNUSABLE,
            USAGE,
            REFUSED,
            NOT_CONFIRMED,
            PUT_BACK,
            NEEDS_ATTENTION,
            NEEDS_RECOVERY,
            LOCKED,
        ];
        assert_eq!(codes.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 7, 11]);
    }

    #[test]
    fn what_needs_attention_is_worse_than_all() {
        assert_eq!(LOCKED.or_worse(NEEDS_ATTENTION), NEEDS_ATTENTION);
        assert_eq!(NEEDS_ATTENTION.or_worse(LOCKED), NEEDS_ATTENTION);
        assert_eq!(DONE.or_worse(LOCKED), LOCKED);
        assert_eq!(LOCKED.or_worse(DONE), LOCKED);
    }
}
