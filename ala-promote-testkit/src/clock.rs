//! Time that passes only when all who could do something wait for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use ala_promote_core::backend::Clock;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// A clock whose hours pass in microseconds. Cloning gives another handle to the same clock.
///
/// A sleeper lets time jump to the earliest moment that anybody sleeps until, but only when nothing happened since it
/// was last polled: so a call of the in-memory backend that is raced against a deadline wins, and of two deadlines the
/// earlier one comes first. Work that this crate can't see (another thread, a real child process) does not hold time
/// up; don't race that against this clock.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    now: Timestamp,
    /// Grows with each sign of life.
    activity: u64,
    next_sleeper: u64,
    sleepers: BTreeMap<u64, Timestamp>,
}

impl VirtualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        let inner = Inner { now: start, activity: 0, next_sleeper: 0, sleepers: BTreeMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Lets time pass now, whoever waits.
    pub fn advance(&self, duration: Duration) {
        let mut inner = self.lock();
        inner.now = after(inner.now, duration);
        inner.activity += 1;
    }

    /// Sets the time back, as somebody does who mends a clock. Who sleeps, sleeps until the time that was meant.
    pub fn set_back(&self, duration: Duration) {
        let mut inner = self.lock();
        let before = SignedDuration::try_from(duration).ok().and_then(|d| inner.now.checked_sub(d).ok());
        inner.now = before.unwrap_or(Timestamp::MIN);
        inner.activity += 1;
    }

    /// Says that something happened, so that time waits for what follows from it.
    pub fn note_activity(&self) {
        self.lock().activity += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for VirtualClock {
    /// Stands at 2025-10-29 14:30:22 UTC.
    fn default() -> Self {
        Self::starting_at(Timestamp::constant(1_761_748_222, 0))
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    async fn sleep(&self, duration: Duration) {
        let id = {
            let mut inner = self.lock();
            let (id, until) = (inner.next_sleeper, after(inner.now, duration));
            inner.next_sleeper += 1;
            inner.activity += 1;
            inner.sleepers.insert(id, until);
            id
        };
        Sleeper { clock: self.clone(), id, seen: None }.await;
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration).ok().and_then(|d| now.checked_add(d).ok()).unwrap_or(Timestamp::MAX)
}

struct Sleeper {
    clock: VirtualClock,
    id: u64,
    /// The activity at the last poll.
    seen: Option<u64>,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut inner = clock.lock();
        if self.seen == Some(inner.activity) {
            // Sleepers whose time has come but who were not polled again hold nobody up.
            let now = inner.now;
            if let Some(earliest) = inner.sleepers.values().copied().filter(|until| *until > now).min() {
                inner.now = earliest;
                inner.activity += 1;
            }
        }
        if inner.sleepers.get(&self.id).is_none_or(|until| *until <= inner.now) {
            return Poll::Ready(());
        }
        self.seen = Some(inner.activity);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut inner = self.clock.lock();
        inner.sleepers.remove(&self.id);
        inner.activity += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{Either, join, select};
    use futures_util::pin_mut;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    async fn naps(clock: &VirtualClock, count: u32) -> Timestamp {
        for _ in 0..count {
            clock.sleep(seconds(1)).await;
        }
        clock.now()
    }

    #[tokio::test]
    async fn of_two_deadlines_the_earlier_comes_first() {
        let clock = VirtualClock::default();
        let start = clock.now();
        let (many_short, one_long) = (naps(&clock, 50), clock.sleep(seconds(60)));
        pin_mut!(many_short, one_long);
        match select(many_short, one_long).await {
            Either::Left((at, _)) => assert_eq!(at, start + SignedDuration::from_secs(50)),
            Either::Right(_) => panic!("a minute passed before fifty seconds did"),
        }
    }

    #[tokio::test]
    async fn work_that_is_seen_holds_time_up() {
        let clock = VirtualClock::default();
        let work = async {
            for _ in 0..1000 {
                clock.note_activity();
                tokio::task::yield_now().await;
            }
        };
        let deadline = clock.sleep(seconds(1));
        pin_mut!(work, deadline);
        assert!(matches!(select(work, deadline).await, Either::Left(_)));
    }

    #[tokio::test]
    async fn side_by_side_sleeps_do_not_add_up() {
        let clock = VirtualClock::default();
        let start = clock.now();
        join(clock.sleep(seconds(3)), clock.sleep(seconds(5))).await;
        assert_eq!(clock.now(), start + SignedDuration::from_secs(5));
    }

    #[tokio::test]
    async fn a_sleeper_that_nobody_polls_holds_nobody_up() {
        let clock = VirtualClock::default();
        let forgotten = clock.sleep(seconds(1));
        pin_mut!(forgotten);
        assert!(futures_util::poll!(forgotten.as_mut()).is_pending());
        clock.sleep(seconds(10)).await;
    }
}
