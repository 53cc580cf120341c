//! Counting calls and deciding over them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, CancelToken};

use super::{Fate, FaultPlan, WriteFate};

/// One call of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// Its number, from 1.
    pub number: u64,
    /// What was called: `stacks.up`.
    pub method: &'static str,
    /// Whether it may change the world.
    pub changes: bool,
    /// How often the backend's future was polled: one that took `n` can be dropped at `n - 1` points half-way.
    pub polls: u32,
}

/// The controls of a [`Faulty`](super::Faulty) backend. Cloning gives another handle to the same.
#[derive(Debug, Clone)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    plan: FaultPlan,
    calls: Vec<CallRecord>,
    /// Writes to ledgers.
    writes: u64,
    /// Space that operations set aside on the ledger's disk; it outlives processes.
    reserves: BTreeMap<String, u64>,
    /// Set for ever once the process counts as killed; a restart brings a fresh one.
    crashed: CancelToken,
}

impl Inner {
    fn new(plan: FaultPlan, reserves: BTreeMap<String, u64>) -> Self {
        Self { plan, calls: Vec::new(), writes: 0, reserves, crashed: CancelToken::new() }
    }
}

impl Faults {
    pub(super) fn new(plan: FaultPlan) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner::new(plan, BTreeMap::new()))) }
    }

    /// The calls since the start, or the last restart.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.lock().calls.clone()
    }

    /// How often a ledger was written to since then.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Whether the process counts as killed: no call does or answers anything from then on.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.lock().crashed.is_cancelled()
    }

    /// Counts the process as killed, from outside of any call.
    pub fn crash(&self) {
        self.lock().crashed.cancel();
    }

    /// Begins anew, as a new process: with another plan, calls counted from 1.
    pub fn restart(&self, plan: FaultPlan) {
        let mut inner = self.lock();
        let reserves = std::mem::take(&mut inner.reserves);
        *inner = Inner::new(plan, reserves);
    }

    /// Runs a future until it is done, or drops it when the process is killed: then `None`. What is dropped does
    /// nothing more, as after `kill -9`; it must own all that would die with the process, such as a lock's guard.
    pub async fn drive<T>(&self, run: impl Future<Output = T>) -> Option<T> {
        let crashed = self.lock().crashed.clone();
        let (mut crash, mut run) = (pin!(crashed.cancelled()), Box::pin(run));
        std::future::poll_fn(|cx| {
            let polled = run.as_mut().poll(cx);
            // A run that ends in the very poll in which it was killed did not live to tell.
            match (crash.as_mut().poll(cx), polled) {
                (Poll::Ready(()), _) => Poll::Ready(None),
                (Poll::Pending, polled) => polled.map(Some),
            }
        })
        .await
    }

    /// Lets one call of a port meet its fate.
    pub(super) async fn call<T>(
        &self,
        method: &'static str,
        changes: bool,
        cancel: Option<&CancelToken>,
        call: impl Future<Output = BackendResult<T>>,
    ) -> BackendResult<T> {
        if self.is_crashed() {
            return std::future::pending().await;
        }
        let (number, fate) = self.begin(method, changes);
        let error =
            |kind, detail: &str| Err(BackendError::new(kind, method, format!("{detail} (call {number})")));
        match fate {
            None => self.polled(number, u32::MAX, call).await.unwrap_or_else(|| never(method)),
            Some(Fate::FailBefore(kind)) => error(kind, "a fault was injected before it was done"),
            Some(Fate::FailWithin { polls }) => match self.polled(number, polls, call).await {
                Some(done) => done,
                None => error(BackendErrorKind::Failed, "a fault was injected half-way"),
            },
            Some(Fate::FailAfter) => {
                self.polled(number, u32::MAX, call).await.unwrap_or_else(|| never(method))?;
                error(BackendErrorKind::Failed, "a fault was injected after it was done")
            }
            Some(Fate::ReplyLost) => {
                self.polled(number, u32::MAX, call).await.unwrap_or_else(|| never(method))?;
                error(BackendErrorKind::TimedOut, "the answer was lost, by an injected fault")
            }
            Some(Fate::CrashBefore) => self.die().await,
            Some(Fate::CrashWithin { polls }) => match self.polled(number, polls, call).await {
                Some(done) => done,
                None => self.die().await,
            },
            Some(Fate::CrashAfter) => {
                // What it gave is dropped with the process, a lock's guard for one.
                drop(self.polled(number, u32::MAX, call).await);
                self.die().await
            }
            Some(Fate::Hang) => match cancel {
                None => std::future::pending().await,
                Some(cancel) => {
                    cancel.cancelled().await;
                    error(BackendErrorKind::Cancelled, "stopped, as was asked")
                }
            },
        }
    }

    fn begin(&self, method: &'static str, changes: bool) -> (u64, Option<Fate>) {
        let (number, fate, hook) = {
            let mut inner = self.lock();
            let number = u64::try_from(inner.calls.len()).unwrap_or(u64::MAX).saturating_add(1);
            inner.calls.push(CallRecord { number, method, changes, polls: 0 });
            (number, inner.plan.fate(number), inner.plan.hook(number))
        };
        // Not under the lock: it may use these controls.
        if let Some(hook) = hook {
            hook();
        }
        (number, fate)
    }

    /// Counts a write to a ledger, and says what becomes of it.
    pub(super) fn begin_write(&self) -> Option<WriteFate> {
        let mut inner = self.lock();
        inner.writes += 1;
        inner.plan.write_fate(inner.writes)
    }

    /// Space set aside for an operation, to be changed.
    pub(super) fn with_reserves<T>(&self, change: impl FnOnce(&mut BTreeMap<String, u64>) -> T) -> T {
        change(&mut self.lock().reserves)
    }

    async fn die<T>(&self) -> T {
        self.crash();
        std::future::pending().await
    }

    /// Polls a call that often at most, then drops it: `None`.
    async fn polled<T>(&self, number: u64, most: u32, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        let mut polls = 0;
        std::future::poll_fn(|cx| {
            if polls == most {
                return Poll::Ready(None);
            }
            if self.is_crashed() {
                return Poll::Pending;
            }
            polls += 1;
            self.count_polls(number, polls);
            call.as_mut().poll(cx).map(Some)
        })
        .await
    }

    fn count_polls(&self, number: u64, polls: u32) {
        if let Some(record) = self.lock().calls.iter_mut().find(|record| record.number == number) {
            record.polls = polls;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For a future that was polled more often than can be counted.
fn never<T>(method: &'static str) -> BackendResult<T> {
    Err(BackendError::new(BackendErrorKind::TimedOut, method, "it was polled four thousand million times"))
}
