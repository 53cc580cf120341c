//! What can go wrong with a ledger.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hash::Sha256Digest;
use super::segment::{Position, Segment};

/// Why the ledger did not do what it was asked to.
///
/// Where nothing else is said, the ledger is as it was before the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The folder holds no ledger.
    #[error("there is no ledger in {}", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },

    /// A ledger can't be created where one is.
    #[error("there already is a ledger in {}", path.display())]
    AlreadyExists {
        /// The folder.
        path: PathBuf,
    },

    /// What the ledger holds is not what was written to it.
    #[error("the ledger is damaged: {0}")]
    Damaged(Damage),

    /// Written by a newer version of this program.
    #[error(
        "{place} has format version {found}, and this program knows none above {known}; use a newer version of it"
    )]
    NewerFormat {
        /// File and line.
        place: String,
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },

    /// A record that the follower could not take in; the ledger is not read past it.
    #[error("record {seq} of the ledger is not understood")]
    NotUnderstood {
        /// The record's number.
        seq: u64,
        /// What the follower said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },

    /// Something other than a plain file (or folder) is in its place.
    #[error("{} is {found}, where the ledger needs {needed}", path.display())]
    Strange {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What ought to be there.
        needed: &'static str,
    },

    /// The disk, or the user's quota, is full. What was written in part has been taken back.
    #[error("no space left to {action} {}", path.display())]
    NoSpace {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// A permission is missing, or the disk is mounted read-only.
    #[error("not permitted to {action} {}", path.display())]
    NotPermitted {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// Any other error of the system that did not put what is on the disk in doubt.
    #[error("can't {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// A write or sync failed so that nobody knows what is on the disk. The store takes nothing
    /// more.
    #[error("can't {action} {}; what the disk holds of it is unknown, so nothing more is written", path.display())]
    DurabilityLost {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// Refused, because of an earlier [`DurabilityLost`](Self::DurabilityLost) of the same store.
    #[error("the ledger takes nothing more since an earlier failure: {cause}")]
    Poisoned {
        /// The earlier failure.
        cause: String,
    },

    /// Somebody else holds the lock for appending, for longer than an append takes.
    #[error("{} has been locked by another process for {waited:?}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// For how long it was tried.
        waited: Duration,
    },

    /// The record is longer than a line may be.
    #[error("a record of {length} bytes is too long for the ledger, which takes {limit}")]
    TooLong {
        /// Bytes of the line.
        length: u64,
        /// Bytes allowed.
        limit: u64,
    },

    /// An id of a ledger or an operation that can't be part of a file name.
    #[error(
        "`{id}` can't be an id: it must be 1 to 100 letters, digits, `.`, `_` or `-`, and not begin with `.`"
    )]
    InvalidId {
        /// The text refused.
        id: String,
    },
}

/// [`LedgerError`]s by what a caller can do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LedgerErrorKind {
    /// There is no ledger: create it, or find out who took it away.
    Missing,
    /// There is a ledger: open it.
    AlreadyExists,
    /// The content is not what was written: a person has to look.
    Damaged,
    /// Use a newer version of this program.
    NewerFormat,
    /// The chain is good, but the one who asked can't make sense of a record.
    NotUnderstood,
    /// Make space.
    Space,
    /// Give permission.
    Permission,
    /// Stop; let another process recover, once the disk is known to be good.
    Poisoned,
    /// Try again later.
    Busy,
    /// The caller asked for something impossible.
    Invalid,
    /// See the source.
    Io,
}

impl LedgerError {
    /// The class of this error.
    #[must_use]
    pub fn kind(&self) -> LedgerErrorKind {
        match self {
            Self::Missing { .. } => LedgerErrorKind::Missing,
            Self::AlreadyExists { .. } => LedgerErrorKind::AlreadyExists,
            Self::Damaged(_) | Self::Strange { .. } => LedgerErrorKind::Damaged,
            Self::NotUnderstood { .. } => LedgerErrorKind::NotUnderstood,
            Self::NewerFormat { .. } => LedgerErrorKind::NewerFormat,
            Self::NoSpace { .. } => LedgerErrorKind::Space,
            Self::NotPermitted { .. } => LedgerErrorKind::Permission,
            Self::DurabilityLost { .. } | Self::Poisoned { .. } => LedgerErrorKind::Poisoned,
            Self::Locked { .. } => LedgerErrorKind::Busy,
            Self::TooLong { .. } | Self::InvalidId { .. } => LedgerErrorKind::Invalid,
            Self::Io { .. } => LedgerErrorKind::Io,
        }
    }

    /// Whether the same call can succeed later without anybody mending the ledger.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind(), LedgerErrorKind::Busy | LedgerErrorKind::Space)
    }

    /// For an error after which the disk holds what it held before.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            _ if is_full(&source) => Self::NoSpace { action, path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotPermitted { action, path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// For an error after which nobody knows what the disk holds.
    pub(super) fn durability(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::DurabilityLost { action, path: path.to_path_buf(), source }
    }
}

/// Whether the disk, or the user's share of it, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// One place where the ledger is not what was written to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {flaw}")]
pub struct Damage {
    /// The first line that does not fit; all before it are good.
    pub at: Position,
    /// What does not fit.
    pub flaw: Flaw,
}

impl Damage {
    pub(super) fn missing(segment: Segment) -> Self {
        Self { at: Position::start_of(segment), flaw: Flaw::SegmentMissing }
    }
}

/// What does not fit at a place of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The bytes are no line of a ledger.
    #[error("expected a record, which is one line of the form {{\"hash\":…,\"record\":…}}")]
    NotARecord,
    /// The record, or one before it, is not the one that was written.
    #[error("expected the hash {expected}, as computed from the records up to here; the line says {found}")]
    Hash {
        /// The hash of this record after the ones before it.
        expected: Sha256Digest,
        /// The hash that the line gives.
        found: Sha256Digest,
    },
    /// A record is missing or too many.
    #[error("expected record {expected}, found record {found}")]
    Sequence {
        /// The number that is next.
        expected: u64,
        /// The number that the record has.
        found: u64,
    },
    /// The last line of a segment that has a successor has no end.
    #[error("expected a complete line, since another segment follows")]
    Unterminated,
    /// No record has such a length.
    #[error("expected a line of at most {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: u64,
    },
    /// A segment is not there, although the ledger must have it.
    #[error("expected this file, but it is not there")]
    SegmentMissing,
    /// The record that was read or written here a moment ago is not there any more.
    #[error("expected to find record {seq} with hash {hash} ending here, as before")]
    HeadGone {
        /// The record's number.
        seq: u64,
        /// Its hash.
        hash: Sha256Digest,
    },
    /// There are records, but the file that says which ledger they belong to is missing or
    /// unreadable.
    #[error("expected the ledger's id in id.json beside this file, in a form that can be read")]
    IdUnreadable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_follows_what_the_system_said_and_display_leaves_the_source_to_the_chain() {
        let full = LedgerError::io("write", Path::new("/x"), io::ErrorKind::StorageFull.into());
        assert_eq!(full.kind(), LedgerErrorKind::Space);
        assert!(full.is_retryable());
        assert_eq!(full.to_string(), "no space left to write /x");
        let read_only = LedgerError::io("write", Path::new("/x"), io::ErrorKind::ReadOnlyFilesystem.into());
        assert_eq!(read_only.kind(), LedgerErrorKind::Permission);
        assert!(!read_only.is_retryable());
        let lost = LedgerError::durability("sync", Path::new("/x"), io::ErrorKind::StorageFull.into());
        assert_eq!(lost.kind(), LedgerErrorKind::Poisoned);
    }
}
