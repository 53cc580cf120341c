//! What runs before an operation, and under what name it can be gone back to.

use std::collections::BTreeMap;

use super::draft::health_target;
use super::{release, unusable};
use crate::domain::{HealthVerdict, Release, ReleaseImage, ReleaseKind, ServiceName};
use crate::plan::pairing::PromotedService;
use crate::plan::{Before, ContainerBefore, Finding, ObservedEnvironment, PlanInput, Refusal};

/// Looks at the services that may change.
pub(super) fn look(
    input: &PlanInput<'_>,
    target: &ObservedEnvironment,
    promoted: &[PromotedService<'_>],
    services: &[ServiceName],
) -> Result<Before, Refusal> {
    let mut containers: Vec<ContainerBefore> = target
        .containers
        .iter()
        .filter(|container| services.contains(&container.service))
        .map(|container| ContainerBefore {
            service: container.service.clone(),
            name: container.name.clone(),
            image: container.image.id.clone(),
            running: container.is_meant_to_run(),
        })
        .collect();
    containers.sort();
    let healthy = target
        .health
        .iter()
        .filter(|health| health.verdict == HealthVerdict::Healthy && services.contains(&health.service))
        .filter_map(|health| {
            let spec = target.render.services.get(&health.service)?;
            let is_promoted = promoted.iter().any(|p| p.service == &health.service);
            Some(health_target(input, target, &health.service, spec, is_promoted))
        })
        .collect();
    Ok(Before { release: release_that_runs(input, target, promoted)?, containers, healthy })
}

/// The images that the promoted services run, whether they work or not.
pub(super) fn running_images(
    target: &ObservedEnvironment,
    promoted: &[PromotedService<'_>],
) -> BTreeMap<ServiceName, ReleaseImage> {
    let image = |p: &PromotedService<'_>| {
        let container = target.containers_of(p.service).next()?;
        let repository = container.image_reference.as_ref().unwrap_or(p.reference).repository().to_owned();
        Some((
            p.service.clone(),
            ReleaseImage { repository, identity: container.image.clone(), digest: None },
        ))
    };
    promoted.iter().filter_map(image).collect()
}

/// Whether all that runs is of this release.
pub(super) fn is_what_runs(
    release: &Release,
    running: &BTreeMap<ServiceName, ReleaseImage>,
    promoted: &[PromotedService<'_>],
) -> bool {
    promoted.iter().all(|p| match (running.get(p.service), p.image_in(release)) {
        (Some(running), Some(known)) => running.identity.is_same(&known.identity),
        (None, _) => true,
        (Some(_), None) => false,
    })
}

/// The release that runs: the last one of the line that is what runs, be it put back by hand; else an adopted one made up
/// of what does.
fn release_that_runs(
    input: &PlanInput<'_>,
    target: &ObservedEnvironment,
    promoted: &[PromotedService<'_>],
) -> Result<Option<Release>, Refusal> {
    let images = running_images(target, promoted);
    if images.is_empty() {
        return Ok(None);
    }
    let mut known = input.view.line(&input.request.environment).rev();
    if let Some(known) = known.find(|known| is_what_runs(known, &images, promoted)) {
        return Ok(Some(known.clone()));
    }
    if let Some((service, _)) = images.iter().find(|(_, image)| image.identity.layers.is_empty()) {
        return Err(Finding::refuse(
            "adoption",
            format!("the image that {service} runs is gone from the engine"),
        )
        .seen("a rollback could not bring it back")
        .mend(format!("docker commit the container of {service}, or start it from an image that exists"))
        .into());
    }
    let tag = release::new_tag(input, ReleaseKind::Adopted)?;
    for image in images.values() {
        image.pin(&tag).map_err(|e| unusable("what runs can't be kept", &e))?;
    }
    Ok(Some(Release { tag, kind: ReleaseKind::Adopted, created_at: input.now, images, source: None }))
}
