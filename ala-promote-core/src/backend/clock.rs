//! Time, as a port: so that tests need none.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now. May jump; durations are never taken from it.
    fn now(&self) -> Timestamp;

    /// Waits at least this long.
    async fn sleep(&self, duration: Duration);
}
