//! The port through which the ledger is kept, and what uses it.

use std::error::Error;
use std::fmt;

use serde_json::value::RawValue;

use super::chain::{Head, LedgerId, Link};
use super::error::{Damage, LedgerError};
use super::hash::Sha256Digest;
use super::record::{Entry, Record, TornTail};
use super::segment::Segment;

/// A fold over the records: it turns them, one after another, into a view of what they mean.
///
/// A store reads each record once and gives it to the follower of that call, so one store goes with
/// one follower; a new follower needs a newly opened store. A follower must not call the store that
/// calls it.
pub trait Follower {
    /// Forgets everything: what comes next is record 1, or a view to [`restore`](Self::restore).
    fn reset(&mut self);

    /// Goes on from a `view` that [`snapshot`](Self::snapshot) has given; the records up to it will
    /// not come.
    ///
    /// # Errors
    /// The view is not of the form that `snapshot` gives now. This costs time only: an older view
    /// is tried, or all records are given again.
    fn restore(&mut self, view: &RawValue) -> Result<(), FollowError>;

    /// Takes in the next record; `hash` is its hash in the chain.
    ///
    /// - On success the record is not given again; after an error it is given again by the next
    ///   call.
    ///
    /// # Errors
    /// The record can't be understood, for example because a newer program wrote it.
    fn apply(&mut self, record: &Record<&RawValue>, hash: Sha256Digest) -> Result<(), FollowError>;

    /// The view as it is, to be kept in a checkpoint.
    ///
    /// - The same records give the same text, whether they came one by one or after a `restore`.
    ///
    /// # Errors
    /// It can't be written. This costs time at the next opening only.
    fn snapshot(&self) -> Result<Box<RawValue>, FollowError>;
}

/// Why a [`Follower`] could not do its part.
pub type FollowError = Box<dyn Error + Send + Sync>;

/// Keeps the records of one ledger.
///
/// Several stores, of one process or of many, can be open on one ledger. All calls block.
pub trait LedgerStore: fmt::Debug + Send + Sync {
    /// Which ledger this is.
    fn id(&self) -> &LedgerId;

    /// The head of what this store has read or written: what its follower has seen.
    ///
    /// - Before the first `refresh` or `append` it is the genesis head.
    /// - It moves only over records that were verified and that the follower has taken, and over
    ///   own records only once they are durable.
    fn head(&self) -> Head;

    /// Reads what is new since the last call, and returns the new head.
    ///
    /// - The first call resets the follower, then restores the newest view that fits the chain, if
    ///   any, and gives it the records after that. A view that does not fit is passed over.
    /// - Each line is verified before the follower gets its record. After an error, head and
    ///   follower are behind the last good record.
    /// - Needs no permission to write, and waits for no appender.
    /// - A torn tail is not an error, and is left alone: it may be an append in progress.
    ///
    /// # Errors
    /// Damage, a newer format, a record that the follower does not take, or an error of the system.
    fn refresh(&self, follower: &mut dyn Follower) -> Result<Head, LedgerError>;

    /// Appends a record, and returns the head that it makes.
    ///
    /// - On success the record is durable, and the follower has it.
    /// - Records that others appended since the last call are read first, as by `refresh`; the new
    ///   one comes after.
    /// - Appends are one at a time, among all stores of the ledger. To wait for others has a bound.
    /// - A torn tail is cut off, and the new record names it in [`Record::cut`]; also if the
    ///   process dies between.
    /// - When the disk is full, what was written in part is taken back, and the ledger is as
    ///   before. If the entry [may use the reserve](Entry::may_use_reserve) of its operation, the
    ///   reserve is freed and the append tried exactly once more.
    /// - After any other failure to write or sync, this store refuses every later append and
    ///   refresh, without trying: nobody knows whether what can be read is on the disk.
    ///
    /// # Errors
    /// As for `refresh`; also [`Locked`](LedgerError::Locked), [`NoSpace`](LedgerError::NoSpace),
    /// [`NotPermitted`](LedgerError::NotPermitted), [`TooLong`](LedgerError::TooLong), and those
    /// that mean the end: [`DurabilityLost`](LedgerError::DurabilityLost) and then
    /// [`Poisoned`](LedgerError::Poisoned). If the follower does not take the new record itself
    /// ([`NotUnderstood`](LedgerError::NotUnderstood) with its number), the record is durable
    /// nevertheless.
    fn append(&self, entry: &Entry, follower: &mut dyn Follower) -> Result<Head, LedgerError>;

