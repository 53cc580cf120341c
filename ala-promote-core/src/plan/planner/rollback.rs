//! Going back to an earlier release. The database is left as it is.

use super::draft::Draft;
use super::move_release::move_to;
use crate::domain::{Release, ReleaseTag};
use crate::plan::pairing::promoted_services;
use crate::plan::{Finding, PlanInput};

const GATE: &str = "rollback";

pub(super) fn draft<'a>(input: &'a PlanInput<'a>, to: Option<&ReleaseTag>) -> Result<Draft<'a>, Finding> {
    let release = choose(input, to)?;
    let mut draft = Draft::new(input)?;
    draft.pin()?;
    move_to(&mut draft, &release)?;
    Ok(draft)
}

/// The releases of the line that can be gone back to, the nearest first, with why one can't be used.
pub(super) fn choices(input: &PlanInput<'_>) -> Vec<(Release, Option<String>)> {
    let line = input.view.environments.get(&input.request.environment).map(|e| e.line.as_slice());
    let earlier = line.unwrap_or_default().split_last().map(|(_, earlier)| earlier).unwrap_or_default();
    let known = earlier.iter().rev().filter_map(|tag| input.view.releases.get(tag));
    known.map(|release| (release.clone(), problem(input, release))).collect()
}

/// Why a release can't be run here.
fn problem(input: &PlanInput<'_>, release: &Release) -> Option<String> {
    promoted_services(input).iter().find_map(|promoted| match promoted.image_in(release) {
        None => Some(format!("it has no image for service {}", promoted.service)),
        Some(image) if !input.observed.images.contains_key(&image.identity.id) => {
            Some(format!("the image of {} is gone from the engine", promoted.service))
        }
        Some(_) => None,
    })
}

fn choose(input: &PlanInput<'_>, to: Option<&ReleaseTag>) -> Result<Release, Finding> {
    let environment = &input.request.environment;
    let choices = choices(input);
    let release = match to {
        Some(tag) => choices.iter().find(|(release, _)| &release.tag == tag),
        None => choices.first(),
    };
    match (release, to) {
        (Some((release, None)), _) => Ok(release.clone()),
        (Some((release, Some(problem))), _) => {
            let finding = Finding::refuse(GATE, format!("{} can't be run: {problem}", release.tag));
            Err(finding.mend("choose another: ./rollback --list, then ./rollback --to RELEASE"))
        }
        (None, Some(tag)) => {
            Err(Finding::refuse(GATE, format!("{environment} has no earlier release {tag}"))
                .mend("see which there are: ./rollback --list"))
        }
        (None, None) => {
            Err(Finding::refuse(GATE, format!("{environment} has no earlier release to go back to"))
                .seen("a release can be gone back to once another one was committed after it")
                .mend("deploy or promote a release that works"))
        }
    }
}
