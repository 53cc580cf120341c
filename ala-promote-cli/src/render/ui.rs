//! The two streams, and what goes to which.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::output::{Output, Stream};

/// The two streams, and what goes to which: with `--json`, standard output is for machines alone.
pub(crate) struct Ui {
    output: Arc<dyn Output>,
    json: bool,
    quiet: bool,
    verbose: bool,
    source_moved: AtomicBool,
}

impl Ui {
    pub(crate) fn new(output: Arc<dyn Output>, json: bool, quiet: bool, verbose: bool) -> Self {
        Self { output, json, quiet, verbose, source_moved: AtomicBool::new(false) }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// A line of progress.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            self.show(line);
        }
    }

    /// What was asked for.
    pub(crate) fn show(&self, text: &str) {
        self.ask(&format!("{text}\n"));
    }

    /// A text whose line goes on.
    pub(crate) fn ask(&self, text: &str) {
        let stream = if self.json { Stream::Err } else { Stream::Out };
        self.output.write(stream, text);
    }

    /// A problem.
    pub(crate) fn warn(&self, text: &str) {
        self.output.write(Stream::Err, &format!("{text}\n"));
    }

    /// One line for machines.
    pub(crate) fn line(&self, value: &impl Serialize) {
        if self.json
            && let Ok(line) = serde_json::to_string(value)
        {
            self.output.write(Stream::Out, &format!("{line}\n"));
        }
    }

    /// One document for machines.
    pub(crate) fn document(&self, value: &impl Serialize) {
        if let Ok(document) = serde_json::to_string_pretty(value) {
            self.output.write(Stream::Out, &format!("{document}\n"));
        }
    }

    /// Remembers that the code was pulled, so that nobody says that nothing was changed.
    pub(crate) fn source_moved(&self) {
        self.source_moved.store(true, Ordering::Relaxed);
    }

    /// The sentence for a command that did not start.
    pub(crate) fn nothing_changed(&self) -> &'static str {
        if self.source_moved.load(Ordering::Relaxed) {
            "Nothing was changed, but that the code was updated."
        } else {
            "Nothing was changed."
        }
    }
}
