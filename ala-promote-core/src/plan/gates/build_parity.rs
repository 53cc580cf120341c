//! What is promoted must have been built as the environment that it goes to would build it; else production runs an
//! image made for staging.

use std::collections::BTreeSet;

use super::lines::seen_in_both;
use crate::config::ConfigLine;
use crate::domain::{BuildSpec, Render, Request, ServiceName, Verb};
use crate::plan::pairing::promoted_services;
use crate::plan::{Finding, ObservedEnvironment, PlanInput, Severity};

const GATE: &str = "build-parity";

/// Settings of `build` that do not change what comes out.
const WITHOUT_EFFECT: [&str; 6] = ["cache_from", "cache_to", "no_cache", "pull", "tags", "privileged"];

/// Settings that say what is built: another source is another program, whatever the reason.
const NEVER_EXCUSED: [&str; 2] = ["build.context", "build.dockerfile_inline"];

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    match input.request.verb {
        Verb::Promote => promoted_differences(input, target),
        Verb::Deploy { .. } => early_notice(input),
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
        let excused = &input.settings.isolation.built_differently;
        let (known, keys): (Vec<_>, Vec<_>) = differing_keys(ours, theirs)
            .into_iter()
            .partition(|key| may_differ(key) && excused.contains_key(key));
        let what = |keys: &[String]| {
            format!(
                "service {} is built differently for {} and for {}: {}",
                promoted.service,
                building.stack.environment,
                target.render.stack.environment,
                keys.join(", ")
            )
        };
        let ours = (&target.render, promoted.service);
        let theirs = (building, promoted.builder);
        if !known.is_empty() {
            let reasons = known.iter().filter_map(|key| Some(format!("{key}: {}", excused.get(key)?)));
            let note = Finding::note(GATE, what(&known));
            findings.push(reasons.fold(note, |note, reason| note.seen(format!("by the config: {reason}"))));
        }
        if !keys.is_empty() {
            let finding = with_lines(Finding::refuse(GATE, what(&keys)), &keys, theirs, ours);
            findings.push(with_mend(finding, &keys, building, target));
        }
    }
    findings
}

/// When an environment is deployed, a promotion that will be refused is announced: the build need not be waited for.
fn early_notice(input: &PlanInput<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for next in input.settings.promoted_from(&input.request.environment) {
        let Some(observed) = input.observed.environments.get(&next.name) else { continue };
        let request = Request { environment: next.name.clone(), verb: Verb::Promote };
        let promotion = PlanInput { request: &request, ..*input };
        let refused = promoted_differences(&promotion, observed).into_iter().filter(Finding::refuses);
        findings.extend(refused.map(|finding| Finding {
            severity: Severity::Note,
            reason: format!("promotion to {} will be refused: {}", next.name, finding.reason),
            ..finding
        }));
    }
    findings
}

/// The lines of each key that differs.
fn with_lines(
    finding: Finding,
    keys: &[String],
    a: (&Render, &ServiceName),
    b: (&Render, &ServiceName),
) -> Finding {
    keys.iter().fold(finding, |finding, key| {
        let path = |service: &ServiceName| format!("services.{service}.{key}");
        seen_in_both(finding, (a.0, &path(a.1)), (b.0, &path(b.1)))
    })
}

fn with_mend(finding: Finding, keys: &[String], building: &Render, target: &ObservedEnvironment) -> Finding {
    let files = |render: &Render| {
        render.stack.files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    let finding = finding
        .seen(format!("{}: {}", building.stack.environment, files(building)))
        .seen(format!("{}: {}", target.render.stack.environment, files(&target.render)))
        .mend("give both the same build settings, and pass what differs at run time (`environment:`)");
    if !keys.iter().all(|key| may_differ(key)) {
        return finding;
    }
    let is_right = format!(
        "what is built for {} is right for {} too",
        building.stack.environment, target.render.stack.environment
    );
    let line = |key: &String| {
        ConfigLine::new(&["isolation", "built_differently"], key, "…").if_so(format!("if {is_right}"))
    };
    let lines: Vec<ConfigLine> = keys.iter().map(line).collect();
    finding.mend_in_config(&format!("or, if {is_right}, say why"), lines)
}

fn may_differ(key: &str) -> bool {
    !NEVER_EXCUSED.contains(&key)
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
