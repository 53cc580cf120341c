//! Names of releases, the references they keep, and the ones that are too old to be kept.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::release_tag;
use crate::domain::{ImageReference, Release, ReleaseKind, ReleaseTag};
use crate::plan::{Finding, PlanInput};

/// How many seconds a name is moved on for when others of the same second are taken.
const MOST_IN_ONE_SECOND: i64 = 60;

/// A name that no release has: of the current second, or of one shortly after.
pub(super) fn unused_tag(input: &PlanInput<'_>, kind: ReleaseKind) -> Option<ReleaseTag> {
    (0..MOST_IN_ONE_SECOND).find_map(|seconds| {
        let at = input.now.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        let tag = ReleaseTag::new(kind.tag_text(input.request.environment.as_str(), at)).ok()?;
        (!input.view.releases.contains_key(&tag)).then_some(tag)
    })
}

/// The name of the release that an operation makes.
pub(super) fn new_tag(input: &PlanInput<'_>, kind: ReleaseKind) -> Result<ReleaseTag, Finding> {
    unused_tag(input, kind)
        .map_or_else(|| release_tag(kind.tag_text(input.request.environment.as_str(), input.now)), Ok)
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
    }
    for name in input.observed.environments.keys() {
        let line = input.view.environments.get(name).map(|e| e.line.as_slice()).unwrap_or_default();
        for release in line.iter().filter_map(|tag| input.view.releases.get(tag)) {
            references.extend(release.images.values().filter_map(|image| image.pin(&release.tag).ok()));
        }
    }
    references.into_iter().collect()
}

/// Where the document keeps the image that ran before: `ala-api:production-old`.
pub(super) fn old(reference: &ImageReference) -> Option<ImageReference> {
    reference.with_tag(&format!("{}-old", reference.tag())).ok()
}

/// Releases of this environment's line that retention no longer keeps, once `next` runs, and that no other
/// environment can go back to.
pub(super) fn expired<'a>(input: &PlanInput<'a>, next: Option<&ReleaseTag>) -> Vec<&'a Release> {
    let keep = input.settings.retention.releases.max(2);
    let Some(environment) = input.view.environments.get(&input.request.environment) else {
        return Vec::new();
    };
    // The one that will run counts, and is at the end of the line afterwards.
    let older: Vec<&ReleaseTag> = environment.line.iter().filter(|tag| Some(*tag) != next).collect();
    let cut = older.len().saturating_sub(keep - 1);
    let kept_elsewhere = |tag: &ReleaseTag| {
        let elsewhere =
            input.view.environments.iter().filter(|(name, _)| **name != input.request.environment);
        elsewhere.flat_map(|(_, e)| e.line.iter().rev().take(keep)).any(|other| other == tag)
    };
    let kept_here: Vec<&&ReleaseTag> = older.iter().skip(cut).collect();
    older
        .iter()
        .take(cut)
        .filter(|tag| !kept_here.contains(tag) && !kept_elsewhere(tag))
        .filter_map(|tag| input.view.releases.get(*tag))
        .collect()
}
