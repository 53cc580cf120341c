//! A ledger that is gone, or older than what the engine remembers, is not taken for a first deployment.

use crate::backend::Witnessed;
use crate::config::Settings;
use crate::plan::{Finding, PlanInput};

const GATE: &str = "state-loss";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    ledger_loss(input.settings, input.ledger, input.observed.witnessed.as_ref()).into_iter().collect()
}

/// Whether a finding is of this gate.
pub(crate) fn is_ledger_loss(finding: &Finding) -> bool {
    finding.gate == GATE
}

/// What is wrong with our ledger, held against what the engine remembers.
pub(crate) fn ledger_loss(
    settings: &Settings,
    ours: &Witnessed,
    witnessed: Option<&Witnessed>,
) -> Option<Finding> {
    let witnessed = witnessed?;
    let folder = settings.state_dir.display();
    let reason = if ours.ledger != witnessed.ledger && ours.seq == 0 {
        format!("the state folder {folder} holds no records, but this folder had some")
    } else if ours.ledger != witnessed.ledger {
        format!("the state folder {folder} holds another ledger than the one this folder had")
    } else if ours.seq < witnessed.seq {
        format!("the ledger in {folder} is older than the one this folder had: its end is missing")
    } else if ours.seq == witnessed.seq && ours.hash != witnessed.hash {
        format!("the ledger in {folder} is not the one this folder had: it was written anew")
    } else {
        return None;
    };
    Some(
        Finding::refuse(GATE, reason)
            .seen(format!("the engine remembers: {} with {} records", witnessed.ledger, witnessed.seq))
            .seen(format!("found: {} with {} records", ours.ledger, ours.seq))
            .mend(format!("put {folder} back from a copy"))
            .mend("or begin anew, with what runs now as the first release: ala-promote recover --new-ledger"),
    )
}
