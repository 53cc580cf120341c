//! The ledger in a folder.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::chain::{Head, LedgerId, verify_line};
use super::cursor::Cursor;
use super::disk::{self, Disk, RealDisk};
use super::error::{Flaw, LedgerError, LedgerErrorKind};
use super::folder::{Event, Folder, expect_folder};
use super::lock::{Against, Lock};
use super::record::{Entry, TornTail};
use super::reserve::Reserve;
use super::store::{Follower, LedgerStore, Verdict, take_in};
use super::torn;

/// How a [`FileLedger`] goes about its work. The processes that use a ledger need not agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLedgerOptions {
    /// A segment of this many bytes or more gets no further record; the next one begins a new
    /// segment.
    pub segment_bytes: u64,
    /// How long an append waits for those of others.
    pub lock_patience: Duration,
}

impl Default for FileLedgerOptions {
    fn default() -> Self {
        Self { segment_bytes: 4 << 20, lock_patience: Duration::from_secs(10) }
    }
}

/// A ledger in a folder, as the [module's documentation](super) shows it.
///
/// It is known to work on local file systems of Unix. The folder is locked by `flock`, which on a
/// network file system may exclude the processes of one host only.
#[derive(Debug)]
pub struct FileLedger {
    folder: Folder,
    options: FileLedgerOptions,
    disk: Box<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the follower is; `None` before the first look.
    cursor: Option<Cursor>,
    /// Why nothing more is written.
    poisoned: Option<String>,
}

impl FileLedger {
    /// Makes `folder` (mode 0700, its parent must exist) a ledger without records, and opens it.
    ///
    /// A creation that a crash cut short is completed.
    ///
    /// # Errors
    /// [`LedgerError::AlreadyExists`]; damage, if there are records without an id; or an error of
    /// the system.
    pub fn create(folder: &Path, id: LedgerId, options: FileLedgerOptions) -> Result<Self, LedgerError> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(LedgerError::io("create", folder, error));
            }
            _ => expect_folder(folder)?,
        }
        let _lock = Lock::take(folder, Against::All, options.lock_patience)?;
        let created = Folder::create(folder, id, &RealDisk)?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk::sync_folder(parent)?;
        }
        Ok(Self::at(created, options))
    }

    /// Opens the ledger in `folder`. Its records are read by the first call of the store's methods.
    ///
    /// # Errors
    /// [`LedgerError::Missing`]; damage, if there are records without an id; or an error of the
    /// system.
    pub fn open(folder: &Path, options: FileLedgerOptions) -> Result<Self, LedgerError> {
        Ok(Self::at(Folder::open(folder)?, options))
    }

    fn at(folder: Folder, options: FileLedgerOptions) -> Self {
        Self { folder, options, disk: Box::new(RealDisk), state: Mutex::default() }
    }

    /// Lets a test make the disk fail.
    #[cfg(test)]
    pub(super) fn set_disk(&mut self, disk: Box<dyn Disk>) {
        self.disk = disk;
    }

    fn lock(&self, against: Against) -> Result<Lock, LedgerError> {
        Lock::take(&self.folder.path, against, self.options.lock_patience)
    }

    /// The state, if what it says can still be relied on.
    fn state(&self) -> Result<MutexGuard<'_, State>, LedgerError> {
        let cause = "a follower panicked, so that what it has seen is unknown";
        match self.state.lock() {
            Ok(state) => match &state.poisoned {
                None => Ok(state),
                Some(cause) => Err(LedgerError::Poisoned { cause: cause.clone() }),
            },
            Err(_) => Err(LedgerError::Poisoned { cause: cause.to_owned() }),
        }
    }

    /// Brings the follower up to the end of the chain.
    fn catch_up<'a>(
        &self,
        state: &'a mut State,
        follower: &mut dyn Follower,
    ) -> Result<(&'a mut Cursor, Option<TornTail>), LedgerError> {
        let cursor = match &mut state.cursor {
            Some(cursor) => cursor,
            none => none.insert(self.folder.start(follower)?),
        };
        let torn = self.folder.walk(cursor, &mut |event| match event {
            Event::Record(link) => take_in(follower, link),
            Event::End(segment, head) => {
                self.folder.keep_checkpoint(segment, head, follower);
                Ok(())
            }
        })?;
        Ok((cursor, torn))
    }

    /// One attempt to append, under the lock. An error leaves everything as it was, unless it is
    /// `DurabilityLost`.
    fn try_append(
        &self,
        state: &mut State,
        entry: &Entry,
        follower: &mut dyn Follower,
    ) -> Result<Head, LedgerError> {
        let (mut cursor, torn) = self.catch_up(state, follower)?;
        let cut = self.cut(cursor, torn)?;
        if cursor.at.offset >= self.options.segment_bytes {
            self.folder.create_segment(cursor.at.segment.next(), self.disk.as_ref())?;
            (cursor, _) = self.catch_up(state, follower)?;
        }
        let line = entry.line(cursor.head.seq + 1, cursor.head.hash, &cut)?;
        // Nothing is written that could not be read back.
        let link = verify_line(&cursor.head, line.trim_end_matches('\n').as_bytes())
            .map_err(|_| cursor.damage(Flaw::NotARecord))?;
        let path = self.folder.file(cursor.at.segment);
        let file = disk::open(&path, OpenOptions::new().write(true))?;
        disk::append(self.disk.as_ref(), &file, &path, cursor.at.offset, line.as_bytes())?;
        if !cut.is_empty() {
            torn::clear(&self.folder.path);
        }
        take_in(follower, &link)?;
        cursor.pass(&link, line.len() as u64);
        Ok(cursor.head.clone())
    }

    /// Cuts off `torn`, which begins at the cursor, and returns all tails that the next record has
    /// to name.
    fn cut(&self, cursor: &Cursor, torn: Option<TornTail>) -> Result<Vec<TornTail>, LedgerError> {
        let mut tails = torn::noted(&self.folder.path, cursor.head.seq)?;
        if let Some(torn) = torn {
            // It is the noted one again if the last attempt died before its cut.
            if tails.last() != Some(&torn) {
                tails.push(torn);
                torn::note(self.disk.as_ref(), &self.folder.path, cursor.head.seq, &tails)?;
            }
            let path = self.folder.file(cursor.at.segment);
            let file = disk::open(&path, OpenOptions::new().write(true))?;
            disk::cut(self.disk.as_ref(), &file, &path, cursor.at.offset)?;
        }
        Ok(tails)
    }

    /// Looks again, with appenders kept out, when a look found damage. While an append that failed
    /// is taken back, or a torn tail is replaced, a look beside it can meet a mixture of old and
    /// new bytes.
    fn settled<T>(&self, mut look: impl FnMut() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        match look() {
            Err(damage) if damage.kind() == LedgerErrorKind::Damaged => match self.lock(Against::Appenders) {
                Ok(_lock) => look(),
                Err(_) => Err(damage),
            },
            outcome => outcome,
        }
    }
}

