//! Putting a release on the environment that builds it.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::{release, unseen, unusable};
use crate::domain::{ImageReference, PullSource, ReleaseKind, ReleaseTag, ServiceName, StackChange, StepId};
use crate::plan::pairing::{PromotedService, is_pulled};
use crate::plan::{
    Action, Finding, ImageSource, PlanInput, PlannedImage, PlannedRelease, PullTarget, Refusal, StageKind,
    StepClass,
};

pub(super) fn draft<'a>(
    input: &'a PlanInput<'a>,
    build: bool,
    keep_failed: bool,
) -> Result<Draft<'a>, Refusal> {
    let mut draft = Draft::new(input)?;
    if let Some(finding) = not_on_protected(&draft, build, keep_failed) {
        return Err(finding.into());
    }
    draft.keep_failed = keep_failed;

    // A release counts as tested where others are promoted from; elsewhere it was just built.
    let is_source = input.settings.promoted_from(&input.request.environment).next().is_some();
    let kind = if is_source { ReleaseKind::Tested } else { ReleaseKind::Built };
    let tag = release::new_tag(input, kind)?;
    draft.pin()?;
    let images = if build { made_images(&mut draft, &tag)? } else { tagged_images(&draft)? };
    draft.backup();

    let release =
        PlannedRelease { tag, kind, created_at: input.now, images, source: input.observed.source.clone() };

    let mut targets: BTreeMap<ImageReference, ImageSource> = BTreeMap::new();
    for promoted in &draft.promoted {
        let Some(image) = release.images.get(promoted.service) else { continue };
        targets.insert(promoted.reference.clone(), image.image.clone());
        if !(build && is_borrowed(&draft, promoted)) {
            targets.insert(own_reference(promoted, &release.tag)?, image.image.clone());
        }
    }
    keep_old(&draft, &release, &mut targets);
    let tags = targets.into_iter().map(|(reference, to)| draft.tag(reference, to)).collect();
    draft.stage(StageKind::Tag, StepClass::Compensable, tags);

    draft.swap_and_commit(release);
    let temporary = if build { build_references(&draft)?.into_values().collect() } else { Vec::new() };
    draft.retire(temporary);
    Ok(draft)
}

/// What is handy where one tests would leave people with a broken release, or with one that nobody tested.
fn not_on_protected(draft: &Draft<'_>, build: bool, keep_failed: bool) -> Option<Finding> {
    let environment = Some(draft.environment).filter(|environment| environment.protected)?;
    let refuse = |reason: String| Finding::refuse("protected", reason);
    if keep_failed {
        return Some(
            refuse(format!("a failed release can't be left running on {}", environment.name))
                .mend("the same command without --keep-failed: what ran before is put back"),
        );
    }
    let from = environment.from.as_ref().filter(|_| !build)?;
    Some(
        refuse(format!("an image that was not tested on {from} would go to {}", environment.name))
            .mend(format!("deploy it to {from} with --skip-build, then promote it")),
    )
}

/// In a protected environment the images before stay at hand under the documented name, unless they are what comes.
pub(super) fn keep_old(
    draft: &Draft<'_>,
    next: &PlannedRelease,
    targets: &mut BTreeMap<ImageReference, ImageSource>,
) {
    let Some(before) = draft.before.release.as_ref().filter(|_| draft.environment.protected) else { return };
    let stays = |p: &PromotedService<'_>| match (p.image_in(before), next.images.get(p.service)) {
        (Some(old), Some(PlannedImage { image: ImageSource::Known(new), .. })) => old.identity.is_same(new),
        _ => false,
    };
    if draft.promoted.iter().all(stays) {
        return;
    }
    for promoted in &draft.promoted {
        if let (Some(image), Some(old)) = (promoted.image_in(before), release::old(promoted.reference)) {
            targets.insert(old, ImageSource::Known(image.identity.clone()));
        }
    }
}

/// The services to build, each with a reference that only this operation uses. Of several that build one repository,
/// the first by name does it.
fn build_references(draft: &Draft<'_>) -> Result<BTreeMap<ServiceName, ImageReference>, Refusal> {
    let mut targets: BTreeMap<ServiceName, ImageReference> = BTreeMap::new();
    for promoted in draft.promoted.iter().filter(|p| p.spec.build.is_some()) {
        let tag = format!("ala-promote-{}", draft.input.operation);
        let reference = promoted.reference.with_tag(&tag);
        let reference = reference.map_err(|e| unusable("an image can't be built", &e))?;
        if !targets.values().any(|taken| taken == &reference) {
            targets.insert(promoted.service.clone(), reference);
        }
    }
    Ok(targets)
}

/// The images that come from a registry, by the service that they are pulled for.
fn pull_targets(draft: &Draft<'_>) -> BTreeMap<ServiceName, PullTarget> {
    let pulled = draft.promoted.iter().filter(|p| is_pulled(draft.input, p));
    let target = |p: &PromotedService<'_>| {
        let reference = in_registry(draft, p);
        let prior = draft.input.observed.references.get(reference).map(|image| image.id.clone());
        let source = PullSource::Tag(reference.clone());
        (p.service.clone(), PullTarget { source, prior, expect: None })
    };
    pulled.map(target).collect()
}

