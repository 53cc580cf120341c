//! Which services are promoted, and which service of one environment is which of the other.

use std::collections::BTreeMap;

use super::PlanInput;
use crate::domain::{
    ImageReference, Release, ReleaseImage, ReleaseKind, Render, ServiceName, ServiceSpec, Verb,
};

/// The settings of `build` that say what is built.
const WHAT_IS_BUILT: [&str; 4] = ["context", "dockerfile", "dockerfile_inline", "target"];

/// Words that say which environment a service is of.
const OF_AN_ENVIRONMENT: [&str; 6] = ["staging", "stage", "stg", "production", "prod", "live"];

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
/// environment that builds (a worker that shares the image included), those whose image was built elsewhere and is
/// called by one tag in the one environment and by another in the next, and those that the config lists; never a
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

/// Whether a deployment pulls a promoted service's image: its name says where from, and nothing here builds it.
#[must_use]
pub(crate) fn is_pulled(input: &PlanInput<'_>, promoted: &PromotedService<'_>) -> bool {
    let repository = promoted.reference.repository();
    let builds_it = |spec: &ServiceSpec| {
        spec.build.is_some() && spec.image.as_ref().is_some_and(|image| image.repository() == repository)
    };
    let renders = input.observed.environments.values().map(|environment| &environment.render);
    promoted.reference.has_origin()
        && promoted.spec.build.is_none()
        && !renders.flat_map(|render| render.services.values()).any(builds_it)
}

/// Services of the environment that changes which have `build:`, and which nothing in the environment that releases come
/// from builds: a promotion would leave their images as they are.
#[must_use]
pub(crate) fn unpaired<'a>(input: &PlanInput<'a>) -> Vec<&'a ServiceName> {
    let Some(target) = input.target() else { return Vec::new() };
    let promoted = promoted_services(input);
    let is_left = |service: &ServiceName, spec: &ServiceSpec| {
        spec.build.is_some()
            && !input.is_database(service)
            && input.settings.services.get(service).and_then(|s| s.promoted) != Some(false)
            && !promoted.iter().any(|p| p.service == service)
    };
    target.render.services.iter().filter(|(service, spec)| is_left(service, spec)).map(|(s, _)| s).collect()
}

/// The service that builds a service's image: the one that the config pairs it with, else one that builds the same
/// repository (its own name first), else the one of its own name if both are built, else, where none has its name, the
/// only one that is built the same way. Where nobody builds it, the one that runs another tag of the same repository.
fn builder_of<'a>(
    input: &PlanInput<'a>,
    building: &'a Render,
    service: &ServiceName,
    spec: &ServiceSpec,
    listed: bool,
) -> Option<(&'a ServiceName, &'a ServiceSpec)> {
    if let Some(environment) = input.environment()
        && let Some(source) = environment.map.get(service)
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
        .or_else(|| built_alike(building, spec).filter(|_| own.is_none()))
        .or_else(|| built_elsewhere(input, building, service, spec))
        .or_else(|| own.filter(|_| listed))
}

/// The only service that could build a service's image, of those that nothing is paired with: one of the same repository,
/// one that is built from the same folder to the same target, or one whose name differs by the environment alone. It is
/// proposed, and not taken.
#[must_use]
pub(crate) fn likely_builder<'a>(
    input: &PlanInput<'a>,
    service: &ServiceName,
    spec: &ServiceSpec,
) -> Option<&'a ServiceName> {
    let building = input.building_render()?;
    let promoted = promoted_services(input);
    let is_like = |name: &ServiceName, candidate: &ServiceSpec| {
        let repository = |spec: &ServiceSpec| spec.image.as_ref().map(|image| image.repository().to_owned());
        let source = |spec: &ServiceSpec| {
            let settings = &spec.build.as_ref()?.settings;
            Some((settings.get("context")?.clone(), settings.get("target").cloned()))
        };
        let is_same_repository = spec.image.is_some() && repository(spec) == repository(candidate);
        let is_same_source = source(spec).is_some() && source(spec) == source(candidate);
        let words = own_words(service);
        is_same_repository || is_same_source || (!words.is_empty() && words == own_words(name))
    };
    let mut alike = building.services.iter().filter(|(name, candidate)| {
        candidate.build.is_some() && !promoted.iter().any(|p| p.builder == *name) && is_like(name, candidate)
    });
    alike.next().filter(|_| alike.next().is_none()).map(|(name, _)| name)
}

