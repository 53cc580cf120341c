//! What goes with every long call: a way to stop it and a place for its lines.

use std::sync::Arc;

use tokio::sync::watch;

/// A request to stop, shared by all who should hear it. Cloning gives another handle to the same request.
#[derive(Debug, Clone)]
pub struct CancelToken {
    state: Arc<watch::Sender<bool>>,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(false)) }
    }

    /// Asks to stop; asking again changes nothing.
    pub fn cancel(&self) {
        self.state.send_replace(true);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.state.borrow()
    }

    /// Waits until somebody asks; for ever if nobody does.
    pub async fn cancelled(&self) {
        // The sender lives as long as `self`, so waiting can't fail.
        let _ = self.state.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

/// What goes with a long call.
#[derive(Clone)]
pub struct Call {
    /// Builds, pulls and dumps stop at once when it is cancelled; a swap in hand is finished first.
    pub cancel: CancelToken,
    line: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Call {
    /// A call whose lines go to `line`.
    #[must_use]
    pub fn new(cancel: CancelToken, line: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { cancel, line: Arc::new(line) }
    }

    /// A call that can't be stopped and whose lines nobody reads.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(CancelToken::new(), |_| {})
    }

    /// Passes on one line of progress: of a build, a dump, a pull. No secrets.
    pub fn line(&self, text: &str) {
        (self.line)(text);
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}
