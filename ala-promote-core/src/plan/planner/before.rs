//! What runs before an operation, and under what name it can be gone back to.

use super::draft::health_target;
use super::{release_tag, unusable};
use crate::domain::{HealthVerdict, Release, ReleaseImage, ReleaseKind, ServiceName};
use crate::plan::pairing::PromotedService;
use crate::plan::{Before, ContainerBefore, Finding, ObservedEnvironment, PlanInput};

/// Looks at the services that may change.
pub(super) fn look(
    input: &PlanInput<'_>,
    target: &ObservedEnvironment,
    promoted: &[PromotedService<'_>],
    services: &[ServiceName],
) -> Result<Before, Finding> {
    let mut containers: Vec<ContainerBefore> = target
        .containers
        .iter()
        .filter(|container| services.contains(&container.service))
        .map(|container| ContainerBefore {
            service: container.service.clone(),
            name: container.name.clone(),
            image: container.image.id.clone(),
            running: container.is_running(),
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
    Ok(Before { release: release(input, target, promoted)?, containers, healthy })
}

/// The release that runs: the ledger's, if that is what runs; else an adopted one made up of what does.
fn release(
    input: &PlanInput<'_>,
    target: &ObservedEnvironment,
    promoted: &[PromotedService<'_>],
) -> Result<Option<Release>, Finding> {
    let mut images = std::collections::BTreeMap::new();
    for p in promoted {
        let Some(container) = target.containers_of(p.service).next() else { continue };
        let repository = container.image_reference.as_ref().unwrap_or(p.reference).repository().to_owned();
        images.insert(p.service.clone(), ReleaseImage { repository, identity: container.image.clone() });
    }
    if images.is_empty() {
        return Ok(None);
    }
    let runs = |release: &&Release| {
        promoted.iter().all(|p| match (images.get(p.service), p.image_in(release)) {
            (Some(running), Some(known)) => running.identity.is_same(&known.identity),
            (None, _) => true,
            (Some(_), None) => false,
        })
    };
    if let Some(known) = input.view.current(&input.request.environment).filter(runs) {
        return Ok(Some(known.clone()));
    }
    if let Some((service, _)) = images.iter().find(|(_, image)| image.identity.layers.is_empty()) {
        return Err(Finding::refuse(
            "adoption",
            format!("the image that {service} runs is gone from the engine"),
        )
        .seen("a rollback could not bring it back")
        .mend(format!("docker commit the container of {service}, or start it from an image that exists")));
    }
    let tag = unused_tag(input)?;
    for image in images.values() {
        image.pin(&tag).map_err(|e| unusable("what runs can't be kept", &e))?;
    }
    Ok(Some(Release { tag, kind: ReleaseKind::Adopted, created_at: input.now, images, source: None }))
}

fn unused_tag(input: &PlanInput<'_>) -> Result<crate::domain::ReleaseTag, Finding> {
    super::release::unused_tag(input, ReleaseKind::Adopted).map_or_else(
        || release_tag(ReleaseKind::Adopted.tag_text(input.request.environment.as_str(), input.now)),
        Ok,
    )
}