/// A service's name without the words that only say which environment it is of.
fn own_words(service: &ServiceName) -> Vec<&str> {
    let words = service.as_str().split(['-', '_', '.']);
    words.filter(|word| !OF_AN_ENVIRONMENT.contains(word)).collect()
}

/// The only service that is built from the same folder, by the same file, to the same target.
fn built_alike<'a>(building: &'a Render, spec: &ServiceSpec) -> Option<(&'a ServiceName, &'a ServiceSpec)> {
    let ours = spec.build.as_ref()?;
    let is_alike = |candidate: &ServiceSpec| {
        let theirs = candidate.build.as_ref();
        theirs.is_some_and(|theirs| {
            WHAT_IS_BUILT.iter().all(|key| theirs.settings.get(*key) == ours.settings.get(*key))
        })
    };
    let mut alike = building.services.iter().filter(|(_, candidate)| is_alike(candidate));
    alike.next().filter(|_| alike.next().is_none())
}

/// The service that runs another tag of an image that nobody builds. An environment that is deployed to pulls it itself,
/// if a neighbour runs another tag: one that its releases come from or go to.
fn built_elsewhere<'a>(
    input: &PlanInput<'a>,
    building: &'a Render,
    service: &ServiceName,
    spec: &ServiceSpec,
) -> Option<(&'a ServiceName, &'a ServiceSpec)> {
    let ours = input.environment()?;
    if building.stack.environment != ours.name {
        return other_tag(building, service, spec);
    }
    let before = ours.from.iter();
    let after = input.settings.promoted_from(&ours.name).map(|next| &next.name);
    let mut neighbours = before.chain(after).filter_map(|name| input.observed.environments.get(name));
    let differs = neighbours.any(|neighbour| other_tag(&neighbour.render, service, spec).is_some());
    building.services.get_key_value(service).filter(|_| differs)
}

/// The service of an environment that runs another tag of the same repository; of several, the one of the same name.
fn other_tag<'a>(
    render: &'a Render,
    service: &ServiceName,
    spec: &ServiceSpec,
) -> Option<(&'a ServiceName, &'a ServiceSpec)> {
    let repository = |spec: &ServiceSpec| spec.image.as_ref().map(|image| image.repository().to_owned());
    let of_one_name = render.services.get_key_value(service);
    let of_one_name = of_one_name.filter(|(_, candidate)| repository(candidate) == repository(spec));
    match of_one_name {
        Some(found) => Some(found).filter(|(_, candidate)| is_another_tag(candidate, spec)),
        None => render.services.iter().find(|(_, candidate)| is_another_tag(candidate, spec)),
    }
}

/// Whether both run an image that was built elsewhere, of one repository and by tags that differ and may move. A tag
/// that says which version it is would be untrue on another image.
fn is_another_tag(candidate: &ServiceSpec, spec: &ServiceSpec) -> bool {
    let (Some(theirs), Some(ours)) = (&candidate.image, &spec.image) else { return false };
    candidate.build.is_none()
        && spec.build.is_none()
        && (ours.has_origin() || (names_an_environment(ours) && names_an_environment(theirs)))
        && ours.repository() == theirs.repository()
        && ours.tag() != theirs.tag()
        && !ours.is_version()
        && !theirs.is_version()
}

/// Whether its tag has a word for an environment: nobody else's image does, though its name may have no origin.
fn names_an_environment(image: &ImageReference) -> bool {
    image.tag().split(['-', '_', '.']).any(|word| OF_AN_ENVIRONMENT.contains(&word))
}
