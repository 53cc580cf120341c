//! Going back to an earlier release. The database is left as it is.

use std::collections::BTreeMap;

use super::before::{is_what_runs, running_images};
use super::draft::Draft;
use super::move_release::{bring_back, move_to};
use crate::domain::{ImageId, ImageReference, Release, ReleaseTag, ServiceName};
use crate::plan::pairing::{PromotedService, promoted_services};
use crate::plan::{Finding, PlanInput, Refusal};

const GATE: &str = "rollback";

pub(super) fn draft<'a>(input: &'a PlanInput<'a>, to: Option<&ReleaseTag>) -> Result<Draft<'a>, Refusal> {
    let release = choose(input, to)?;
    let mut draft = Draft::new(input)?;
    draft.pin()?;
    bring_back(&mut draft, &release);
    move_to(&mut draft, &release)?;
    Ok(draft)
}

/// The releases of the line that can be gone back to, the nearest first, with why one can't be used: those before what
/// runs, other images only; all of them when what runs is none of them.
pub(super) fn choices(input: &PlanInput<'_>) -> Vec<(Release, Option<String>)> {
    let promoted = promoted_services(input);
    let running = input.target().map(|target| running_images(target, &promoted)).unwrap_or_default();
    let runs = |release: &Release| is_what_runs(release, &running, &promoted);
    let line: Vec<&Release> = input.view.line(&input.request.environment).collect();
    let at = line.iter().rposition(|release| runs(release)).unwrap_or(line.len());
    let mut choices: Vec<(Release, Option<String>)> = Vec::new();
    for release in line.into_iter().take(at).rev() {
        let is_listed = choices.iter().any(|(listed, _)| listed.tag == release.tag);
        if !is_listed && (running.is_empty() || !runs(release)) {
            choices.push((release.clone(), problem(input, &promoted, release)));
        }
    }
    choices
}

/// Why a release can't be run here.
fn problem(input: &PlanInput<'_>, promoted: &[PromotedService<'_>], release: &Release) -> Option<String> {
    let mut named: BTreeMap<&ImageReference, (&ServiceName, &ImageId)> = BTreeMap::new();
    promoted.iter().find_map(|p| {
        let Some(image) = p.image_in(release) else {
            return Some(format!("it has no image for service {}", p.service));
        };
        let id = &image.identity.id;
        if !input.observed.images.contains_key(id) && image.digest.is_none() {
            return Some(format!("the image of {} is gone from the engine", p.service));
        }
        let (other, first) = *named.entry(p.reference).or_insert((p.service, id));
        (first != id)
            .then(|| format!("{other} and {} ran different images, both called {}", p.service, p.reference))
    })
}

fn choose(input: &PlanInput<'_>, to: Option<&ReleaseTag>) -> Result<Release, Refusal> {
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
            Err(finding.mend("choose another: ./rollback --list, then ./rollback --to RELEASE").into())
        }
        (None, Some(tag)) => {
            Err(Finding::refuse(GATE, format!("{environment} has no earlier release {tag}"))
                .mend("see which there are: ./rollback --list")
                .into())
        }
        (None, None) => {
            Err(Finding::refuse(GATE, format!("{environment} has no earlier release to go back to"))
                .seen("a release can be gone back to once another one was committed after it")
                .mend("deploy or promote a release that works")
                .into())
        }
    }
}
