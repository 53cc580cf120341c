//! An image without content, for containers that are only names (locks) and for names on their way out.

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::ImageId;
use bollard::query_parameters::CreateImageOptionsBuilder;
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::engine::Engine;
use crate::error::{engine_error, is_not_found};

/// Its repository on the engine.
const REPOSITORY: &str = "ala-promote-lock";
/// Its tag, changed when the image must change.
const TAG: &str = "1";

/// How the image is called.
pub(crate) fn reference() -> String {
    format!("{REPOSITORY}:{TAG}")
}

/// Ensures that the engine has the image.
pub(crate) async fn ensure(engine: &Engine) -> BackendResult<ImageId> {
    if let Some(id) = find(engine).await? {
        return Ok(id);
    }
    import(engine).await.map_err(|error| engine_error("make the empty image that locks need", error))?;
    find(engine).await?.ok_or_else(|| {
        BackendError::new(
            BackendErrorKind::Failed,
            "make the empty image that locks need",
            format!("the engine said that it was done, but has no {}", reference()),
        )
    })
}

async fn find(engine: &Engine) -> BackendResult<Option<ImageId>> {
    match engine.docker().inspect_image(&reference()).await {
        Ok(image) => Ok(image.id.map(ImageId::new)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(engine_error(format!("look up the image {}", reference()), error)),
    }
}

/// Two that do this at once leave one image without a name, of no size.
async fn import(engine: &Engine) -> Result<(), bollard::errors::Error> {
    // An archive's end is two blocks of zeroes, so this is one with nothing in it.
    let empty_tar = Bytes::from_static(&[0; 1024]);
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(TAG).build();
    engine
        .docker()
        .create_image(Some(options), Some(bollard::body_full(empty_tar)), None)
        .try_for_each(|_| async { Ok(()) })
        .await
}
