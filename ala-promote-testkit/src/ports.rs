//! Ports for tests.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// A TCP port on 127.0.0.1 that nobody listened on a moment ago. One process gets each port once: the kernel alone would
/// give a port again as soon as it is let go, and two services of one test would be told the same.
///
/// # Errors
/// When the host has no port to give.
///
/// ```
/// let (one, other) = (ala_promote_testkit::free_port()?, ala_promote_testkit::free_port()?);
/// assert_ne!(one, other);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // What was given before is held meanwhile, so that the kernel chooses another.
    let mut held = Vec::new();
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if given.insert(port) {
            return Ok(port);
        }
        held.push(listener);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..2000).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 2000);
    }
}
