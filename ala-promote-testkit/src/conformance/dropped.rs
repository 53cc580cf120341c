//! Futures that are dropped half-way, as a process that is killed drops all of its own.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// What it gave; `None` when it was still at work after so many polls, and was dropped.
pub(super) async fn dropped_after<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|cx| {
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
