//! A ledger that notes at which moment of the world each record was written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ala_promote_core::ledger::{
    Body, Entry, FollowError, Follower, Head, LedgerError, LedgerId, LedgerStore, MemoryLedger, Record,
    Sha256Digest, Verdict,
};
use serde_json::value::RawValue;

use crate::faults::FaultyLedger;
use crate::memory::MemoryBackend;

/// What was noted, by all processes of a host. Cloning gives another handle.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// The moments that the world had when a record was written, by the record's number; the last try counts.
    moments: BTreeMap<u64, usize>,
    /// How long the ledger was before the running process wrote, and after each of its writes.
    lengths: Vec<usize>,
}

impl Notes {
    pub(super) fn moments_at(&self, seq: u64) -> usize {
        self.lock().moments.get(&seq).copied().unwrap_or_default()
    }

    pub(super) fn process_begins(&self, length: usize) {
        self.lock().lengths = vec![length];
    }

    pub(super) fn lengths(&self) -> Vec<usize> {
        self.lock().lengths.clone()
    }

    fn is_of_this_host(&self, seq: u64) -> bool {
        self.lock().moments.contains_key(&seq)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes over the ends of operations.
struct WithoutEnds<'a> {
    inner: &'a mut dyn Follower,
    notes: &'a Notes,
}

impl Follower for WithoutEnds<'_> {
    fn reset(&mut self) {
        self.inner.reset();
    }
    fn restore(&mut self, view: &RawValue) -> Result<(), FollowError> {
        self.inner.restore(view)
    }
    fn apply(&mut self, record: &Record<&RawValue>, hash: Sha256Digest) -> Result<(), FollowError> {
        let is_end = matches!(record.typed::<Body>()?.body, Body::OperationEnded { .. });
        if is_end && self.notes.is_of_this_host(record.seq) {
            return Ok(());
        }
        self.inner.apply(record, hash)
    }
    fn snapshot(&self) -> Result<Box<RawValue>, FollowError> {
        self.inner.snapshot()
    }
}

#[derive(Debug)]
pub(super) struct Watched {
    pub(super) inner: FaultyLedger<MemoryLedger>,
    /// The same ledger, for its length.
    pub(super) medium: MemoryLedger,
    pub(super) world: MemoryBackend,
    pub(super) notes: Notes,
    /// Whether it is read that operations ended, of those that ended since the host was made.
    pub(super) reads_ends: bool,
}

impl LedgerStore for Watched {
    fn id(&self) -> &LedgerId {
        self.inner.id()
    }
    fn head(&self) -> Head {
        self.inner.head()
    }
    fn refresh(&self, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        match self.reads_ends {
            true => self.inner.refresh(follower),
            false => self.inner.refresh(&mut WithoutEnds { inner: follower, notes: &self.notes }),
        }
    }
    fn append(&self, entry: &Entry, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        let (before, moments) = (self.inner.head().seq, self.world.moments());
        let appended = self.inner.append(entry, follower);
        let seq = appended.as_ref().map_or(before + 1, |head| head.seq);
        let mut notes = self.notes.lock();
        notes.moments.insert(seq, moments);
        notes.lengths.push(self.medium.bytes().len());
        appended
    }
    fn verify(&self, kept: Option<&Head>, follower: &mut dyn Follower) -> Result<Verdict, LedgerError> {
        self.inner.verify(kept, follower)
    }
    fn reserve(&self, operation: &str, bytes: u64) -> Result<(), LedgerError> {
        self.inner.reserve(operation, bytes)
    }
    fn release_reserve(&self, operation: &str) -> Result<(), LedgerError> {
        self.inner.release_reserve(operation)
    }
}
