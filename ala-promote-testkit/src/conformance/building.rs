//! Building and pulling.

use std::collections::BTreeMap;

use ala_promote_core::backend::{BackendErrorKind, Call};
use ala_promote_core::domain::{ImageReference, PullSource, ServiceName};

use super::case::{CaseResult, Miss, hold, refused, same, some};
use super::images::named;
use super::{Accident, Fixture};

fn target(f: &Fixture) -> Result<BTreeMap<ServiceName, ImageReference>, Miss> {
    Ok(BTreeMap::from([(f.service.service.clone(), f.free("built")?)]))
}

/// Builds each service to its reference, and looks what came out.
pub async fn build_gives_what_the_reference_names(f: &Fixture) -> CaseResult {
    let built = f.backend.builder().build(&f.stack, &target(f)?, &Call::silent()).await?;
    let image = some(built.get(&f.service.service), "the built image")?;
    same(image, &named(f, &f.free("built")?).await?, "what was built")
}

/// No other reference is moved.
pub async fn build_moves_no_other_reference(f: &Fixture) -> CaseResult {
    let before = (named(f, &f.reference).await?, named(f, &f.other).await?);
    f.backend.builder().build(&f.stack, &target(f)?, &Call::silent()).await?;
    same(&(named(f, &f.reference).await?, named(f, &f.other).await?), &before, "the other references")
}

/// On failure the error ends with the last lines of the build.
pub async fn a_build_that_fails_tells_its_last_lines(f: &Fixture) -> CaseResult {
    f.happen(Accident::BuildBreaks).await?;
    let before = named(f, &f.reference).await?;
    match f.backend.builder().build(&f.stack, &target(f)?, &Call::silent()).await {
        Err(error) if error.kind() == BackendErrorKind::Failed => {
            let text = error.to_string();
            hold(
                text.contains("conformance-broken"),
                &format!("the build's last lines are missing: {text}"),
            )?;
        }
        other => refused(other, BackendErrorKind::Failed, "build")?,
    }
    same(&named(f, &f.reference).await?, &before, "the service's own reference")
}

/// A service that is not there can't be built.
pub async fn build_of_what_is_not_built_is_refused(f: &Fixture) -> CaseResult {
    let targets = BTreeMap::from([(ServiceName::new("conformance-nobody")?, f.free("nobody")?)]);
    let built = f.backend.builder().build(&f.stack, &targets, &Call::silent()).await;
    hold(built.is_err(), "a service that is not there was built")?;
    same(&f.backend.images().resolve(&f.free("nobody")?).await?, &None, "its reference")
}

/// Stops at once when cancelled.
pub async fn a_cancelled_build_says_so(f: &Fixture) -> CaseResult {
    let call = Call::silent();
    call.cancel.cancel();
    let built = f.backend.builder().build(&f.stack, &target(f)?, &call).await;
    refused(built, BackendErrorKind::Cancelled, "build")
}

fn pushed(f: &Fixture) -> Result<(BTreeMap<ServiceName, PullSource>, ImageReference), Miss> {
    let reference = some(f.pushed.clone(), "the fixture's pushed tag")?;
    Ok((BTreeMap::from([(f.service.service.clone(), PullSource::Tag(reference.clone()))]), reference))
}

/// By tag: the tag names here afterwards what it names in the registry.
pub async fn pull_gives_what_the_tag_names(f: &Fixture) -> CaseResult {
    let (sources, reference) = pushed(f)?;
    let before = named(f, &f.reference).await?;
    let pulled = f.backend.builder().pull(&f.stack, &sources, &Call::silent()).await?;
    let image = some(pulled.get(&f.service.service), "the pulled image")?;
    same(&image.identity, &named(f, &reference).await?, "what was pulled")?;
    hold(image.digest.is_some(), "it has no digest")?;
    same(&named(f, &f.reference).await?, &before, "another reference")
}

/// By digest: no reference is moved.
pub async fn pull_by_digest_moves_nothing(f: &Fixture) -> CaseResult {
    let (sources, reference) = pushed(f)?;
    let service = &f.service.service;
    let pulled = f.backend.builder().pull(&f.stack, &sources, &Call::silent()).await?;
    let image = some(pulled.get(service), "the pulled image")?;
    let other = named(f, &f.reference).await?;
    f.backend.images().tag(&other.id, &reference).await?;
    let digest = some(image.digest.clone(), "its digest")?;
    let again = BTreeMap::from([(service.clone(), PullSource::Digest(digest))]);
    let again = f.backend.builder().pull(&f.stack, &again, &Call::silent()).await?;
    same(&some(again.get(service), "the image by digest")?.identity, &image.identity, "what was pulled")?;
    same(&named(f, &reference).await?, &other, "the tag")
}

/// What the registry does not have can't be pulled, and the tag stays as it is.
pub async fn pull_of_what_is_not_there_is_refused(f: &Fixture) -> CaseResult {
    let (_, reference) = pushed(f)?;
    let nobody = reference.with_tag("conformance-nobody")?;
    let sources = BTreeMap::from([(f.service.service.clone(), PullSource::Tag(nobody.clone()))]);
    let pulled = f.backend.builder().pull(&f.stack, &sources, &Call::silent()).await;
    refused(pulled, BackendErrorKind::NotFound, "pull")?;
    same(&f.backend.images().resolve(&nobody).await?, &None, "its reference")
}

/// Stops at once when cancelled.
pub async fn a_cancelled_pull_says_so(f: &Fixture) -> CaseResult {
    let (sources, _) = pushed(f)?;
    let call = Call::silent();
    call.cancel.cancel();
    let pulled = f.backend.builder().pull(&f.stack, &sources, &call).await;
    refused(pulled, BackendErrorKind::Cancelled, "pull")
}
