//! What a host has: a clock, and ports that are free.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use ala_promote_core::backend::Clock;
use async_trait::async_trait;

/// The host's clock.
#[derive(Debug, Clone, Copy)]
pub struct TimeOfDay;

#[async_trait]
impl Clock for TimeOfDay {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A port on loopback that nobody holds now.
///
/// # Errors
/// When the host gives none.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
