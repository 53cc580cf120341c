//! What was given up with a lost record.

use ala_promote_core::ledger::GivenUp;

/// It in one line.
pub(crate) fn line(given_up: &GivenUp) -> String {
    let ledger = given_up.ledger.iter().map(|w| format!("ledger {} with {} records", w.ledger, w.seq));
    let half_done = given_up
        .half_done
        .iter()
        .map(|dead| format!("{} by {}, which died half-way ({})", dead.what, dead.actor, dead.operation));
    format!("given up: {}", ledger.chain(half_done).collect::<Vec<_>>().join("; "))
}
