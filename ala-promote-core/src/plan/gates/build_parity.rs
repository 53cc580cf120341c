//! What is promoted must have been built as the environment that it goes to would build it; else production runs an
//! image made for staging.

use std::collections::BTreeSet;

use crate::domain::{BuildSpec, Verb};
use crate::plan::pairing::promoted_services;
use crate::plan::{Finding, ObservedEnvironment, PlanInput};

const GATE: &str = "build-parity";

/// Settings of `build` that do not change what comes out.
const WITHOUT_EFFECT: [&str; 6] = ["cache_from", "cache_to", "no_cache", "pull", "tags", "privileged"];

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    match input.request.verb {
        Verb::Promote => promoted_differences(input, target),
        Verb::Deploy { .. } => early_notice(input, target),
        _ => Vec::new(),
    }
}

fn promoted_differences(input: &PlanInput<'_>, target: &ObservedEnvironment) -> Vec<Finding> {
    let Some(building) = input.building_render() else { return Vec::new() };
    let mut findings = Vec::new();
    for promoted in promoted_services(input) {
        let (Some(ours), Some(theirs)) = (&promoted.spec.build, &promoted.builder_spec.build) else {
            continue;
        };
        let keys = differing_keys(ours, theirs);
        if !keys.is_empty() {
            let reason = format!(
                "service {} is built differently for {} and for {}: {}",
                promoted.service,
                building.stack.environment,
                target.render.stack.environment,
                keys.join(", ")
            );
            findings.push(with_mend(Finding::refuse(GATE, reason), building, target));
        }
    }
    findings
}

/// When the first environment is deployed, a promotion that will be refused is announced: the build need not be waited
/// for.
fn early_notice(input: &PlanInput<'_>, target: &ObservedEnvironment) -> Vec<Finding> {
    let mut findings = Vec::new();
    for next in input.settings.promoted_from(&input.request.environment) {
        let Some(next_observed) = input.observed.environments.get(&next.name) else { continue };
        for (service, spec) in &target.render.services {
            let next_spec = next_observed.render.services.get(service);
            let (Some(ours), Some(theirs)) = (&spec.build, next_spec.and_then(|s| s.build.as_ref())) else {
                continue;
            };
            let keys = differing_keys(ours, theirs);
            if !keys.is_empty() {
                let reason = format!(
                    "promotion to {} will be refused: service {service} is built differently there: {}",
                    next.name,
                    keys.join(", ")
                );
                findings.push(with_mend(Finding::note(GATE, reason), &target.render, next_observed));
            }
        }
    }
    findings
}

fn with_mend(finding: Finding, building: &crate::domain::Render, target: &ObservedEnvironment) -> Finding {
    let files = |render: &crate::domain::Render| {
        render.stack.files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    finding
        .seen(format!("{}: {}", building.stack.environment, files(building)))
        .seen(format!("{}: {}", target.render.stack.environment, files(&target.render)))
        .mend("give both the same build settings, and pass what differs at run time (`environment:`)")
}

fn differing_keys(a: &BuildSpec, b: &BuildSpec) -> Vec<String> {
    let keys: BTreeSet<&String> = a.settings.keys().chain(b.settings.keys()).collect();
    let has_effect = |key: &str| {
        let top = key.split('.').next().unwrap_or(key);
        !WITHOUT_EFFECT.contains(&top)
    };
    keys.into_iter()
        .filter(|key| has_effect(key) && a.settings.get(*key) != b.settings.get(*key))
        .map(|key| format!("build.{key}"))
        .collect()
}