impl LedgerStore for FileLedger {
    fn id(&self) -> &LedgerId {
        &self.folder.id
    }

    fn head(&self) -> Head {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cursor.as_ref().map_or_else(|| self.folder.genesis(), |cursor| cursor.head.clone())
    }

    fn refresh(&self, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        let mut state = self.state()?;
        self.settled(|| self.catch_up(&mut state, follower).map(|(cursor, _)| cursor.head.clone()))
    }

    fn append(&self, entry: &Entry, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        let mut state = self.state()?;
        let _lock = self.lock(Against::All)?;
        let mut outcome = self.try_append(&mut state, entry, follower);
        if let Err(LedgerError::NoSpace { .. }) = outcome
            && entry.may_use_reserve
            && let Some(operation) = entry.operation()
            && Reserve::of(&self.folder.path, operation)?.release()?
        {
            outcome = self.try_append(&mut state, entry, follower);
        }
        if let Err(lost @ LedgerError::DurabilityLost { source, .. }) = &outcome {
            state.poisoned = Some(format!("{lost}: {source}"));
        }
        outcome
    }

    fn verify(&self, kept: Option<&Head>, follower: &mut dyn Follower) -> Result<Verdict, LedgerError> {
        match self.settled(|| self.folder.verify(kept, follower)) {
            Err(LedgerError::Damaged(damage)) => Ok(Verdict::Damaged(damage)),
            outcome => outcome,
        }
    }

    fn reserve(&self, operation: &str, bytes: u64) -> Result<(), LedgerError> {
        Reserve::of(&self.folder.path, operation)?.take(bytes)
    }

    fn release_reserve(&self, operation: &str) -> Result<(), LedgerError> {
        Reserve::of(&self.folder.path, operation)?.release().map(drop)
    }
}
