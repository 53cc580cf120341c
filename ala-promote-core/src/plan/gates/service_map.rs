//! The pairs that the config names are of services that there are: one that is mistyped would be passed over, and the
//! service be paired otherwise or not at all.

use crate::config::nearest;
use crate::domain::{EnvironmentName, Render, ServiceName, Verb};
use crate::plan::{Finding, PlanInput, Severity};

const GATE: &str = "service-map";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let mut findings = unknown_names(input, &input.request.environment);
    // A rollback starts what ran before, whatever the config says now.
    if matches!(input.request.verb, Verb::Rollback { .. }) {
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Note);
    }
    if matches!(input.request.verb, Verb::Deploy { .. }) {
        let next = input.settings.promoted_from(&input.request.environment);
        findings.extend(
            next.flat_map(|next| unknown_names(input, &next.name))
                .map(|finding| Finding { severity: Severity::Note, ..finding }),
        );
    }
    findings
}

/// The names in an environment's `map` that no file of the environment has, or none of the one before it.
fn unknown_names(input: &PlanInput<'_>, name: &EnvironmentName) -> Vec<Finding> {
    let Some(environment) = input.settings.environments.get(name) else { return Vec::new() };
    let render = |name: &EnvironmentName| input.observed.environments.get(name).map(|seen| &seen.render);
    let (here, there) = (render(name), environment.from.as_ref().and_then(render));
    let pairs = environment.map.iter().flat_map(|(ours, theirs)| [(ours, here), (theirs, there)]);
    pairs.filter_map(|(service, render)| unknown(name, service, render?)).collect()
}

fn unknown(name: &EnvironmentName, service: &ServiceName, render: &Render) -> Option<Finding> {
    // One of a profile that is not active has a line all the same.
    let is_known =
        render.services.contains_key(service) || !render.places.of(&format!("services.{service}")).is_empty();
    if is_known {
        return None;
    }
    let known: Vec<&str> = render.services.keys().map(ServiceName::as_str).collect();
    let meant = nearest(service.as_str(), known.iter().copied());
    let meant = meant.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let files: Vec<String> = render.stack.files.iter().map(|file| file.display().to_string()).collect();
    let environment = &render.stack.environment;
    Some(
        Finding::refuse(
            GATE,
            format!("`map` of {name} names `{service}`, which {environment} does not have{meant}"),
        )
        .seen(format!("{environment} has: {}", known.join(", ")))
        .seen(format!("{environment}: {}", files.join(", ")))
        .mend(format!("correct it in ala-promote.toml: [environments.{name}] map")),
    )
}