/// What the registry calls a service's image: what the files call it.
fn in_registry<'a>(draft: &'a Draft<'_>, p: &PromotedService<'a>) -> &'a ImageReference {
    let renamed = draft.stack.changes.iter().find_map(|change| match change {
        StackChange::ImageRenamed { service, image, .. } if service == p.service => Some(image),
        _ => None,
    });
    renamed.unwrap_or(p.reference)
}

/// Whether a service's image is pulled by a name that is another environment's on this host.
fn is_borrowed(draft: &Draft<'_>, p: &PromotedService<'_>) -> bool {
    is_pulled(draft.input, p) && in_registry(draft, p) != p.reference
}

/// The name that only this release has.
fn own_reference(p: &PromotedService<'_>, tag: &ReleaseTag) -> Result<ImageReference, Refusal> {
    p.reference.with_tag(tag.as_str()).map_err(|e| unusable("the release's tag can't be set", &e))
}

/// Gives names that were borrowed for a pull back to what they named, before anything else is done: whoever starts that
/// other environment by hand gets what it had. What came is kept by the release's own name.
fn give_back<'s>(
    draft: &mut Draft<'_>,
    tag: &ReleaseTag,
    pull_step: &StepId,
    pulled_by: impl Fn(&ImageReference) -> Option<&'s ServiceName>,
) -> Result<(), Refusal> {
    let (mut kept, mut given) = (BTreeMap::new(), BTreeMap::new());
    for p in draft.promoted.iter().filter(|p| is_borrowed(draft, p)) {
        let reference = in_registry(draft, p);
        let Some(service) = pulled_by(reference) else { continue };
        let came = ImageSource::Built { step: pull_step.clone(), service: service.clone() };
        kept.insert(own_reference(p, tag)?, came);
        given.insert(reference.clone(), draft.input.observed.references.get(reference));
    }
    let keep = kept.into_iter().map(|(reference, to)| draft.tag(reference, to)).collect();
    let give = given.into_iter().map(|(reference, prior)| match prior {
        Some(image) => {
            let (_, action) = draft.tag(reference.clone(), ImageSource::Known(image.clone()));
            (format!("give {reference} back to what it named"), action)
        }
        None => (format!("remove the tag {reference}"), Action::Untag { reference }),
    });
    let give = give.collect();
    draft.stage(StageKind::GiveBack, StepClass::Compensable, keep);
    draft.stage(StageKind::GiveBack, StepClass::Compensable, give);
    Ok(())
}

/// Pulls what was built elsewhere, builds the rest, and takes what is neither as it is tagged.
fn made_images(
    draft: &mut Draft<'_>,
    tag: &ReleaseTag,
) -> Result<BTreeMap<ServiceName, PlannedImage>, Refusal> {
    let pulled = pull_targets(draft);
    let pull_step = draft.upcoming_id();
    draft.pull(pulled.clone());
    let pulled_by = |reference: &ImageReference| {
        let source = PullSource::Tag(reference.clone());
        pulled.iter().find(|(_, target)| target.source == source).map(|(service, _)| service)
    };
    give_back(draft, tag, &pull_step, pulled_by)?;
    let targets = build_references(draft)?;
    let step = draft.upcoming_id();
    let built_by = |repository: &str| {
        targets.iter().find(|(_, reference)| reference.repository() == repository).map(|(service, _)| service)
    };
    let mut images = BTreeMap::new();
    for promoted in &draft.promoted {
        let repository = promoted.reference.repository();
        let made = |step: &StepId, service: &ServiceName| PlannedImage {
            repository: repository.to_owned(),
            image: ImageSource::Built { step: step.clone(), service: service.clone() },
            digest: None,
        };
        let planned = match (built_by(repository), pulled_by(in_registry(draft, promoted))) {
            (Some(service), _) => made(&step, service),
            (None, Some(service)) => made(&pull_step, service),
            (None, None) => tagged(draft, promoted.reference)?,
        };
        images.insert(promoted.service.clone(), planned);
    }
    if targets.is_empty() {
        return Ok(images);
    }
    let names = targets.keys().map(ServiceName::as_str).collect::<Vec<_>>().join(", ");
    let action = Action::Build { stack: draft.stack.clone(), targets };
    draft.stage(StageKind::Build, StepClass::Compensable, vec![(format!("build {names}"), action)]);
    Ok(images)
}

fn tagged_images(draft: &Draft<'_>) -> Result<BTreeMap<ServiceName, PlannedImage>, Refusal> {
    let planned =
        |promoted: &PromotedService<'_>| Ok((promoted.service.clone(), tagged(draft, promoted.reference)?));
    draft.promoted.iter().map(planned).collect()
}

/// The image that a reference names now. Its registry's digest is known where a release had the same image.
fn tagged(draft: &Draft<'_>, reference: &ImageReference) -> Result<PlannedImage, Refusal> {
    let found = draft.input.observed.references.get(reference);
    let identity = found.cloned().ok_or_else(|| unseen(&format!("an image named {reference}")))?;
    let mut known = draft.input.view.releases.values().flat_map(|release| release.images.values());
    let digest = known.find(|image| image.identity.is_same(&identity)).and_then(|image| image.digest.clone());
    Ok(PlannedImage {
        repository: reference.repository().to_owned(),
        image: ImageSource::Known(identity),
        digest,
    })
}
