//! Only what was tested is promoted: by identity, as the ledger has it, never by what a tag says.

use crate::domain::{EnvironmentName, Release, Verb};
use crate::plan::pairing::{PromotedService, promoted_services};
use crate::plan::{Finding, PlanInput};

const GATE: &str = "tested-release";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    if input.request.verb != Verb::Promote {
        return Vec::new();
    }
    let target = &input.request.environment;
    let Some(from) = input.environment().and_then(|environment| environment.from.as_ref()) else {
        return vec![
            Finding::refuse(
                GATE,
                format!("nothing is promoted to {target}: it has no environment before it"),
            )
            .mend(format!("set `from` for [environments.{target}] in ala-promote.toml")),
        ];
    };
    match input.view.tested(from) {
        None => vec![no_tested_release(from)],
        Some(release) => {
            let mut findings = changed_since_test(input, from, release);
            findings.extend(left_behind(input, release));
            findings.extend(runs_already(input, release));
            findings
        }
    }
}

fn runs_already(input: &PlanInput<'_>, release: &Release) -> Option<Finding> {
    let environment = &input.request.environment;
    let current = input.view.current(environment)?;
    let promoted = promoted_services(input);
    let id = |p: &PromotedService<'_>, r: &Release| p.image_in(r).map(|image| image.identity.id.clone());
    let same = promoted.iter().all(|p| id(p, current) == id(p, release));
    same.then(|| {
        Finding::note(GATE, format!("{environment} runs the images of {} already", release.tag))
            .seen(format!("it was last changed to {}", current.tag))
    })
}

/// Services of the release that nothing here takes the image of: the promotion would move the rest, and leave theirs on
/// what runs now.
fn left_behind(input: &PlanInput<'_>, release: &Release) -> Vec<Finding> {
    let environment = &input.request.environment;
    let promoted = promoted_services(input);
    let taken: Vec<_> = promoted.iter().filter_map(|p| p.image_in(release)).collect();
    let is_left_out = |service| input.settings.services.get(service).and_then(|s| s.promoted) == Some(false);
    let left = release.images.iter().filter(|(service, image)| {
        !is_left_out(*service) && !taken.iter().any(|taken| taken.identity.is_same(&image.identity))
    });
    let finding = |(service, _)| {
        Finding::refuse(GATE, format!("no service of {environment} takes the tested image of {service}"))
            .seen(format!("{} has it; the promotion would leave it out", release.tag))
            .mend(format!("name its service: [environments.{environment}] map = {{ {service} = \"NAME\" }}"))
            .mend(format!("or leave it out on purpose: [services.{service}] promoted = false"))
    };
    left.map(finding).collect()
}

fn deploy_command(from: &EnvironmentName) -> String {
    match from.as_str() {
        "staging" => "./deploy-staging".to_owned(),
        other => format!("ala-promote deploy {other}"),
    }
}

fn no_tested_release(from: &EnvironmentName) -> Finding {
    Finding::refuse(GATE, format!("no release has been tested on {from}"))
        .seen("a release counts as tested once it was deployed there by this tool and found healthy")
        .mend(format!("{} first", deploy_command(from)))
}

/// The image of each service, and the references that people take for it, must still be what was tested.
fn changed_since_test(input: &PlanInput<'_>, from: &EnvironmentName, release: &Release) -> Vec<Finding> {
    let mut findings = Vec::new();
    for promoted in promoted_services(input) {
        let Some(image) = promoted.image_in(release) else {
            findings.push(
                Finding::refuse(
                    GATE,
                    format!("service {} has no image in {}", promoted.service, release.tag),
                )
                .mend(format!("{} to test a release that has it", deploy_command(from))),
            );
            continue;
        };
        let id = &image.identity.id;
        let gone = !input.observed.images.contains_key(id);
        if let Some(digest) = image.digest.as_ref().filter(|_| gone) {
            findings.push(
                Finding::note(GATE, format!("the tested image of {} is no longer here", promoted.service))
                    .seen(format!("it is pulled again, by what its registry has it as: {digest}")),
            );
            continue;
        }
        if gone {
            findings.push(
                Finding::refuse(GATE, format!("the tested image of {} is gone", promoted.service))
                    .seen(format!("{} of {} was {}", promoted.builder, release.tag, id))
                    .mend(format!("{} to build and test it again", deploy_command(from))),
            );
            continue;
        }
        let pin = image.pin(&release.tag).ok();
        let references = promoted.builder_spec.image.iter().chain(pin.iter());
        for reference in references {
            let found = input.observed.references.get(reference);
            // What came from a registry is known by its digest: it needs no name here before it is promoted.
            let needs_a_name = image.digest.is_none();
            if found.map_or(!needs_a_name, |found| found.is_same(&image.identity)) {
                continue;
            }
            let now = found.map_or("nothing".to_owned(), |found| found.id.short().to_owned());
            let finding = Finding::refuse(GATE, format!("{reference} is not what was tested"))
                .seen(format!("{} tested {}", release.tag, id.short()))
                .seen(format!("{reference} now names {now}"))
                .mend(format!("to test what is tagged now: {} --skip-build", deploy_command(from)))
                .mend(format!("to promote what was tested: docker tag {} {reference}", id.short()));
            // Several services can share one image.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}
