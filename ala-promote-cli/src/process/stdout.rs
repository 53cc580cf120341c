//! Standard output and standard error, written by a thread of their own.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::output::{Output, Stream};

/// How long the end of the program waits for a reader that takes nothing, such as a pager that somebody left open.
const LAST_WAIT: Duration = Duration::from_secs(600);

/// Standard output and standard error. One thread writes both, in order: a terminal that was stopped with Ctrl-S, or a
/// pager that nobody scrolls, must not hold up an operation that has production half replaced.
pub(super) struct ProcessOutput {
    sender: Sender<Text>,
}

enum Text {
    Write(Stream, String),
    Flush(Sender<()>),
}

impl ProcessOutput {
    pub(super) fn start() -> Arc<Self> {
        let (sender, receiver) = channel();
        // Without the thread, the texts are lost; the exit code is not.
        let _ = std::thread::Builder::new().name("output".to_owned()).spawn(move || write_all(&receiver));
        Arc::new(Self { sender })
    }

    /// Waits until all is written, or can't be.
    pub(super) fn flush(&self) {
        let (done, written) = channel();
        if self.sender.send(Text::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_WAIT);
        }
    }
}

impl Output for ProcessOutput {
    fn write(&self, stream: Stream, text: &str) {
        let _ = self.sender.send(Text::Write(stream, text.to_owned()));
    }
}

/// A reader that went away is no reason to stop.
fn write_all(texts: &Receiver<Text>) {
    while let Ok(text) = texts.recv() {
        match text {
            Text::Write(Stream::Out, text) => {
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            Text::Write(Stream::Err, text) => {
                let _ = std::io::stderr().lock().write_all(text.as_bytes());
            }
            Text::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}
