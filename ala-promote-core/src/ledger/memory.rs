//! The ledger in memory.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chain::{Head, LedgerId, is_plain_id, verify_line};
use super::cursor::Cursor;
use super::error::{Flaw, LedgerError};
use super::record::{Entry, TornTail};
use super::segment::Segment;
use super::store::{Follower, LedgerStore, Search, Verdict, take_in};

/// What errors name in the place of a file.
const PATH: &str = "the ledger in memory";

/// A ledger that lives as long as the program: for tests, and for those who keep its bytes
/// themselves.
///
/// Its bytes are those of a single segment. It keeps no checkpoints, and never runs out of space.
#[derive(Debug)]
pub struct MemoryLedger {
    id: LedgerId,
    shared: Arc<Mutex<Shared>>,
    cursor: Mutex<Option<Cursor>>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: Vec<u8>,
    /// What was cut off and is still to be named.
    cut: Vec<TornTail>,
}

impl MemoryLedger {
    /// A ledger without records.
    #[must_use]
    pub fn new(id: LedgerId) -> Self {
        Self::from_bytes(id, Vec::new())
    }

    /// The ledger that has these bytes; they are looked at by the first call of the store's
    /// methods.
    #[must_use]
    pub fn from_bytes(id: LedgerId, bytes: Vec<u8>) -> Self {
        Self { id, shared: Arc::new(Mutex::new(Shared { bytes, cut: Vec::new() })), cursor: Mutex::default() }
    }

    /// The same ledger, opened once more, as another process would.
    #[must_use]
    pub fn open_again(&self) -> Self {
        Self { id: self.id.clone(), shared: Arc::clone(&self.shared), cursor: Mutex::default() }
    }

    /// All bytes of the ledger.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.shared().bytes.clone()
    }

    /// Leaves the first `length` bytes only, as a crash in the middle of a write would, or a person. Stores that have
    /// read more find it damaged.
    pub fn cut_back(&self, length: usize) {
        self.shared().bytes.truncate(length);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cursor(&self) -> Result<MutexGuard<'_, Option<Cursor>>, LedgerError> {
        let cause = "a follower panicked, so that what it has seen is unknown";
        self.cursor.lock().map_err(|_| LedgerError::Poisoned { cause: cause.to_owned() })
    }

    fn start(&self) -> Cursor {
        Cursor::at_start_of(Segment::FIRST, Head::genesis(self.id.clone()))
    }

    fn catch_up<'a>(
        &self,
        cursor: &'a mut Option<Cursor>,
        bytes: &[u8],
        follower: &mut dyn Follower,
    ) -> Result<(&'a mut Cursor, Option<TornTail>), LedgerError> {
        let cursor = cursor.get_or_insert_with(|| {
            follower.reset();
            self.start()
        });
        // Whoever cut the bytes back took away what this store has read.
        let Some(new) = usize::try_from(cursor.at.offset).ok().and_then(|offset| bytes.get(offset..)) else {
            return Err(cursor.damage(Flaw::HeadGone { seq: cursor.head.seq, hash: cursor.head.hash }));
        };
        let torn = cursor.follow(new, Path::new(PATH), &mut |link| take_in(follower, link))?;
        Ok((cursor, torn))
    }
}

impl LedgerStore for MemoryLedger {
    fn id(&self) -> &LedgerId {
        &self.id
    }

    fn head(&self) -> Head {
        let cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        cursor.as_ref().map_or_else(|| self.start().head, |cursor| cursor.head.clone())
    }

    fn refresh(&self, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        let mut cursor = self.cursor()?;
        let shared = self.shared();
        let (cursor, _) = self.catch_up(&mut cursor, &shared.bytes, follower)?;
        Ok(cursor.head.clone())
    }

    fn append(&self, entry: &Entry, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        let mut cursor = self.cursor()?;
        let mut shared = self.shared();
        let (cursor, torn) = self.catch_up(&mut cursor, &shared.bytes, follower)?;
        if let Some(torn) = torn {
            let good = shared.bytes.len() - torn.length as usize;
            shared.bytes.truncate(good);
            shared.cut.push(torn);
        }
        let line = entry.line(cursor.head.seq + 1, cursor.head.hash, &shared.cut)?;
        let link = verify_line(&cursor.head, line.trim_end_matches('\n').as_bytes())
            .map_err(|_| cursor.damage(Flaw::NotARecord))?;
        shared.bytes.extend_from_slice(line.as_bytes());
        shared.cut.clear();
        take_in(follower, &link)?;
        cursor.pass(&link, line.len() as u64);
        Ok(cursor.head.clone())
    }

    fn verify(&self, kept: Option<&Head>, follower: &mut dyn Follower) -> Result<Verdict, LedgerError> {
        follower.reset();
        let (mut cursor, mut search) = (self.start(), Search::new(kept, &self.id));
        let outcome = cursor.follow(&self.shared().bytes[..], Path::new(PATH), &mut |link| {
            search.pass(&self.id, link.record.seq, link.hash);
            take_in(follower, link)
        });
        match outcome {
            Ok(torn) => Ok(search.verdict(cursor.head, torn, Vec::new())),
            Err(LedgerError::Damaged(damage)) => Ok(Verdict::Damaged(damage)),
            Err(error) => Err(error),
        }
    }

    fn reserve(&self, operation: &str, _bytes: u64) -> Result<(), LedgerError> {
        if is_plain_id(operation) { Ok(()) } else { Err(LedgerError::InvalidId { id: operation.to_owned() }) }
    }

    fn release_reserve(&self, operation: &str) -> Result<(), LedgerError> {
        self.reserve(operation, 0)
    }
}
