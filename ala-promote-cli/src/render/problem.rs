//! Why a command did not do what it was asked to, for people and machines.

use std::error::Error;

use ala_promote_core::plan::{Finding, Refusal};

use super::{Ui, json, text};
use crate::error::CliError;
use crate::exit::{self, Exit};

/// Tells people and machines why a command did not start.
pub(crate) fn tell(ui: &Ui, error: &CliError, exit: Exit) {
    let findings = error.refusal().map(|refusal| refusal.findings.as_slice()).unwrap_or_default();
    ui.line(&json::not_started(exit.code(), chain(error).join(": "), error.hint(), findings));
    tell_people(ui, error, exit);
}

/// Tells people; machines have the last event of the run.
pub(crate) fn tell_people(ui: &Ui, error: &CliError, exit: Exit) {
    let said = match error.refusal() {
        Some(refusal) => refused(refusal),
        None => format!("❌ {}", explained(error)),
    };
    ui.warn(said.trim_end());
    // An operation that stopped half-way has changed something.
    if exit != exit::NEEDS_ATTENTION {
        ui.warn(ui.nothing_changed());
    }
}

/// Tells that the record lacks an entry; what happened stays as it is.
pub(crate) fn not_recorded(ui: &Ui, error: &CliError) {
    ui.warn(&format!("⚠️  This could not be put on record: {}", explained(error).trim_end()));
}

/// Tells that an operation was left half-way, as somebody asked twice.
pub(crate) fn left(ui: &Ui) {
    ui.line(&json::left(exit::NEEDS_ATTENTION.code()));
    ui.warn("\n❌ Interrupted twice: left as it is, half-way.\n   → ala-promote recover");
}

/// An error, what is behind it, and what to do.
pub(crate) fn explained(error: &CliError) -> String {
    let mut chain = chain(error).into_iter();
    let first = chain.next().unwrap_or_default();
    let mut lines = format!("{}\n", text::hanging(&text::capitalised(&first), "   "));
    for cause in chain {
        lines.push_str(&format!("   because: {}\n", text::hanging(&cause, "   ")));
    }
    if let Some(hint) = error.hint() {
        lines.push_str(&format!("   → {}\n", text::hanging(&hint, "     ")));
    }
    lines
}

fn chain(error: &CliError) -> Vec<String> {
    let mut chain = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        chain.push(cause.to_string());
        next = cause.source();
    }
    chain
}

/// All that gates found: why, what was seen, what to do.
fn refused(refusal: &Refusal) -> String {
    let lines = findings(&refusal.findings, "Refused");
    let mut mends = refusal.findings.iter().flat_map(|finding| &finding.config);
    match mends.any(|line| line.if_so.is_none()) {
        true => {
            lines + "   → `ala-promote init` writes such lines into ala-promote.toml (--dry-run shows them)\n"
        }
        false => lines,
    }
}

/// The same under another word.
pub(crate) fn findings(findings: &[Finding], word: &str) -> String {
    let mut lines = String::new();
    for finding in findings {
        lines.push_str(&format!("❌ {word}: {} [{}]\n", finding.reason, finding.gate));
        for seen in &finding.evidence {
            lines.push_str(&format!("   {}\n", text::hanging(seen, "   ")));
        }
        for mend in &finding.mend {
            lines.push_str(&format!("   → {}\n", text::hanging(mend, "     ")));
        }
    }
    lines
}
