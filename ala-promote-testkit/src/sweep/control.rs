//! Switches that break one promise each: a sweep that stays green with one of them shows nothing.
//!
//! Each is a port, or a ledger, that lies. They live here, and nothing that users run can reach them.

mod by_tag;
mod careless;
mod remembering;
mod unlocked;

use std::fmt;
use std::sync::Arc;

use ala_promote_core::backend::Backend;

use self::by_tag::ByTag;
use self::careless::{Hopeful, NoPins, Undoing};
use self::remembering::Remembering;
use self::unlocked::Unlocked;
use super::{Durability, Invariant, Rig, Scenario};
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
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NoSync,
        Self::NoRecordBeforeEffect,
        Self::NoPin,
        Self::UndoErrorIgnored,
        Self::NoSecondLook,
        Self::NoLock,
        Self::TagsForIdentities,
        Self::HealthWithoutLook,
    ];

    /// The promise that it breaks: what a sweep must find.
    #[must_use]
    pub fn breaks(self) -> Invariant {
        match self {
            Self::NoSync | Self::NoRecordBeforeEffect => Invariant::RecordBeforeEffect,
            Self::NoPin => Invariant::RollbackImagePinned,
            Self::UndoErrorIgnored | Self::TagsForIdentities | Self::HealthWithoutLook => {
                Invariant::OutcomeIsTrue
            }
            Self::NoSecondLook => Invariant::PlanStillTrue,
            Self::NoLock => Invariant::OneMutator,
        }
    }

    /// A scenario that shows it.
    #[must_use]
    pub fn shown_by(self) -> Scenario {
        match self {
            Self::NoSecondLook => Scenario::promote_after_a_change(),
            Self::UndoErrorIgnored | Self::HealthWithoutLook => Scenario::promote_that_fails(),
            Self::NoPin => Scenario::adopt(),
            _ => Scenario::promote(),
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
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn shared(backend: impl Backend + 'static) -> Arc<dyn Backend> {
    Arc::new(backend)
}
