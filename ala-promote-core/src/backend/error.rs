//! How a port method fails.

use thiserror::Error;

use crate::config::ConfigLine;

/// What a port method answers with.
pub type BackendResult<T> = Result<T, BackendError>;

/// A failure of the world outside: what was tried, what came back, and what to do about it.
#[derive(Debug, Error)]
#[error("{what}: {detail}")]
#[non_exhaustive]
pub struct BackendError {
    kind: BackendErrorKind,
    what: String,
    detail: String,
    hint: Option<String>,
    choices: Box<[ConfigLine]>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of failure it is; data for decisions, where the text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The engine, Compose, Git or another tool is not there, does not answer or may not be used.
    Unavailable,
    /// What was given can't be used: a Compose file, an env file, a setting.
    Invalid,
    /// This backend can't do that, on purpose.
    Unsupported,
    /// What was named does not exist.
    NotFound,
    /// Something else holds the name, the port or the lock.
    Conflict,
    /// It was tried and failed.
    Failed,
    /// It took longer than it may. Whether it was done is unknown.
    TimedOut,
    /// It was stopped because the operation is being cancelled.
    Cancelled,
}

impl BackendError {
    /// Says what was tried and what came back. `detail` must hold no secret.
    #[must_use]
    pub fn new(kind: BackendErrorKind, what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            detail: detail.into(),
            hint: None,
            choices: Box::default(),
            source: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds lines of `ala-promote.toml` of which one is meant; which, only people know.
    #[must_use]
    pub fn with_choices(mut self, choices: Vec<ConfigLine>) -> Self {
        self.choices = choices.into();
        self
    }

    /// Adds the error below. Its text is not repeated in `detail`.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Lines of `ala-promote.toml` of which one is meant.
    #[must_use]
    pub fn choices(&self) -> &[ConfigLine] {
        &self.choices
    }

    /// Whether the same call may succeed a moment later with nothing mended.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, BackendErrorKind::Unavailable | BackendErrorKind::TimedOut)
    }
}
