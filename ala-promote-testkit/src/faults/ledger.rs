//! The wrapper around a ledger.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ala_promote_core::ledger::{
    Entry, Follower, Head, LedgerError, LedgerId, LedgerStore, MemoryLedger, Verdict,
};

use super::{Faults, WriteFate};

/// A ledger whose bytes can be cut back, as a crash in the middle of a write does.
pub trait Medium: LedgerStore {
    /// Its bytes so far.
    fn length(&self) -> usize;

    /// Leaves that many bytes.
    fn cut_back(&self, length: usize);
}

impl Medium for MemoryLedger {
    fn length(&self) -> usize {
        self.bytes().len()
    }
    fn cut_back(&self, length: usize) {
        Self::cut_back(self, length);
    }
}

/// A ledger whose writes are counted and may meet a fate. Each process opens one of its own, as it does the ledger.
#[derive(Debug)]
pub struct FaultyLedger<L> {
    inner: L,
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why nothing more is taken.
    poisoned: Option<String>,
    full: bool,
}

impl<L: Medium> FaultyLedger<L> {
    /// Wraps a ledger, controlled by what controls the process's backend.
    #[must_use]
    pub fn new(inner: L, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> Result<(), LedgerError> {
        if self.faults.is_crashed() {
            return Err(dead());
        }
        match &self.state().poisoned {
            Some(cause) => Err(LedgerError::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn die<T>(&self) -> Result<T, LedgerError> {
        self.faults.crash();
        Err(dead())
    }

    /// Lets one write meet its fate. `spare` is the operation whose space it may use on a full disk.
    fn write<T>(
        &self,
        spare: Option<&str>,
        write: impl FnOnce() -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.alive()?;
        match self.faults.begin_write() {
            None => {}
            Some(WriteFate::CrashBefore) => return self.die(),
            Some(WriteFate::Torn) => {
                let before = self.inner.length();
                drop(write());
                let written = self.inner.length().saturating_sub(before);
                self.inner.cut_back(before + written / 2);
                return self.die();
            }
            Some(WriteFate::CrashAfter) => {
                drop(write());
                return self.die();
            }
            Some(WriteFate::DiskFull) => self.state().full = true,
            Some(WriteFate::SyncError { written }) => {
                if written {
                    drop(write());
                }
                let source = Error::other("an injected fault");
                let lost = LedgerError::DurabilityLost { action: "sync", path: path(), source };
                self.state().poisoned = Some(lost.to_string());
                return Err(lost);
            }
        }
        if !self.state().full {
            return write();
        }
        let room = spare.map_or(0, |operation| {
            self.faults.with_reserves(|reserves| reserves.get(operation).copied().unwrap_or_default())
        });
        if room == 0 {
            return Err(no_space());
        }
        let before = self.inner.length();
        let done = write();
        let used = u64::try_from(self.inner.length().saturating_sub(before)).unwrap_or(u64::MAX);
        if let Some(operation) = spare {
            self.faults.with_reserves(|r| r.insert(operation.to_owned(), room.saturating_sub(used)));
        }
        done
    }
}

impl<L: Medium> LedgerStore for FaultyLedger<L> {
    fn id(&self) -> &LedgerId {
        self.inner.id()
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn refresh(&self, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        self.alive()?;
        self.inner.refresh(follower)
    }

    fn append(&self, entry: &Entry, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        let spare = entry.operation().filter(|_| entry.uses_reserve());
        self.write(spare, || self.inner.append(entry, follower))
    }

    fn verify(&self, kept: Option<&Head>, follower: &mut dyn Follower) -> Result<Verdict, LedgerError> {
        self.inner.verify(kept, follower)
    }

    fn reserve(&self, operation: &str, bytes: u64) -> Result<(), LedgerError> {
        self.write(None, || {
            self.inner.reserve(operation, bytes)?;
            self.faults.with_reserves(|reserves| reserves.insert(operation.to_owned(), bytes));
            Ok(())
        })
    }

    fn release_reserve(&self, operation: &str) -> Result<(), LedgerError> {
        // To give space back needs none.
        self.write(Some(operation), || {
            self.inner.release_reserve(operation)?;
            self.faults.with_reserves(|reserves| reserves.remove(operation));
            Ok(())
        })
    }
}

fn path() -> PathBuf {
    PathBuf::from("the ledger under test")
}

fn no_space() -> LedgerError {
    let source = Error::from(ErrorKind::StorageFull);
    LedgerError::NoSpace { action: "append to", path: path(), source }
}

fn dead() -> LedgerError {
    LedgerError::Poisoned { cause: "the process is dead".to_owned() }
}
