//! Names of releases, the references they keep, and the ones that are too old to be kept.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::release_tag;
use crate::domain::{ImageReference, Release, ReleaseKind, ReleaseTag, StackChange};
use crate::plan::{PlanInput, Refusal};

/// How many seconds a name is moved on for when others of the same second are taken.
const MOST_IN_ONE_SECOND: i64 = 60;

/// The name of a release that an operation makes or finds; no other has it: of the current second, or of one shortly
/// after.
pub(super) fn new_tag(input: &PlanInput<'_>, kind: ReleaseKind) -> Result<ReleaseTag, Refusal> {
    let environment = input.request.environment.as_str();
    let is_free = |tag: &ReleaseTag| !input.view.releases.contains_key(tag);
    let at = |seconds| input.now.checked_add(SignedDuration::from_secs(seconds)).ok();
    let texts = (0..MOST_IN_ONE_SECOND).filter_map(at).map(|at| kind.tag_text(environment, at));
    let free = texts.filter_map(|text| ReleaseTag::new(text).ok()).find(is_free);
    free.map_or_else(|| release_tag(kind.tag_text(environment, input.now)), Ok)
}

/// References that a plan may turn on: those of the renders, where the image before goes, and the releases' own.
pub(super) fn references_in_question(input: &PlanInput<'_>) -> Vec<ImageReference> {
    let mut references = BTreeSet::new();
    for environment in input.observed.environments.values() {
        for spec in environment.render.services.values() {
            let Some(image) = &spec.image else { continue };
            references.extend(old(image));
            references.insert(image.clone());
        }
        // What images are pulled by, where the files' name is not what they are called here.
        references.extend(environment.render.stack.changes.iter().filter_map(|change| match change {
            StackChange::ImageRenamed { image, .. } => Some(image.clone()),
            _ => None,
        }));
    }
    for (name, environment) in &input.observed.environments {
        let Some(view) = input.view.environments.get(name) else { continue };
        let ours: Vec<_> = environment.render.services.values().filter_map(|s| s.image.as_ref()).collect();
        for release in view.line.iter().chain(&view.left).filter_map(|tag| input.view.releases.get(tag)) {
            references.extend(pins(release, &ours));
        }
    }
    references.into_iter().collect()
}

/// All tags that may keep a release: its own, and those under the repositories of these references.
pub(super) fn pins(release: &Release, ours: &[&ImageReference]) -> BTreeSet<ImageReference> {
    let own = release.images.values().filter_map(|image| image.pin(&release.tag).ok());
    own.chain(ours.iter().filter_map(|reference| reference.with_tag(release.tag.as_str()).ok())).collect()
}

/// Where the document keeps the image that ran before: `ala-api:production-old`.
pub(super) fn old(reference: &ImageReference) -> Option<ImageReference> {
    reference.with_tag(&format!("{}-old", reference.tag())).ok()
}

/// Releases of this environment that retention no longer keeps once `next` has replaced `before`, and that no other
/// environment can go back to. What a rollback leaves behind is kept until the operation after it.
pub(super) fn expired<'a>(
    input: &PlanInput<'a>,
    before: Option<&ReleaseTag>,
    next: &ReleaseTag,
) -> Vec<&'a Release> {
    let keep = input.settings.retention.releases.max(2);
    let Some(environment) = input.view.environments.get(&input.request.environment) else {
        return Vec::new();
    };
    let after = environment.moved_to(next, before, &input.request.verb);
    let others = input.view.environments.iter().filter(|(name, _)| **name != input.request.environment);
    let lines = others.map(|(_, other)| &other.line).chain([&after.line]);
    let kept: BTreeSet<&ReleaseTag> =
        lines.flat_map(|line| line.iter().rev().take(keep)).chain(&after.left).collect();
    let known: BTreeSet<&ReleaseTag> = environment.line.iter().chain(&environment.left).collect();
    known.difference(&kept).filter_map(|tag| input.view.releases.get(*tag)).collect()
}
