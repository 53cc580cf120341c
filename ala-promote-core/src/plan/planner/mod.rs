//! From what was seen to what will be done. Synchronous, deterministic, no I/O: nothing is left to decide while a plan
//! is carried out.

mod addresses;
mod before;
mod deploy;
mod draft;
mod hooks;
mod move_release;
mod promote;
mod release;
mod rollback;

use std::path::PathBuf;

use super::gates::{self, Gate, built_in};
use super::pairing::promoted_services;
use super::ports::wanted_ports;
use super::{Finding, Plan, PlanInput, Refusal};
use crate::domain::{DatabaseTarget, HealthTarget, ImageReference, PortMapping, Release, ReleaseTag, Verb};

/// Decides what an operation will do.
///
/// # Errors
/// A [`Refusal`] with all that gates found against it.
pub fn plan(input: &PlanInput<'_>, own_gates: &[&dyn Gate]) -> Result<Plan, Refusal> {
    let gates = built_in().into_iter().chain(own_gates.iter().copied());
    let findings: Vec<Finding> = gates.flat_map(|gate| gate.check(input)).collect();
    let (against, notes): (Vec<_>, Vec<_>) =
        findings.into_iter().chain(input.observed.notes.clone()).partition(Finding::refuses);
    if !against.is_empty() {
        return Err(Refusal { findings: against });
    }
    let draft = match &input.request.verb {
        Verb::Deploy { build, keep_failed } => deploy::draft(input, *build, *keep_failed),
        Verb::Promote => promote::draft(input),
        Verb::Rollback { to } => rollback::draft(input, to.as_ref()),
        Verb::Fetch => Err(unseen("a reason to plan a fetch, which is planned without looking")),
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
pub(crate) fn references_in_question(input: &PlanInput<'_>) -> Vec<ImageReference> {
    release::references_in_question(input)
}

/// The name that what an environment ran before is kept by, beside a reference of its files.
pub(super) fn name_before(reference: &ImageReference) -> Option<ImageReference> {
    release::old(reference)
}

/// The host ports that the environment asks for.
pub(crate) fn wanted_ports_of_target(input: &PlanInput<'_>) -> Vec<PortMapping> {
    let Some(target) = input.target() else { return Vec::new() };
    wanted_ports(&target.render).map(|(_, port)| port.clone()).collect()
}

/// The databases that will be backed up, and where to.
pub(crate) fn backups_in_question(input: &PlanInput<'_>) -> Vec<(DatabaseTarget, PathBuf)> {
    if !gates::takes_backup(input) {
        return Vec::new();
    }
    let databases = gates::databases_to_back_up(input).into_iter();
    databases
        .map(|database| {
            let file = draft::backup_file(input, &database);
            (database, file)
        })
        .collect()
}

/// How to look at each service of the environment.
pub(crate) fn health_targets(input: &PlanInput<'_>) -> Vec<HealthTarget> {
    let Some(target) = input.target() else { return Vec::new() };
    let promoted = promoted_services(input);
    let services = target.render.services.iter();
    services
        .map(|(service, spec)| {
            let is_promoted = promoted.iter().any(|p| p.service == service);
            draft::health_target(input, target, service, spec, is_promoted)
        })
        .collect()
}

/// Says that something the planner relies on was not seen.
fn unseen(what: &str) -> Refusal {
    Finding::refuse("observation", format!("{what} was not seen"))
        .mend("run the command again; if it stays, report it")
        .into()
}

fn unusable(what: &str, error: &dyn std::fmt::Display) -> Refusal {
    Finding::refuse("names", format!("{what}: {error}")).mend("rename it in the Compose files").into()
}

fn release_tag(text: String) -> Result<ReleaseTag, Refusal> {
    ReleaseTag::new(text).map_err(|e| unusable("the release can't be named", &e))
}
