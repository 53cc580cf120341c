//! Switches that break one promise each: a sweep that stays green with one of them shows nothing.
//!
//! Each is a port, or a ledger, that lies. They live here, and nothing that users run can reach them.

mod by_tag;
mod careless;
mod harmful;
mod remembering;
mod unlocked;

use std::fmt;
use std::sync::Arc;

use ala_promote_core::backend::{Backend, BackendErrorKind};

use self::by_tag::ByTag;
use self::careless::{Hopeful, NoPins, Undoing};
use self::harmful::{Careless, DumpSlip, Dumps, Slip, UndoAddsUp, WaitsForLock};
use self::remembering::Remembering;
use self::unlocked::Unlocked;
use super::{Durability, Extent, Invariant, Rig, Scenario};
use crate::faults::Fate;
use crate::patched::Patched;

/// One promise, broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Control {
    /// The ledger is never synced.
    NoSync,
    /// An effect comes before its record.
    NoRecordBeforeEffect,
    /// What ran before is not kept by a tag of its own.
    NoPin,
    /// A failed undo counts as done.
    UndoErrorIgnored,
    /// After the confirmation, what was seen before it is believed.
    NoSecondLook,
    /// No lock is taken.
    NoLock,
    /// What a tag names now counts as what a container runs.
    TagsForIdentities,
    /// A service counts as healthy without a look at its container.
    HealthWithoutLook,
    /// A dump that was cut counts as a backup.
    CutBackup,
    /// Of several databases, one is backed up.
    OneBackupForAll,
    /// An undo that is done twice is not what it is when it is done once.
    UndoAddsUp,
    /// That an operation ended is read by nobody.
    EndForgotten,
    /// Something is waited for without a limit.
    NoLimit,
    /// Starting services restarts others.
    OthersRestarted,
    /// What is to be cleared away stays.
    NothingCleared,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::NoSync,
        Self::NoRecordBeforeEffect,
        Self::NoPin,
        Self::UndoErrorIgnored,
        Self::NoSecondLook,
        Self::NoLock,
        Self::TagsForIdentities,
        Self::HealthWithoutLook,
        Self::CutBackup,
        Self::OneBackupForAll,
        Self::UndoAddsUp,
        Self::EndForgotten,
        Self::NoLimit,
        Self::OthersRestarted,
        Self::NothingCleared,
    ];

    /// The promises that are not kept with it: what a sweep must find, and nothing else. The first is the one that it is
    /// about; the others go with it, as one who forgets what was begun can't put it back.
    #[must_use]
    pub fn breaks(self) -> &'static [Invariant] {
        use Invariant as I;
        match self {
            Self::NoSync => &[I::RecordBeforeEffect, I::AllOldOrAllNew, I::NothingLeftBehind, I::LifeGoesOn],
            Self::NoRecordBeforeEffect => &[
                I::RecordBeforeEffect,
                I::AllOldOrAllNew,
                I::OutcomeIsTrue,
                I::EveryChangeRecorded,
                I::NothingLeftBehind,
                I::LifeGoesOn,
            ],
            Self::NoPin => &[I::RollbackImagePinned, I::AllOldOrAllNew, I::OutcomeIsTrue],
            Self::UndoErrorIgnored | Self::TagsForIdentities | Self::HealthWithoutLook => {
                &[I::OutcomeIsTrue, I::AllOldOrAllNew]
            }
            Self::NoSecondLook => &[I::PlanStillTrue, I::AllOldOrAllNew, I::OutcomeIsTrue],
            Self::NoLock => &[I::OneMutator],
            Self::CutBackup | Self::OneBackupForAll => &[I::BackupBeforeChange],
            Self::UndoAddsUp => &[I::UndoTwiceIsOnce, I::OutcomeIsTrue],
            Self::EndForgotten => &[I::RecoverIsIdempotent, I::LifeGoesOn],
            Self::NoLimit => &[I::NothingWaitsForEver],
            Self::OthersRestarted => &[I::OthersUntouched, I::RecordBeforeEffect],
            Self::NothingCleared => &[I::NothingLeftBehind],
        }
    }

    /// A scenario that shows it.
    #[must_use]
    pub fn shown_by(self) -> Scenario {
        match self {
            Self::NoSecondLook => Scenario::promote_after_a_change(),
            Self::UndoErrorIgnored | Self::HealthWithoutLook => Scenario::promote_that_fails(),
            Self::UndoAddsUp => Scenario::promote_with_hooks(),
            Self::NoPin => Scenario::adopt(),
            Self::OneBackupForAll => Scenario::promote_of_databases(),
            _ => Scenario::promote(),
        }
    }

    /// The faults that show it: most need none.
    #[must_use]
    pub fn extent(self) -> Extent {
        match self {
            Self::NoSync | Self::NoRecordBeforeEffect | Self::UndoAddsUp => {
                Extent::of_changes(Fate::CrashAfter)
            }
            Self::UndoErrorIgnored => Extent::of_changes(Fate::FailBefore(BackendErrorKind::Failed)),
            _ => Extent::without_faults(),
        }
    }

    /// A rig with this promise broken.
    #[must_use]
    pub fn rig(self) -> Rig {
        let honest = Rig::honest();
        match self {
            Self::NoSync => honest.durability(Durability::Never),
            Self::NoRecordBeforeEffect => honest.durability(Durability::AllButLast),
            Self::NoPin => honest
                .around(|faulty, _| shared(Patched::new(faulty.clone()).with_images(NoPins::new(faulty)))),
            Self::UndoErrorIgnored => honest.around(|faulty, _| {
                let careless = Undoing::new(faulty.clone());
                shared(Patched::new(faulty).with_images(careless))
            }),
            Self::NoSecondLook => honest.around(|faulty, _| {
                let seen = Remembering::new(faulty.clone());
                shared(Patched::new(faulty).with_images(seen.clone()).with_stacks(seen))
            }),
            Self::NoLock => honest.around(|faulty, _| shared(Patched::new(faulty).with_lock(Unlocked))),
            Self::TagsForIdentities => honest.around(|faulty, _| {
                let by_tag = ByTag::new(faulty.clone());
                shared(Patched::new(faulty).with_stacks(by_tag.clone()).with_probe(by_tag))
            }),
            Self::HealthWithoutLook => honest.around(|faulty, _| {
                let hopeful = Hopeful::new(faulty.clone());
                shared(Patched::new(faulty).with_probe(hopeful))
            }),
            Self::CutBackup => dumping(DumpSlip::Cut),
            Self::OneBackupForAll => dumping(DumpSlip::OneForAll),
            Self::UndoAddsUp => honest.around(|faulty, _| {
                let adds_up = UndoAddsUp::new(faulty.clone());
                shared(Patched::new(faulty).with_hooks(adds_up))
            }),
            Self::EndForgotten => honest.without_ends(),
            Self::NoLimit => honest.around(|faulty, _| {
                let waits = WaitsForLock::new(faulty.clone());
                shared(Patched::new(faulty).with_lock(waits))
            }),
            Self::OthersRestarted => careless(Slip::RestartsDatabase),
            Self::NothingCleared => careless(Slip::KeepsSnapshots),
        }
    }

    /// Its name: `no-sync`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSync => "no-sync",
            Self::NoRecordBeforeEffect => "no-record-before-effect",
            Self::NoPin => "no-pin",
            Self::UndoErrorIgnored => "undo-error-ignored",
            Self::NoSecondLook => "no-second-look",
            Self::NoLock => "no-lock",
            Self::TagsForIdentities => "tags-for-identities",
            Self::HealthWithoutLook => "health-without-look",
            Self::CutBackup => "cut-backup",
            Self::OneBackupForAll => "one-backup-for-all",
            Self::UndoAddsUp => "undo-adds-up",
            Self::EndForgotten => "end-forgotten",
            Self::NoLimit => "no-limit",
            Self::OthersRestarted => "others-restarted",
            Self::NothingCleared => "nothing-cleared",
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn dumping(slip: DumpSlip) -> Rig {
    Rig::honest().around(move |faulty, _| {
        let dumps = Dumps::new(faulty.clone(), slip);
        shared(Patched::new(faulty).with_database(dumps))
    })
}

fn careless(slip: Slip) -> Rig {
    Rig::honest().around(move |faulty, world| {
        let careless = Careless::new(faulty.clone(), world, slip);
        shared(Patched::new(faulty).with_stacks(careless))
    })
}

fn shared(backend: impl Backend + 'static) -> Arc<dyn Backend> {
    Arc::new(backend)
}
