//! What becomes of calls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ala_promote_core::backend::BackendErrorKind;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It fails, and nothing was done.
    FailBefore(BackendErrorKind),
    /// It fails half-way: the backend's future is polled that often, then dropped.
    FailWithin {
        /// How often it is polled.
        polls: u32,
    },
    /// It is done, and reported as failed.
    FailAfter,
    /// It is done, but the answer is lost: reported as timed out.
    ReplyLost,
    /// The process is killed before it began.
    CrashBefore,
    /// The process is killed half-way: the backend's future is polled that often, then dropped.
    CrashWithin {
        /// How often it is polled.
        polls: u32,
    },
    /// The process is killed right after it was done, before the caller knew.
    CrashAfter,
    /// Nothing happens and no answer comes. A build, a dump or a fetch ends when it is cancelled.
    Hang,
}

impl Fate {
    /// Every fate that leaves a call's effect done or not done, for sweeps.
    pub const WHOLE: [Self; 7] = [
        Self::FailBefore(BackendErrorKind::Failed),
        Self::FailBefore(BackendErrorKind::Unavailable),
        Self::FailAfter,
        Self::ReplyLost,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Hang,
    ];

    /// Every fate that leaves half of it, for a call that took that many polls.
    pub fn halves(polls: u32) -> impl Iterator<Item = Self> {
        (1..polls).flat_map(|polls| [Self::FailWithin { polls }, Self::CrashWithin { polls }])
    }
}

/// What becomes of a write to a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteFate {
    /// The process is killed before anything is written.
    CrashBefore,
    /// The process is killed in the middle: half of the record is written.
    Torn,
    /// The process is killed when the record is durable, before the caller knew.
    CrashAfter,
    /// The disk is full, from then on until the process ends. Space that was set aside is there.
    DiskFull,
    /// The sync fails, so that nobody knows; `written` says what turns out later.
    SyncError {
        /// Whether the record is there.
        written: bool,
    },
}

impl WriteFate {
    /// Every fate of a write, for sweeps.
    pub const ALL: [Self; 6] = [
        Self::CrashBefore,
        Self::Torn,
        Self::CrashAfter,
        Self::DiskFull,
        Self::SyncError { written: false },
        Self::SyncError { written: true },
    ];
}

type Hook = Arc<dyn Fn() + Send + Sync>;

/// What becomes of which call. Calls that it does not name go as they go.
#[derive(Clone, Default)]
pub struct FaultPlan {
    fates: BTreeMap<u64, Fate>,
    from: Option<(u64, Fate)>,
    hooks: BTreeMap<u64, Hook>,
    writes: BTreeMap<u64, WriteFate>,
}

impl FaultPlan {
    /// No faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The call with this number, counted from 1, meets that fate.
    #[must_use]
    pub fn at(mut self, call: u64, fate: Fate) -> Self {
        self.fates.insert(call, fate);
        self
    }

    /// The call with this number and all later ones meet that fate, where [`at`](Self::at) says nothing else: an engine
    /// that went away.
    #[must_use]
    pub fn from(mut self, call: u64, fate: Fate) -> Self {
        self.from = Some((call, fate));
        self
    }

    /// Something else happens just before the call with this number: Ctrl-C, another operator's hand.
    #[must_use]
    pub fn before(mut self, call: u64, act: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.insert(call, Arc::new(act));
        self
    }

    /// The write to the ledger with this number, counted from 1, meets that fate.
    #[must_use]
    pub fn at_write(mut self, write: u64, fate: WriteFate) -> Self {
        self.writes.insert(write, fate);
        self
    }

    pub(super) fn write_fate(&self, write: u64) -> Option<WriteFate> {
        self.writes.get(&write).copied()
    }

    pub(super) fn fate(&self, call: u64) -> Option<Fate> {
        let later = self.from.filter(|(first, _)| call >= *first).map(|(_, fate)| fate);
        self.fates.get(&call).copied().or(later)
    }

    pub(super) fn hook(&self, call: u64) -> Option<Hook> {
        self.hooks.get(&call).cloned()
    }
}

impl fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hooks: Vec<_> = self.hooks.keys().collect();
        f.debug_struct("FaultPlan")
            .field("fates", &self.fates)
            .field("from", &self.from)
            .field("hooks", &hooks)
            .field("writes", &self.writes)
            .finish()
    }
}
