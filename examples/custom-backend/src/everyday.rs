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

/// Two ports on loopback that nobody holds now.
///
/// # Errors
/// When the host gives none.
pub fn free_ports() -> std::io::Result<[u16; 2]> {
    // Both are held at once, so that they differ.
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let [one, other] = [bind()?, bind()?];
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}
