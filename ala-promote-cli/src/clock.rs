//! The system's clock.

use std::time::Duration;

use ala_promote_core::backend::Clock;
use async_trait::async_trait;
use jiff::Timestamp;

/// The system's clock, over tokio's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
