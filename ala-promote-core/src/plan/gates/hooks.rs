//! Hooks run in services that there are; and who rolls back knows which of them don't run.

use crate::config::HookSettings;
use crate::domain::Verb;
use crate::plan::{Finding, PlanInput};

const GATE: &str = "hooks";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let verb = &input.request.verb;
    let hooks = input.settings.hooks_of(&input.request.environment);
    let (run, left_out): (Vec<_>, Vec<_>) = hooks.partition(|hook| hook.runs_on(verb));
    let unknown = run.into_iter().filter_map(|hook| unknown_service(input, hook));
    unknown.chain(left_out_of_rollback(verb, &left_out)).collect()
}

fn unknown_service(input: &PlanInput<'_>, settings: &HookSettings) -> Option<Finding> {
    let services = &input.target()?.render.services;
    let service = settings.hook.service.as_ref().filter(|service| !services.contains_key(*service))?;
    let known: Vec<&str> = services.keys().map(|name| name.as_str()).collect();
    let reason = format!(
        "the hook {} is to run in the service {service}, which {} has not",
        settings.hook.name, input.request.environment
    );
    Some(
        Finding::refuse(GATE, reason)
            .seen(format!("{}: service = \"{service}\"", settings.place))
            .seen(format!("services there: {}", known.join(", ")))
            .mend("correct `service` of that hook in ala-promote.toml"),
    )
}

/// What hooks did to data is not taken back by a rollback: that has to be known before it is asked for.
fn left_out_of_rollback(verb: &Verb, hooks: &[&HookSettings]) -> Option<Finding> {
    if hooks.is_empty() || !matches!(verb, Verb::Rollback { .. }) {
        return None;
    }
    let names: Vec<&str> = hooks.iter().map(|hook| hook.hook.name.as_str()).collect();
    let names = names.join(", ");
    Some(
        Finding::note(GATE, format!("a rollback does not run these hooks, nor their undo: {names}"))
            .mend("to run one: add \"rollback\" to its `on` in ala-promote.toml"),
    )
}
