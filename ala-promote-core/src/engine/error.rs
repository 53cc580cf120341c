//! Why an operation did not start, or could not be carried to its end.

use thiserror::Error;

use crate::backend::{BackendError, LockHolder};
use crate::domain::{EnvironmentName, OperationId};
use crate::ledger::LedgerError;
use crate::plan::Refusal;

/// Why an operation did not start, or could not be carried to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The settings have no such environment.
    #[error("there is no environment `{environment}`; known are: {}", known.join(", "))]
    UnknownEnvironment {
        /// The name asked for.
        environment: EnvironmentName,
        /// The names that the settings have.
        known: Vec<String>,
    },
    /// Gates refused it; nothing was changed.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Somebody else works on it; nothing was changed.
    #[error("another operation is in progress{}", describe_holder(holder.as_deref()))]
    Locked {
        /// Who, as far as it is known.
        holder: Option<Box<LockHolder>>,
    },
    /// An earlier operation is not done; nothing was changed.
    #[error("operation {operation} is not done: {state}")]
    NeedsRecovery {
        /// The operation.
        operation: OperationId,
        /// How it stands.
        state: String,
    },
    /// An operation on this project died half-way, and its records are in another ledger; nothing was changed.
    #[error(
        "{} by {} since {} died half-way ({}), and its record is not in this state folder (it is ledger {})",
        holder.what, holder.actor, since(holder), holder.operation, holder.ledger
    )]
    HalfDoneElsewhere {
        /// Whose lock was found.
        holder: Box<LockHolder>,
    },
    /// The process of an operation died, and children of it still work; nothing was changed.
    #[error(
        "the process of {} ({}) died, and what it had started still works: {}",
        holder.actor, holder.operation, children.join(", ")
    )]
    ChildrenAtWork {
        /// Who had started them.
        holder: Box<LockHolder>,
        /// The children, each as people find it: `4242 docker-compose`.
        children: Vec<String>,
    },
    /// The plan is of a newer format, or was run before.
    #[error("this plan can't be run: {reason}")]
    UnusablePlan {
        /// Why.
        reason: String,
    },
    /// The world outside failed before anything was changed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The ledger can't be read or written. Nothing is done without a record.
    #[error("the ledger can't be used")]
    Ledger {
        /// Whether the operation had started; then `recover` is needed.
        started: bool,
        /// Why.
        #[source]
        source: LedgerError,
    },
    /// The lock was lost in the middle; another process may be at work, so nothing more was done.
    #[error("the lock was lost, so the operation stopped where it was")]
    LockLost {
        /// What the look at the lock found.
        #[source]
        source: BackendError,
    },
}

/// [`EngineError`]s by what a caller can do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// Name what exists, mend the settings or the plan.
    Usage,
    /// Mend what the gates found.
    Refused,
    /// Wait for the other operation.
    Locked,
    /// Recover first.
    NeedsRecovery,
    /// Mend the engine, Compose, the disk.
    Environment,
    /// It had started: recover.
    Interrupted,
}

impl EngineError {
    /// The class of this error.
    #[must_use]
    pub fn kind(&self) -> EngineErrorKind {
        use crate::backend::BackendErrorKind;
        match self {
            Self::UnknownEnvironment { .. } | Self::UnusablePlan { .. } => EngineErrorKind::Usage,
            Self::Refused(_) => EngineErrorKind::Refused,
            Self::Locked { .. } => EngineErrorKind::Locked,
            Self::NeedsRecovery { .. } | Self::HalfDoneElsewhere { .. } | Self::ChildrenAtWork { .. } => {
                EngineErrorKind::NeedsRecovery
            }
            Self::LockLost { .. } | Self::Ledger { started: true, .. } => EngineErrorKind::Interrupted,
            Self::Ledger { started: false, .. } => EngineErrorKind::Environment,
            Self::Backend(error) => match error.kind() {
                BackendErrorKind::Invalid => EngineErrorKind::Usage,
                BackendErrorKind::Conflict => EngineErrorKind::Refused,
                _ => EngineErrorKind::Environment,
            },
        }
    }

    /// Whether the same call may succeed a moment later with nothing mended.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::ChildrenAtWork { .. } => true,
            Self::Backend(error) => error.is_retryable(),
            Self::Ledger { started: false, source } => source.is_retryable(),
            _ => false,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Backend(error) => error.hint().map(ToOwned::to_owned),
            Self::NeedsRecovery { .. } | Self::LockLost { .. } | Self::Ledger { started: true, .. } => {
                Some("run `ala-promote recover`".to_owned())
            }
            Self::HalfDoneElsewhere { holder } => Some(format!(
                "run `ala-promote recover` where that record is (on {}); if it is lost, look at what runs now, and take \
                 that for the beginning: `ala-promote recover --new-ledger`",
                holder.actor.host
            )),
            Self::ChildrenAtWork { .. } => Some(
                "run `ala-promote recover`: it waits until they have ended; if they never do, end them with `kill` first"
                    .to_owned(),
            ),
            Self::Locked { holder: Some(_) } => Some("wait until it is done, then try again".to_owned()),
            Self::Locked { holder: None } => Some("see who works here: ala-promote status".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn ledger(started: bool) -> impl Fn(LedgerError) -> Self {
        move |source| Self::Ledger { started, source }
    }
}

impl From<Refusal> for EngineError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn describe_holder(holder: Option<&LockHolder>) -> String {
    holder.map_or_else(String::new, |h| {
        format!(": {} by {} since {} ({})", h.what, h.actor, since(h), h.operation)
    })
}

fn since(holder: &LockHolder) -> impl std::fmt::Display {
    holder.since.strftime("%Y-%m-%d %H:%M:%S UTC")
}
