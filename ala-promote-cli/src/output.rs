//! Where text goes.

use std::sync::{Mutex, PoisonError};

/// Which of the two streams a text goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Takes text. It can neither fail nor hold a command up: a closed or stuck terminal is no concern of an operation.
pub trait Output: Send + Sync {
    /// Takes a text, which keeps its order among all texts of both streams.
    fn write(&self, stream: Stream, text: &str);
}

/// Keeps what is written: for tests and demonstrations.
#[derive(Debug, Default)]
pub struct Recorder {
    texts: Mutex<Vec<(Stream, String)>>,
}

impl Recorder {
    /// All that was written to a stream.
    #[must_use]
    pub fn text(&self, stream: Stream) -> String {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().filter(|(s, _)| *s == stream).map(|(_, text)| text.as_str()).collect()
    }

    /// All that was written to both, in order: what a terminal shows.
    #[must_use]
    pub fn screen(&self) -> String {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().map(|(_, text)| text.as_str()).collect()
    }
}

impl Output for Recorder {
    fn write(&self, stream: Stream, text: &str) {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).push((stream, text.to_owned()));
    }
}
