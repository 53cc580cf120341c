//! Every service has an image to run, and one that is promoted.

use std::collections::BTreeSet;

use super::lines::seen_in;
use crate::config::ConfigLine;
use crate::domain::{ImageReference, Render, ServiceName, Verb};
use crate::plan::pairing::{PromotedService, is_pulled, likely_builder, promoted_services, unpaired};
use crate::plan::{Finding, PlanInput};

const GATE: &str = "images";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    let files = target.render.stack.files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>();
    let promoted = promoted_services(input);
    let mut findings = Vec::new();
    let left_out = if input.request.verb == Verb::Promote { unpaired(input) } else { Vec::new() };
    if promoted.is_empty() && left_out.is_empty() {
        findings.push(
            Finding::refuse(
                GATE,
                format!(
                    "no service of {} has an image that is built here, or is called by another tag in the next \
                     environment",
                    input.request.environment
                ),
            )
            .seen(format!("Compose files: {}", files.join(", ")))
            .mend("give the services that you promote a `build:` section")
            .mend(
                "or, if they are built elsewhere, an `image:` whose tag comes from the env file: staging in the one, \
                 production in the other",
            )
            .mend(format!("or list those that are yours, in ala-promote.toml: {}", listed(input, &target.render))),
        );
    }
    findings.extend(left_out.into_iter().map(|service| not_promoted(input, &target.render, service)));
    findings.extend(promoted.iter().filter_map(|p| moves_a_release(input, &target.render, p)));
    findings.extend(promoted.iter().filter_map(|p| mixed_up(&target.render, &promoted, p)));
    if let Verb::Deploy { build, .. } = input.request.verb {
        let is_built = |p: &PromotedService<'_>| build && promoted.iter().any(|b| builds_for(b, p));
        let is_there = |p: &PromotedService<'_>| input.observed.references.contains_key(p.reference);
        let comes = |p: &PromotedService<'_>| is_built(p) || (build && is_pulled(input, p));
        let missing = promoted.iter().filter(|p| !comes(p) && !is_there(p));
        findings.extend(missing.map(|p| {
            let finding = Finding::refuse(
                GATE,
                format!("there is no image {} to deploy without building", p.reference),
            )
            .mend(format!("docker tag YOUR-IMAGE {}", p.reference));
            if build { finding } else { finding.mend("or build it: the same command without --skip-build") }
        }));
    }
    findings
}

/// The line that lists what a registry has: of services that run one image, the first by name, which takes the others
/// along. Which of several are one's own, and which a third party's, is not for us to guess.
fn listed(input: &PlanInput<'_>, render: &Render) -> String {
    let mut seen = BTreeSet::new();
    let services = render.services.iter().filter(|(service, _)| !input.is_database(service));
    let pulled = services.filter(|(_, spec)| spec.image.as_ref().is_some_and(ImageReference::has_origin));
    let first = pulled.filter(|(_, spec)| seen.insert(&spec.image)).map(|(service, _)| service.as_str());
    match first.collect::<Vec<_>>().as_slice() {
        [] => "[services.NAME] promoted = true".to_owned(),
        [one] => format!("[services.{one}] promoted = true"),
        several => {
            format!(
                "[services.NAME] promoted = true, where NAME is one of yours among {}",
                several.join(", ")
            )
        }
    }
}

/// A promotion that leaves out a service which is built here would run two releases side by side.
fn not_promoted(input: &PlanInput<'_>, render: &Render, service: &ServiceName) -> Finding {
    let environment = &input.request.environment;
    let from = input.environment().and_then(|e| e.from.as_ref()).map_or("", |from| from.as_str());
    let builders = input.building_render().into_iter().flat_map(|building| &building.services);
    let builders = builders.filter(|(_, spec)| spec.build.is_some()).map(|(name, _)| name.as_str());
    let builders: Vec<&str> = builders.collect();
    let likely = render.services.get(service).and_then(|spec| likely_builder(input, service, spec));
    let finding =
        Finding::refuse(GATE, format!("no service of {from} is known to build the image of {service}"));
    let builder = likely.map_or("NAME", ServiceName::as_str);
    let map = ConfigLine::new(&["environments", environment.as_str(), "map"], builder, service.as_str());
    let stays = ConfigLine::new(&["services", service.as_str()], "promoted", false);
    seen_in(finding, render, &format!("services.{service}.build"))
        .seen(format!("{from} builds: {}", builders.join(", ")))
        .mend(format!(
            "build it in {from} too; or, if it is built elsewhere, take `build` out of services.{service}"
        ))
        .mend_in_config("or say which it is", [map.if_so(format!("if {builder} builds what {service} runs"))])
        .mend_in_config("or that it is not promoted", [stays.if_so(format!("if {service} is not promoted"))])
}

fn builds_for(builder: &PromotedService<'_>, p: &PromotedService<'_>) -> bool {
    builder.spec.build.is_some() && builder.reference.repository() == p.reference.repository()
}

/// A release's own tag must go on naming its image.
fn moves_a_release(input: &PlanInput<'_>, render: &Render, p: &PromotedService<'_>) -> Option<Finding> {
    let is_release = input.view.releases.keys().any(|tag| tag.as_str() == p.reference.tag());
    is_release.then(|| {
        let reason = format!("service {} is started by a release's own tag, {}", p.service, p.reference);
        seen_in(Finding::refuse(GATE, reason), render, &format!("services.{}.image", p.service))
            .seen("that tag keeps the release's image; a deployment would move it to another one")
            .mend(format!("use a tag that may move, such as {}:production", p.reference.repository()))
    })
}

/// A release has one image for each repository, under one tag.
fn mixed_up(render: &Render, promoted: &[PromotedService<'_>], p: &PromotedService<'_>) -> Option<Finding> {
    let differs = |other: &&PromotedService<'_>| {
        let builds = (p.spec.build.as_ref(), other.spec.build.as_ref());
        let two_builds = matches!(builds, (Some(ours), Some(theirs)) if ours != theirs);
        other.reference != p.reference || two_builds
    };
    let same_repository =
        |other: &&PromotedService<'_>| other.reference.repository() == p.reference.repository();
    let other =
        promoted.iter().take_while(|o| o.service < p.service).filter(same_repository).find(differs)?;
    let repository = p.reference.repository();
    let at = |p: &PromotedService<'_>| render.places.locate(&format!("services.{}", p.service));
    Some(
        Finding::refuse(
            GATE,
            format!("services {} and {} have different images in one repository", other.service, p.service),
        )
        .seen(format!("{}: {}", at(other), other.reference))
        .seen(format!("{}: {}", at(p), p.reference))
        .mend(format!("give each a repository of its own, such as {repository}-{}", p.service)),
    )
}
