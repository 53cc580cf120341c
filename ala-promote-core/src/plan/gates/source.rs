//! Where the source stands; the document asks that it is committed before a promotion.

use crate::domain::Verb;
use crate::plan::{Finding, PlanInput};

const GATE: &str = "source";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let environment = &input.request.environment;
    let source = match &input.request.verb {
        Verb::Deploy { .. } => input.observed.source.as_ref(),
        Verb::Promote => {
            let from = input.environment().and_then(|e| e.from.as_ref());
            from.and_then(|from| input.view.tested(from)).and_then(|release| release.source.as_ref())
        }
        _ => return Vec::new(),
    };
    match source {
        Some(source) if source.dirty => vec![
            Finding::note(
                GATE,
                format!("what goes to {environment} was built with changes that are not committed"),
            )
            .seen(source.to_string())
            .mend("commit before you promote, so that the record says what runs"),
        ],
        _ => Vec::new(),
    }
}
