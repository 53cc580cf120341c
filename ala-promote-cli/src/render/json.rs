//! Lines for machines.

use ala_promote_core::event::Event;
use ala_promote_core::plan::Finding;
use serde::Serialize;

/// The version of the format of lines and documents.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct EventLine<'a> {
    version: u32,
    #[serde(flatten)]
    event: &'a Event,
}

/// A line for what happens in an operation.
pub(super) fn event(event: &Event) -> impl Serialize {
    EventLine { version: FORMAT, event }
}

#[derive(Serialize)]
struct NotStarted<'a> {
    version: u32,
    event: &'static str,
    exit_code: u8,
    error: String,
    hint: Option<String>,
    findings: &'a [Finding],
}

/// The line for a command that did not start.
pub(super) fn not_started(
    exit_code: u8,
    error: String,
    hint: Option<String>,
    findings: &[Finding],
) -> impl Serialize {
    NotStarted { version: FORMAT, event: "not-started", exit_code, error, hint, findings }
}
