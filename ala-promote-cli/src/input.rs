//! Where answers come from.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

/// The longest line that is read, in bytes: an answer is a word.
pub const MAX_LINE_BYTES: usize = 1024;

/// Gives lines.
#[async_trait]
pub trait Input: Send + Sync {
    /// Whether a person sits there, who may take time to answer.
    fn is_terminal(&self) -> bool;

    /// The next line.
    /// - With its `\n`; without one where the input ended or [`MAX_LINE_BYTES`] were read before it.
    /// - Empty at the end of the input, or when it can't be read.
    async fn line(&self) -> Vec<u8>;
}

/// Lines told beforehand: for tests and demonstrations.
#[derive(Debug)]
pub struct Script {
    rest: Mutex<Vec<u8>>,
    silent_at_end: bool,
}

impl Script {
    /// An input that holds this text and then ends, as a pipe does.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { rest: Mutex::new(text.into()), silent_at_end: false }
    }

    /// An open pipe through which nothing ever comes.
    #[must_use]
    pub fn silent() -> Self {
        Self { rest: Mutex::default(), silent_at_end: true }
    }
}

#[async_trait]
impl Input for Script {
    fn is_terminal(&self) -> bool {
        false
    }

    async fn line(&self) -> Vec<u8> {
        let line = {
            let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            rest.drain(..end.min(MAX_LINE_BYTES)).collect::<Vec<u8>>()
        };
        if line.is_empty() && self.silent_at_end {
            std::future::pending::<()>().await;
        }
        line
    }
}
