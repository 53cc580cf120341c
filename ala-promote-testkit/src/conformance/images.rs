//! The image store.

use ala_promote_core::backend::BackendErrorKind;
use ala_promote_core::domain::{ImageIdentity, ImageReference};

use super::Fixture;
use super::case::{CaseResult, Miss, hold, refused, same, some};

pub(super) async fn named(f: &Fixture, reference: &ImageReference) -> Result<ImageIdentity, Miss> {
    some(f.backend.images().resolve(reference).await?, &reference.to_string())
}

/// `None` when there is no such reference; that is no error.
pub async fn a_reference_that_names_nothing_resolves_to_none(f: &Fixture) -> CaseResult {
    same(&f.backend.images().resolve(&f.free("none")?).await?, &None, "resolve")
}

/// `None` when the store does not have the image.
pub async fn an_unknown_image_is_not_found(f: &Fixture) -> CaseResult {
    same(&f.backend.images().find(&f.unknown_image()).await?, &None, "find")
}

/// Ensures that the reference names the image; resolving and finding tell the same of it.
pub async fn tag_names_the_image(f: &Fixture) -> CaseResult {
    let (images, free) = (f.backend.images(), f.free("new")?);
    let image = named(f, &f.reference).await?;
    images.tag(&image.id, &free).await?;
    same(&named(f, &free).await?, &image, "the tagged reference")?;
    same(&images.find(&image.id).await?, &Some(image), "the image by its id")
}

/// Moves the reference if it named another image; that image stays in the store.
pub async fn tag_moves_the_reference_and_keeps_the_other_image(f: &Fixture) -> CaseResult {
    let (images, free) = (f.backend.images(), f.free("moved")?);
    let (from, to) = (named(f, &f.other).await?, named(f, &f.reference).await?);
    hold(!from.is_same(&to), "the fixture's two images are one")?;
    images.tag(&from.id, &free).await?;
    // Now the reference that is moved is the only one of its image.
    images.untag(&f.other).await?;
    images.tag(&to.id, &free).await?;
    same(&named(f, &free).await?.id, &to.id, "the moved reference")?;
    hold(images.find(&from.id).await?.is_some(), "the image that lost its only reference went from the store")
}

/// Succeeds, changing nothing, when it is so already.
pub async fn tag_again_changes_nothing(f: &Fixture) -> CaseResult {
    let image = named(f, &f.reference).await?;
    f.backend.images().tag(&image.id, &f.reference).await?;
    same(&named(f, &f.reference).await?, &image, "the reference")
}

/// `NotFound` when the store does not have the id; the reference is unchanged.
pub async fn tag_of_an_unknown_image_is_refused_and_changes_nothing(f: &Fixture) -> CaseResult {
    let image = named(f, &f.other).await?;
    let tag = f.backend.images().tag(&f.unknown_image(), &f.other).await;
    refused(tag, BackendErrorKind::NotFound, "tag")?;
    same(&named(f, &f.other).await?, &image, "the reference")
}

/// Ensures that the reference names nothing; another one of the same image does.
pub async fn untag_ends_the_reference(f: &Fixture) -> CaseResult {
    let (images, free) = (f.backend.images(), f.free("also")?);
    let image = named(f, &f.other).await?;
    images.tag(&image.id, &free).await?;
    images.untag(&f.other).await?;
    same(&images.resolve(&f.other).await?, &None, "the reference")?;
    same(&named(f, &free).await?, &image, "another reference")
}

/// Succeeds when it named nothing.
pub async fn untag_of_nothing_succeeds(f: &Fixture) -> CaseResult {
    Ok(f.backend.images().untag(&f.free("none")?).await?)
}

/// The image may go with its last reference, but never while a container uses it.
pub async fn untag_keeps_an_image_that_a_container_uses(f: &Fixture) -> CaseResult {
    let image = named(f, &f.reference).await?;
    f.backend.images().untag(&f.reference).await?;
    hold(f.backend.images().find(&image.id).await?.is_some(), "the image of a running container is gone")
}
