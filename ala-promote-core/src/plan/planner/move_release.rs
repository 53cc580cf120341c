//! Making an environment run a release whose images exist: what a promotion and a rollback have in common.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::{deploy, unseen, unusable};
use crate::domain::{PullSource, Release, ServiceName};
use crate::plan::{ImageSource, PlannedImage, PlannedRelease, PullTarget, Refusal, StageKind, StepClass};

/// Brings back the images of a release that the engine no longer has, where a registry has them by their digest.
pub(super) fn bring_back(draft: &mut Draft<'_>, release: &Release) {
    let gone = draft.promoted.iter().filter_map(|promoted| {
        let image = promoted.image_in(release)?;
        let digest = image.digest.clone()?;
        let there = draft.input.observed.images.contains_key(&image.identity.id);
        let source = PullSource::Digest(digest);
        let target = PullTarget { source, prior: None, expect: Some(image.identity.clone()) };
        (!there).then(|| (promoted.service.clone(), target))
    });
    let targets: BTreeMap<ServiceName, PullTarget> = gone.collect();
    draft.pull(targets);
}

pub(super) fn move_to(draft: &mut Draft<'_>, release: &Release) -> Result<(), Refusal> {
    let mut planned = PlannedRelease { images: BTreeMap::new(), ..PlannedRelease::from(release) };
    let mut targets = BTreeMap::new();
    for promoted in &draft.promoted {
        let what = || unseen(&format!("an image for service {} in {}", promoted.service, release.tag));
        let image = promoted.image_in(release).ok_or_else(what)?;
        let source = ImageSource::Known(image.identity.clone());
        // A pin under this environment's repository: it must outlive the other environment's retention.
        let repository = promoted.reference.repository().to_owned();
        let pin = promoted.reference.with_tag(release.tag.as_str());
        let pin = pin.map_err(|e| unusable("an image can't be kept", &e))?;
        targets.insert(pin, source.clone());
        targets.insert(promoted.reference.clone(), source.clone());
        let digest = image.digest.clone();
        planned.images.insert(promoted.service.clone(), PlannedImage { repository, image: source, digest });
    }
    deploy::keep_old(draft, &planned, &mut targets);
    let tags = targets.into_iter().map(|(reference, to)| draft.tag(reference, to)).collect();
    draft.stage(StageKind::Tag, StepClass::Compensable, tags);
    draft.swap_and_commit(planned);
    draft.retire(Vec::new());
    Ok(())
}
