//! From what was seen to what will be done. Synchronous, deterministic, no I/O: nothing is left to decide while a plan
//! is carried out.

mod addresses;
mod before;
mod deploy;
mod draft;
mod move_release;
mod promote;
mod release;
mod rollback;

use super::gates::{Gate, built_in};
use super::{Finding, Plan, PlanInput, Refusal};
use crate::domain::{Release, ServiceName};
use crate::domain::{ReleaseTag, Verb};

/// Decides what an operation will do.
///
/// # Errors
/// A [`Refusal`] with all that gates found against it.
pub fn plan(input: &PlanInput<'_>, own_gates: &[&dyn Gate]) -> Result<Plan, Refusal> {
    let gates = built_in().into_iter().chain(own_gates.iter().copied());
    let findings: Vec<Finding> = gates.flat_map(|gate| gate.check(input)).collect();
    let (against, notes): (Vec<_>, Vec<_>) = findings.into_iter().partition(Finding::refuses);
    if !against.is_empty() {
        return Err(Refusal { findings: against });
    }
    let draft = match &input.request.verb {
        Verb::Deploy { build, keep_failed } => deploy::draft(input, *build, *keep_failed),
        Verb::Promote => promote::draft(input),
        Verb::Rollback { to } => rollback::draft(input, to.as_ref()),
        Verb::Fetch => draft::fetch(input),
    }?;
    Ok(draft.finish(notes))
}

/// The releases that an environment can be rolled back to, the nearest first: those of its line that are not running,
/// with why one can't be used.
#[must_use]
pub fn rollback_choices(input: &PlanInput<'_>) -> Vec<(Release, Option<String>)> {
    rollback::choices(input)
}

/// Image references that a plan may turn on, so that `observe` can look them up.
pub(crate) fn references_in_question(input: &PlanInput<'_>) -> Vec<crate::domain::ImageReference> {
    release::references_in_question(input)
}

/// Says that something the planner relies on was not seen.
fn unseen(what: &str) -> Finding {
    Finding::refuse("observation", format!("{what} was not seen"))
        .mend("run the command again; if it stays, report it")
}

fn unusable(what: &str, error: &dyn std::fmt::Display) -> Finding {
    Finding::refuse("names", format!("{what}: {error}")).mend("rename it in the Compose files")
}

fn release_tag(text: String) -> Result<ReleaseTag, Finding> {
    ReleaseTag::new(text).map_err(|e| unusable("the release can't be named", &e))
}

fn first_by_name(names: impl Iterator<Item = ServiceName>) -> Vec<ServiceName> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.dedup();
    names
}
