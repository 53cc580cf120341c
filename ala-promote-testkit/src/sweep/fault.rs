//! One fault, as a value and as text.

use std::fmt;
use std::str::FromStr;

use ala_promote_core::backend::BackendErrorKind;

use super::SweepError;
use crate::faults::{CallRecord, Fate, FaultPlan, WriteFate};

/// What becomes of one call of a port, or of one write to the ledger: `call-12:crash-after`, `write-3:torn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Of a call, by its number.
    Call(u64, Fate),
    /// Of a write, by its number.
    Write(u64, WriteFate),
}

impl Fault {
    /// Adds it to a plan.
    #[must_use]
    pub fn add_to(self, plan: FaultPlan) -> FaultPlan {
        match self {
            Self::Call(number, fate) => plan.at(number, fate),
            Self::Write(number, fate) => plan.at_write(number, fate),
        }
    }

    /// Whether it may leave the process waiting for ever, until somebody kills it.
    #[must_use]
    pub fn hangs(self) -> bool {
        matches!(self, Self::Call(_, Fate::Hang))
    }

    /// All that differ of a call: a look is the same whether it dies or fails before or after, and half a look is none.
    pub(super) fn of_call(call: &CallRecord) -> Vec<Self> {
        const LOOK: [Fate; 4] = [
            Fate::FailBefore(BackendErrorKind::Failed),
            Fate::FailBefore(BackendErrorKind::Unavailable),
            Fate::CrashBefore,
            Fate::Hang,
        ];
        let fates = match call.changes {
            true => Fate::WHOLE.into_iter().chain(Fate::halves(call.polls)).collect(),
            false => LOOK.to_vec(),
        };
        fates.into_iter().map(|fate| Self::Call(call.number, fate)).collect()
    }

    /// All of a write.
    pub(super) fn of_write(number: u64) -> impl Iterator<Item = Self> {
        WriteFate::ALL.into_iter().map(move |fate| Self::Write(number, fate))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use BackendErrorKind::Unavailable;
        match self {
            Self::Call(number, fate) => match fate {
                Fate::FailBefore(Unavailable) => write!(f, "call-{number}:unavailable"),
                Fate::FailBefore(_) => write!(f, "call-{number}:fail-before"),
                Fate::FailWithin { polls } => write!(f, "call-{number}:fail-within-{polls}"),
                Fate::FailAfter => write!(f, "call-{number}:fail-after"),
                Fate::ReplyLost => write!(f, "call-{number}:reply-lost"),
                Fate::CrashBefore => write!(f, "call-{number}:crash-before"),
                Fate::CrashWithin { polls } => write!(f, "call-{number}:crash-within-{polls}"),
                Fate::CrashAfter => write!(f, "call-{number}:crash-after"),
                Fate::Hang => write!(f, "call-{number}:hang"),
            },
            Self::Write(number, fate) => match fate {
                WriteFate::CrashBefore => write!(f, "write-{number}:crash-before"),
                WriteFate::Torn => write!(f, "write-{number}:torn"),
                WriteFate::CrashAfter => write!(f, "write-{number}:crash-after"),
                WriteFate::DiskFull => write!(f, "write-{number}:disk-full"),
                WriteFate::SyncError { written: true } => write!(f, "write-{number}:sync-error-written"),
                WriteFate::SyncError { written: false } => write!(f, "write-{number}:sync-error-lost"),
            },
        }
    }
}

impl FromStr for Fault {
    type Err = SweepError;

    fn from_str(text: &str) -> Result<Self, SweepError> {
        let unknown = || SweepError::new(format!("`{text}` is no fault, as `call-12:crash-after` is one"));
        let (at, fate) = text.split_once(':').ok_or_else(unknown)?;
        let (kind, number) = at.split_once('-').ok_or_else(unknown)?;
        let number = number.parse().map_err(|_| unknown())?;
        let within = |prefix: &str| fate.strip_prefix(prefix).and_then(|polls| polls.parse().ok());
        Ok(match (kind, fate) {
            ("call", "fail-before") => Self::Call(number, Fate::FailBefore(BackendErrorKind::Failed)),
            ("call", "unavailable") => Self::Call(number, Fate::FailBefore(BackendErrorKind::Unavailable)),
            ("call", "fail-after") => Self::Call(number, Fate::FailAfter),
            ("call", "reply-lost") => Self::Call(number, Fate::ReplyLost),
            ("call", "crash-before") => Self::Call(number, Fate::CrashBefore),
            ("call", "crash-after") => Self::Call(number, Fate::CrashAfter),
            ("call", "hang") => Self::Call(number, Fate::Hang),
            ("call", _) => match (within("fail-within-"), within("crash-within-")) {
                (Some(polls), _) => Self::Call(number, Fate::FailWithin { polls }),
                (_, Some(polls)) => Self::Call(number, Fate::CrashWithin { polls }),
                _ => return Err(unknown()),
            },
            ("write", "crash-before") => Self::Write(number, WriteFate::CrashBefore),
            ("write", "torn") => Self::Write(number, WriteFate::Torn),
            ("write", "crash-after") => Self::Write(number, WriteFate::CrashAfter),
            ("write", "disk-full") => Self::Write(number, WriteFate::DiskFull),
            ("write", "sync-error-written") => Self::Write(number, WriteFate::SyncError { written: true }),
            ("write", "sync-error-lost") => Self::Write(number, WriteFate::SyncError { written: false }),
            _ => return Err(unknown()),
        })
    }
}
