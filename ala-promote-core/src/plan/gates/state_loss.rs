//! A ledger that is gone, or older than what the engine remembers, is not taken for a first deployment.

use crate::plan::{Finding, PlanInput};

const GATE: &str = "state-loss";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(witnessed) = &input.observed.witnessed else { return Vec::new() };
    let folder = input.settings.state_dir.display();
    let reason = match input.ledger {
        None => format!("the state folder {folder} holds no ledger, but this folder had one"),
        Some(ours) if ours.ledger != witnessed.ledger => {
            format!("the state folder {folder} holds another ledger than the one this folder had")
        }
        Some(ours) if ours.seq < witnessed.seq => {
            format!("the ledger in {folder} is older than the one this folder had: its end is missing")
        }
        Some(_) => return Vec::new(),
    };
    let ours =
        input.ledger.map_or_else(|| "none".to_owned(), |l| format!("{} with {} records", l.ledger, l.seq));
    vec![
        Finding::refuse(GATE, reason)
            .seen(format!("the engine remembers: {} with {} records", witnessed.ledger, witnessed.seq))
            .seen(format!("found: {ours}"))
            .mend(format!("put {folder} back from a copy"))
            .mend("or begin anew, with what runs now as the first release: ala-promote recover --new-ledger"),
    ]
}
