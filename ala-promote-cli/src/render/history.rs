//! What was done, for people.

use ala_promote_core::domain::Outcome;
use ala_promote_core::ledger::{HistoryEnd, HistoryEntry};

use super::table::Table;
use super::text;

/// So many entries, newest first.
pub(crate) fn text(entries: &[HistoryEntry], limit: usize) -> String {
    if entries.is_empty() {
        return "Nothing is on record.".to_owned();
    }
    let mut table = Table::new(&["WHEN", "WHO", "WHAT", "RELEASE", "OUTCOME"]);
    for entry in entries.iter().rev().take(limit) {
        table.row(vec![
            text::when(entry.at),
            format!("{}@{}", entry.actor.user, entry.actor.host),
            entry.request.as_ref().map_or_else(|| "begin a new record".to_owned(), ToString::to_string),
            entry.release.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            end(&entry.end),
        ]);
    }
    let left_out = entries.len().saturating_sub(limit);
    let more =
        if left_out > 0 { format!("({left_out} older; see them with --limit)\n") } else { String::new() };
    table.text() + &more
}

fn end(end: &HistoryEnd) -> String {
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    match end {
        HistoryEnd::Open => "not done".to_owned(),
        HistoryEnd::NotConfirmed => "not confirmed".to_owned(),
        HistoryEnd::Refused { reasons } => format!("refused: {}", first_line(&reasons.join("; "))),
        HistoryEnd::Outcome(Outcome::Committed { .. }) => "done".to_owned(),
        HistoryEnd::Outcome(Outcome::RolledBack { reason }) => format!("put back: {}", first_line(reason)),
        HistoryEnd::Outcome(Outcome::Kept { reason }) => format!("failed, kept: {}", first_line(reason)),
        HistoryEnd::Outcome(Outcome::NeedsAttention { reason, .. }) => {
            format!("needs attention: {}", first_line(reason))
        }
        HistoryEnd::BegunAnew { given_up } => super::given_up::line(given_up),
        other => format!("{other:?}"),
    }
}
