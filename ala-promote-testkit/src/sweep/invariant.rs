//! What is promised, by name.

use std::fmt;

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Invariant {
    /// Images, tags and containers are together the old release, or together the new one.
    AllOldOrAllNew,
    /// What an operation says of itself is what an independent look finds.
    OutcomeIsTrue,
    /// No effect without a durable record, before it, that it may happen.
    RecordBeforeEffect,
    /// While an operation may have to go back, what ran before it can't be pruned.
    RollbackImagePinned,
    /// A backup whose content is what its manifest says stands before the first visible change of production.
    BackupBeforeChange,
    /// Whatever changes the world holds the lock.
    OneMutator,
    /// What an operation acts on is what its plan was made for.
    PlanStillTrue,
    /// A step that was taken back twice is as if it was taken back once.
    UndoTwiceIsOnce,
    /// To recover again changes nothing, and writes nothing.
    RecoverIsIdempotent,
    /// Every operation that changed something has an end in an intact ledger.
    EveryChangeRecorded,
    /// Nothing waits for ever.
    NothingWaitsForEver,
    /// The other environment and production's database are left alone.
    OthersUntouched,
    /// No lock, no saved configuration and no name of a build is left.
    NothingLeftBehind,
    /// The next operation succeeds, and what was committed can be gone back from.
    LifeGoesOn,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::AllOldOrAllNew,
        Self::OutcomeIsTrue,
        Self::RecordBeforeEffect,
        Self::RollbackImagePinned,
        Self::BackupBeforeChange,
        Self::OneMutator,
        Self::PlanStillTrue,
        Self::UndoTwiceIsOnce,
        Self::RecoverIsIdempotent,
        Self::EveryChangeRecorded,
        Self::NothingWaitsForEver,
        Self::OthersUntouched,
        Self::NothingLeftBehind,
        Self::LifeGoesOn,
    ];

    /// Its name: `all-old-or-all-new`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AllOldOrAllNew => "all-old-or-all-new",
            Self::OutcomeIsTrue => "outcome-is-true",
            Self::RecordBeforeEffect => "record-before-effect",
            Self::RollbackImagePinned => "rollback-image-pinned",
            Self::BackupBeforeChange => "backup-before-change",
            Self::OneMutator => "one-mutator",
            Self::PlanStillTrue => "plan-still-true",
            Self::UndoTwiceIsOnce => "undo-twice-is-once",
            Self::RecoverIsIdempotent => "recover-is-idempotent",
            Self::EveryChangeRecorded => "every-change-recorded",
            Self::NothingWaitsForEver => "nothing-waits-for-ever",
            Self::OthersUntouched => "others-untouched",
            Self::NothingLeftBehind => "nothing-left-behind",
            Self::LifeGoesOn => "life-goes-on",
        }
    }

    /// That it does not hold, and in which way.
    pub(super) fn broken(self, how: impl Into<String>) -> Violation {
        Violation { invariant: self, how: how.into() }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// In which way.
    pub how: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.how)
    }
}