    /// Reads and checks everything, from the first record on.
    ///
    /// - A `kept` head, one that was remembered elsewhere, must be in the chain; so a cut and a
    ///   full rewrite show.
    /// - The follower is reset, and gets all records. Use one of its own, for it does not come from
    ///   this store's head.
    /// - Changes nothing, neither on the disk nor in this store.
    ///
    /// # Errors
    /// A newer format, a record that the follower does not take, or an error of the system. Damage
    /// is an answer.
    fn verify(&self, kept: Option<&Head>, follower: &mut dyn Follower) -> Result<Verdict, LedgerError>;

    /// Sets space aside for records that `operation` may have to write when the disk is full.
    ///
    /// - On success the space is really taken, and stays so over a crash.
    /// - With a reserve of at least `bytes` there already, nothing is done.
    /// - Each operation has its own, so that none gives away another's.
    ///
    /// # Errors
    /// [`NoSpace`](LedgerError::NoSpace), with nothing taken;
    /// [`InvalidId`](LedgerError::InvalidId); or an error of the system.
    fn reserve(&self, operation: &str, bytes: u64) -> Result<(), LedgerError>;

    /// Gives the space of `operation` back.
    ///
    /// - To release what is not there succeeds.
    ///
    /// # Errors
    /// [`InvalidId`](LedgerError::InvalidId), or an error of the system.
    fn release_reserve(&self, operation: &str) -> Result<(), LedgerError>;
}

/// What [`LedgerStore::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Every record is the one that was written, and none is missing up to the kept head, if one
    /// was given.
    Intact {
        /// How many records there are.
        records: u64,
        /// Where the chain ends.
        head: Head,
        /// An append in progress, or one that a crash cut short. The next append cuts and names it.
        torn: Option<TornTail>,
        /// Segments with a checkpoint that does not say what the records say, so that it is not
        /// used, or should not be. To delete it does no harm.
        stale_checkpoints: Vec<Segment>,
    },
    /// Something is not as it was written.
    Damaged(Damage),
    /// The chain fits together, but is not the one that the kept head was taken from: it was cut or
    /// rewritten.
    DoesNotContain {
        /// The head that was kept.
        kept: Head,
        /// The head that the ledger has.
        head: Head,
    },
}

/// Gives the record to the follower.
pub(super) fn take_in(follower: &mut dyn Follower, link: &Link<'_>) -> Result<(), LedgerError> {
    follower
        .apply(&link.record, link.hash)
        .map_err(|source| LedgerError::NotUnderstood { seq: link.record.seq, source })
}

/// Looks for a kept head among the heads that a chain goes through.
#[derive(Debug)]
pub(super) struct Search<'a> {
    kept: Option<&'a Head>,
    found: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(kept: Option<&'a Head>, ledger: &LedgerId) -> Self {
        let found = kept.is_none_or(|kept| *kept == Head::genesis(ledger.clone()));
        Self { kept, found }
    }

    /// The chain goes through record `seq` with this hash.
    pub(super) fn pass(&mut self, ledger: &LedgerId, seq: u64, hash: Sha256Digest) {
        self.found |=
            self.kept.is_some_and(|kept| kept.seq == seq && kept.hash == hash && kept.ledger == *ledger);
    }

    /// The verdict on a chain that fits together.
    pub(super) fn verdict(
        self,
        head: Head,
        torn: Option<TornTail>,
        stale_checkpoints: Vec<Segment>,
    ) -> Verdict {
        match self.kept {
            Some(kept) if !self.found => Verdict::DoesNotContain { kept: kept.clone(), head },
            _ => Verdict::Intact { records: head.seq, head, torn, stale_checkpoints },
        }
    }
}
