//! The ledger with its bodies typed, and the view of them kept up to date.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    Body, Entry, FollowError, Follower, Head, LedgerError, LedgerStore, LedgerView, Record, Sha256Digest,
    Verdict,
};
use crate::domain::OperationId;

/// The ledger with its bodies typed, and the view of them kept up to date.
#[derive(Debug)]
pub struct Journal {
    store: Box<dyn LedgerStore>,
    view: Mutex<LedgerView>,
}

impl Journal {
    /// Opens the records of a store, which must not have been read before.
    ///
    /// # Errors
    /// As [`LedgerStore::refresh`] gives them.
    pub fn open(store: Box<dyn LedgerStore>) -> Result<Self, LedgerError> {
        let journal = Self { store, view: Mutex::new(LedgerView::default()) };
        journal.refresh()?;
        Ok(journal)
    }

    /// Reads what other processes wrote.
    ///
    /// # Errors
    /// As [`LedgerStore::refresh`] gives them.
    pub fn refresh(&self) -> Result<Head, LedgerError> {
        self.store.refresh(&mut Following(&mut self.lock()))
    }

    /// The records so far, as a view.
    #[must_use]
    pub fn view(&self) -> LedgerView {
        self.lock().clone()
    }

    /// The end of the chain, as far as it was read.
    #[must_use]
    pub fn head(&self) -> Head {
        self.store.head()
    }

    /// Appends a record; on success it is durable, and in the view.
    ///
    /// # Errors
    /// As [`LedgerStore::append`] gives them.
    pub fn append(
        &self,
        at: Timestamp,
        operation: Option<&OperationId>,
        body: &Body,
    ) -> Result<Head, LedgerError> {
        self.append_entry(at, operation, body, ends_or_undoes(body))
    }

    /// The same for a record of an operation that can't go back any more, only on to its end: on a full disk it may use
    /// the space that was set aside, whatever it says.
    ///
    /// # Errors
    /// As [`LedgerStore::append`] gives them.
    pub fn append_after_commit(
        &self,
        at: Timestamp,
        operation: &OperationId,
        body: &Body,
    ) -> Result<Head, LedgerError> {
        self.append_entry(at, Some(operation), body, true)
    }

    fn append_entry(
        &self,
        at: Timestamp,
        operation: Option<&OperationId>,
        body: &Body,
        may_use_reserve: bool,
    ) -> Result<Head, LedgerError> {
        let not_written = |source: serde_json::Error| LedgerError::NotUnderstood {
            seq: self.head().seq + 1,
            source: source.into(),
        };
        let entry = Entry::new(at, operation.map(ToString::to_string), body).map_err(not_written)?;
        let entry = if may_use_reserve { entry.may_use_reserve() } else { entry };
        self.store.append(&entry, &mut Following(&mut self.lock()))
    }

    /// Sets space aside for the records of an undo.
    ///
    /// # Errors
    /// As [`LedgerStore::reserve`] gives them.
    pub fn reserve(&self, operation: &OperationId, bytes: u64) -> Result<(), LedgerError> {
        self.store.reserve(operation.as_str(), bytes)
    }

    /// Gives the space set aside back.
    ///
    /// # Errors
    /// As [`LedgerStore::release_reserve`] gives them.
    pub fn release_reserve(&self, operation: &OperationId) -> Result<(), LedgerError> {
        self.store.release_reserve(operation.as_str())
    }

    /// Reads and checks everything from the first record on; `kept` is a head that was kept elsewhere.
    ///
    /// # Errors
    /// As [`LedgerStore::verify`] gives them.
    pub fn verify(&self, kept: Option<&Head>) -> Result<Verdict, LedgerError> {
        self.store.verify(kept, &mut Following(&mut LedgerView::default()))
    }

    fn lock(&self) -> MutexGuard<'_, LedgerView> {
        // A panic while it was held can't leave a view half changed that matters: the records are the truth.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records that must get through when the disk is full.
fn ends_or_undoes(body: &Body) -> bool {
    !matches!(
        body,
        Body::OperationStarted { .. }
            | Body::StepStarted { .. }
            | Body::Refused { .. }
            | Body::NotConfirmed { .. }
    )
}

struct Following<'a>(&'a mut LedgerView);

impl Follower for Following<'_> {
    fn reset(&mut self) {
        *self.0 = LedgerView::default();
    }

    fn restore(&mut self, view: &RawValue) -> Result<(), FollowError> {
        *self.0 = serde_json::from_str(view.get())?;
        Ok(())
    }

    fn apply(&mut self, record: &Record<&RawValue>, _: Sha256Digest) -> Result<(), FollowError> {
        let record = record.typed::<Body>()?;
        let operation = record.operation.map(OperationId::new).transpose()?;
        self.0.apply(record.time, operation.as_ref(), &record.body);
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<RawValue>, FollowError> {
        Ok(to_raw_value(&*self.0)?)
    }
}
