//! Why a command did not do what it was asked to.

use ala_promote_core::backend::BackendError;
use ala_promote_core::config::{ConfigLine, SettingsError};
use ala_promote_core::engine::EngineError;
use ala_promote_core::ledger::LedgerError;
use ala_promote_core::plan::Refusal;
use thiserror::Error;

/// Why a command did not do what it was asked to. In each case nothing was changed, but where an [`EngineError`] says
/// otherwise.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// The words of the command make no sense together.
    #[error("{problem}")]
    Usage { problem: String, hint: Option<String> },
    /// There are no settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The engine did not start, or could not go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nobody said yes.
    #[error("not confirmed: {why}")]
    NotConfirmed { why: String, hint: String },
    /// Asked to stop before anything was begun.
    #[error("interrupted before anything was begun")]
    Interrupted,
}

impl CliError {
    /// What gates found, where they refused.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Engine(EngineError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// Lines of the config of which one is meant; which, only people know.
    pub(crate) fn choices(&self) -> &[ConfigLine] {
        match self {
            Self::Engine(EngineError::Backend(error)) => error.choices(),
            _ => &[],
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::NotConfirmed { hint, .. } => Some(hint.clone()),
            Self::Settings(error) => error.hint(),
            Self::Engine(EngineError::Ledger { started: false, source }) => ledger_hint(source),
            Self::Engine(error) => error.hint(),
            Self::Interrupted => None,
        }
    }
}

impl From<BackendError> for CliError {
    fn from(error: BackendError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<LedgerError> for CliError {
    fn from(source: LedgerError) -> Self {
        Self::Engine(EngineError::Ledger { started: false, source })
    }
}

fn ledger_hint(error: &LedgerError) -> Option<String> {
    use ala_promote_core::ledger::LedgerErrorKind as Kind;
    let hint = match error.kind() {
        Kind::Damaged => {
            "see what is damaged: ala-promote history --verify; then put the state folder back from a copy"
        }
        Kind::NewerFormat => "use the newest ala-promote that ever worked in this folder",
        Kind::Space => "free space on that disk, then try again",
        Kind::Permission => "run it as the owner of the state folder, on a disk that can be written",
        Kind::Busy => "another process has been writing to it for long; try again in a moment",
        Kind::Poisoned => "see that the disk is sound, then run `ala-promote recover`",
        _ => return None,
    };
    Some(hint.to_owned())
}
