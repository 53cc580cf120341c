//! Every service has an image to run, and one that is promoted.

use crate::domain::Verb;
use crate::plan::pairing::promoted_services;
use crate::plan::{Finding, PlanInput};

const GATE: &str = "images";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    let files = target.render.stack.files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>();
    let promoted = promoted_services(input);
    let mut findings = Vec::new();
    if promoted.is_empty() {
        findings.push(
            Finding::refuse(
                GATE,
                format!("no service of {} has an image that is built here", input.request.environment),
            )
            .seen(format!("Compose files: {}", files.join(", ")))
            .mend("give the services that you promote a `build:` section, or list them in ala-promote.toml"),
        );
    }
    for (service, spec) in &target.render.services {
        if spec.image.is_none() && spec.build.is_none() {
            findings.push(
                Finding::refuse(GATE, format!("service {service} has neither `image` nor `build`"))
                    .seen(format!("Compose files: {}", files.join(", ")))
                    .mend(format!("add one of the two to `services.{service}`")),
            );
        }
    }
    if matches!(input.request.verb, Verb::Deploy { build: false, .. }) {
        let missing = promoted.iter().filter(|p| !input.observed.references.contains_key(p.reference));
        findings.extend(missing.map(|p| {
            Finding::refuse(GATE, format!("there is no image {} to deploy without building", p.reference))
                .mend(format!("docker tag YOUR-IMAGE {}", p.reference))
                .mend("or build it: the same command without --skip-build")
        }));
    }
    findings
}
