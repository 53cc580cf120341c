//! Building.

use std::collections::BTreeMap;

use ala_promote_core::backend::{BackendErrorKind, Call};
use ala_promote_core::domain::{ImageReference, ServiceName};

use super::Fixture;
use super::case::{CaseResult, Miss, hold, refused, same, some};
use super::images::named;

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
