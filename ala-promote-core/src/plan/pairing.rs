//! Which services are promoted, and which service of one environment is which of the other.

use std::collections::BTreeMap;

use super::PlanInput;
use crate::domain::{
    ImageReference, Release, ReleaseImage, ReleaseKind, Render, ServiceName, ServiceSpec, Verb,
};

/// A service that is promoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotedService<'a> {
    /// Its name in the environment that changes.
    pub service: &'a ServiceName,
    /// What the environment that changes renders of it.
    pub spec: &'a ServiceSpec,
    /// The reference that its container is made with.
    pub reference: &'a ImageReference,
    /// The service that builds its image, in the environment that builds.
    pub builder: &'a ServiceName,
    /// What the environment that builds renders of that one.
    pub builder_spec: &'a ServiceSpec,
}

impl PromotedService<'_> {
    /// Its image in a release, whichever environment's names the release goes by: one that was tested, first by those of
    /// the environment that built it.
    #[must_use]
    pub fn image_in<'r>(&self, release: &'r Release) -> Option<&'r ReleaseImage> {
        let names = match release.kind {
            ReleaseKind::Tested => [self.builder, self.service],
            _ => [self.service, self.builder],
        };
        let by_name = names.into_iter().find_map(|name| release.images.get(name));
        by_name.or_else(|| release.images.values().find(|i| i.repository == self.reference.repository()))
    }
}

/// The promoted services of the environment that changes, by name: those whose image is built by some service of the
/// environment that builds (a worker that shares the image included), and those that the config lists; never a
/// database.
#[must_use]
pub fn promoted_services<'a>(input: &PlanInput<'a>) -> Vec<PromotedService<'a>> {
    let (Some(target), Some(building)) = (input.target(), input.building_render()) else {
        return Vec::new();
    };
    let wanted = |service: &ServiceName| input.settings.services.get(service).and_then(|s| s.promoted);
    let candidates = || {
        let services = target.render.services.iter();
        services.filter(|(service, _)| wanted(service) != Some(false) && !input.is_database(service))
    };
    let built = candidates().filter_map(|(service, spec)| {
        let reference = spec.image.as_ref()?;
        let listed = wanted(service) == Some(true) || runs_of_a_release(input, service);
        let (builder, builder_spec) = builder_of(input, building, service, spec, listed)?;
        Some((service, PromotedService { service, spec, reference, builder, builder_spec }))
    });
    let mut promoted: BTreeMap<&ServiceName, PromotedService<'a>> = built.collect();
    // A reference that is moved takes along whoever runs by it.
    for (service, spec) in candidates() {
        let same = promoted.values().find(|p| Some(p.reference) == spec.image.as_ref()).cloned();
        if let Some(same) = same {
            promoted.entry(service).or_insert(PromotedService { service, spec, ..same });
        }
    }
    promoted.into_values().collect()
}

/// A rollback also concerns what an earlier release brought, whatever can be known of the environment before this one:
/// its broken files hold up no rollback.
fn runs_of_a_release(input: &PlanInput<'_>, service: &ServiceName) -> bool {
    let current = input.view.current(&input.request.environment);
    matches!(input.request.verb, Verb::Rollback { .. })
        && current.is_some_and(|release| release.images.contains_key(service))
}

/// The service that builds a service's image: the one that the config pairs it with, else one that builds the same
/// repository (its own name first), else the one of its own name if both are built.
fn builder_of<'a>(
    input: &PlanInput<'a>,
    building: &'a Render,
    service: &ServiceName,
    spec: &ServiceSpec,
    listed: bool,
) -> Option<(&'a ServiceName, &'a ServiceSpec)> {
    if let Some(environment) = input.environment()
        && let Some((source, _)) = environment.map.iter().find(|(_, target)| *target == service)
        && let Some(found) = building.services.get_key_value(source)
    {
        return Some(found);
    }
    let own = building.services.get_key_value(service);
    let same_repository = |candidate: &ServiceSpec| {
        let repository = |image: &Option<ImageReference>| image.as_ref().map(|i| i.repository().to_owned());
        candidate.build.is_some() && repository(&candidate.image) == repository(&spec.image)
    };
    let by_repository = || building.services.iter().find(|(_, candidate)| same_repository(candidate));
    own.filter(|(_, candidate)| same_repository(candidate))
        .or_else(by_repository)
        .or_else(|| own.filter(|(_, c)| c.build.is_some() && (spec.build.is_some() || listed)))
        .or_else(|| own.filter(|_| listed))
}
