//! Standard input.

use std::io::{IsTerminal, Read};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::input::{Input, MAX_LINE_BYTES};

/// Standard input. A line that was waited for in vain is lost with the process.
pub(super) struct ProcessInput;

#[async_trait]
impl Input for ProcessInput {
    fn is_terminal(&self) -> bool {
        std::io::stdin().is_terminal()
    }

    async fn line(&self) -> Vec<u8> {
        let (sender, receiver) = oneshot::channel();
        // A thread of its own, which nobody waits for: a read from an open pipe can't be stopped.
        let thread = std::thread::Builder::new().name("stdin".to_owned());
        let started = thread.spawn(move || {
            let _ = sender.send(read_line());
        });
        if started.is_err() {
            return Vec::new();
        }
        receiver.await.unwrap_or_default()
    }
}

fn read_line() -> Vec<u8> {
    let mut line = Vec::new();
    let mut input = std::io::stdin().lock();
    let mut byte = [0];
    while line.len() < MAX_LINE_BYTES && line.last() != Some(&b'\n') {
        match input.read(&mut byte) {
            Ok(1) => line.extend(byte),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    line
}
