//! A running operation.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::EngineError;
use crate::backend::CancelToken;
use crate::domain::{OperationId, Outcome, Request};
use crate::event::Event;

/// A running operation: a stream of events, the last of which is [`Event::Ended`]. It runs while it is polled; dropping
/// it before its end is what `kill -9` is to a process, and `recover` does the rest.
pub struct Run {
    work: Option<BoxFuture<'static, Result<Outcome, EngineError>>>,
    events: UnboundedReceiver<Event>,
    cancel: CancelToken,
    operation: OperationId,
    request: Request,
    result: Option<Result<Outcome, EngineError>>,
    said_end: bool,
}

impl Run {
    pub(super) fn new(
        operation: OperationId,
        request: Request,
        work: impl FnOnce(UnboundedSender<Event>, CancelToken) -> BoxFuture<'static, Result<Outcome, EngineError>>,
    ) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let cancel = CancelToken::new();
        let work = Some(work(sender, cancel.clone()));
        Self { work, events, cancel, operation, request, result: None, said_end: false }
    }

    /// Asks it to stop: what was done before the commit is undone. After the commit it goes on to its end.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// A handle that asks it to stop, for another task.
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Runs it to its end, giving each event to `on_event`.
    ///
    /// # Errors
    /// Why it did not start, or could not be carried to its end.
    pub async fn finish(mut self, mut on_event: impl FnMut(Event)) -> Result<Outcome, EngineError> {
        use futures_util::StreamExt;
        while let Some(event) = self.next().await {
            on_event(event);
        }
        // The stream ends only after the result is there.
        self.result.unwrap_or_else(|| {
            Err(EngineError::UnusablePlan { reason: "the run was polled to its end before".to_owned() })
        })
    }

    fn end(&self, result: &Result<Outcome, EngineError>) -> Event {
        Event::Ended {
            operation: self.operation.clone(),
            request: self.request.clone(),
            outcome: result.as_ref().ok().cloned(),
            error: result.as_ref().err().map(ToString::to_string),
        }
    }
}

impl Stream for Run {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        // What happened is told before more is done, so that who cancels at an event stops what comes after it.
        if let Poll::Ready(Some(event)) = self.events.poll_recv(cx) {
            return Poll::Ready(Some(event));
        }
        if let Some(work) = &mut self.work
            && let Poll::Ready(result) = work.poll_unpin(cx)
        {
            self.work = None;
            self.result = Some(result);
        }
        // The work may just have sent events, so they are asked for after it.
        if let Poll::Ready(Some(event)) = self.events.poll_recv(cx) {
            return Poll::Ready(Some(event));
        }
        match &self.result {
            None => Poll::Pending,
            Some(_) if self.said_end => Poll::Ready(None),
            Some(result) => {
                let end = self.end(result);
                self.said_end = true;
                Poll::Ready(Some(end))
            }
        }
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("operation", &self.operation).finish_non_exhaustive()
    }
}
