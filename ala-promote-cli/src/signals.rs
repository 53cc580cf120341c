//! Requests to stop.

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::error::CliError;

/// A request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
    /// The terminal went away; it stops no operation that has started.
    HangUp,
}

/// The requests to stop, as they come.
#[derive(Debug)]
pub struct Signals {
    receiver: Mutex<UnboundedReceiver<Signal>>,
}

impl Signals {
    /// Requests that come from whoever has the sender.
    #[must_use]
    pub fn channel() -> (UnboundedSender<Signal>, Self) {
        let (sender, receiver) = unbounded_channel();
        (sender, Self { receiver: Mutex::new(receiver) })
    }

    /// None, ever.
    #[must_use]
    pub fn none() -> Self {
        Self::channel().1
    }

    /// The next request; waits for ever if none comes.
    pub async fn next(&self) -> Signal {
        match self.receiver.lock().await.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Does what changes nothing, unless it is asked to stop before it is done.
    pub(crate) async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, CliError> {
        tokio::select! {
            biased;
            _ = self.next() => Err(CliError::Interrupted),
            done = work => Ok(done),
        }
    }
}
