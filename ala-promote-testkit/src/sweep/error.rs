//! Why a sweep could not be run.

use thiserror::Error;

/// Why a sweep could not be run: no finding about the engine, but about the test.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct SweepError {
    /// What was tried, and what came of it.
    pub what: String,
}

impl SweepError {
    /// Says what was tried and what came of it.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

macro_rules! from {
    ($($error:ty),*) => {
        $(impl From<$error> for SweepError {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        })*
    };
}

from!(
    std::io::Error,
    crate::memory::ModelError,
    ala_promote_core::backend::BackendError,
    ala_promote_core::config::SettingsError,
    ala_promote_core::domain::NameError,
    ala_promote_core::domain::ReferenceError,
    ala_promote_core::engine::EngineError,
    ala_promote_core::ledger::LedgerError
);
