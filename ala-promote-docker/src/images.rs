//! Images and their references on one engine.

use std::sync::Arc;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, ImageStore};
use ala_promote_core::domain::{
    ImageId, ImageIdentity, ImageReference, ImageStoreKind, PullSource, PulledImage, RepositoryDigest,
};
use async_trait::async_trait;
use bollard::models::ImageInspect;
use bollard::query_parameters::{RemoveImageOptionsBuilder, TagImageOptionsBuilder};

use crate::engine::Engine;
use crate::error::{engine_error, is_conflict, is_not_found};
use crate::placeholder;

/// The image store of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    engine: Arc<Engine>,
}

impl Images {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// What the engine says of a name or an id; it takes either for the other where it can.
    pub(crate) async fn inspect(&self, name: &str) -> BackendResult<Option<ImageInspect>> {
        match self.engine.docker().inspect_image(name).await {
            Ok(image) => Ok(Some(image)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(engine_error(format!("look up the image {name}"), error)),
        }
    }

    /// What came of a pull, with what its registry has it as; `None` where the engine does not have it.
    pub(crate) async fn pulled(&self, source: &PullSource) -> BackendResult<Option<PulledImage>> {
        let Some(image) = self.inspect(&source.to_string()).await? else { return Ok(None) };
        let digest = match source {
            PullSource::Tag(reference) => {
                let known = image.repo_digests.iter().flatten().filter_map(|text| text.parse().ok());
                known.into_iter().find(|digest: &RepositoryDigest| digest.is_of(reference))
            }
            PullSource::Digest(digest) => Some(digest.clone()),
            _ => None,
        };
        let identity = identity(image, self.engine.store)?;
        Ok(Some(PulledImage { identity, digest }))
    }

    /// Drops a name that keeps the only way to an image of a container. The engine refuses that, and forced would also
    /// remove the image of a container that is stopped. A name that moves leaves its image in the store, so the name is
    /// first given to an image that nobody needs, then dropped from that.
    async fn untag_in_use(&self, reference: &ImageReference) -> BackendResult<()> {
        let spare = placeholder::ensure(&self.engine).await?;
        self.tag(&spare, reference).await?;
        self.delete(reference)
            .await
            .map_err(|error| engine_error(format!("remove the tag {reference}"), error))
    }

    async fn delete(&self, reference: &ImageReference) -> Result<(), bollard::errors::Error> {
        // Parents without a tag may be what somebody's build cache stands on.
        let options = RemoveImageOptionsBuilder::default().force(false).noprune(true).build();
        match self.engine.docker().remove_image(&reference.to_string(), Some(options), None).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl ImageStore for Images {
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>> {
        let Some(image) = self.inspect(&reference.to_string()).await? else { return Ok(None) };
        // `sha256:…` is a reference by its form, and the engine would answer with the image of that id.
        let wanted = familiar(reference);
        let is_named = image.repo_tags.iter().flatten().any(|tag| *tag == wanted);
        if is_named { identity(image, self.engine.store).map(Some) } else { Ok(None) }
    }

    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>> {
        if !id.as_str().starts_with("sha256:") {
            return Ok(None);
        }
        // On the containerd store a config digest finds an image too, but is no id there.
        match self.inspect(id.as_str()).await? {
            Some(image) if image.id.as_deref() == Some(id.as_str()) => {
                identity(image, self.engine.store).map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()> {
        let what = format!("tag the image {} as {reference}", id.short());
        if self.find(id).await?.is_none() {
            return Err(BackendError::new(BackendErrorKind::NotFound, what, "the engine has no such image")
                .with_hint("it was removed, as by `docker image prune -a`; build and deploy it again"));
        }
        let options =
            TagImageOptionsBuilder::default().repo(reference.repository()).tag(reference.tag()).build();
        self.engine
            .docker()
            .tag_image(id.as_str(), Some(options))
            .await
            .map_err(|error| engine_error(&what, error))?;
        match self.resolve(reference).await? {
            Some(image) if image.id == *id => Ok(()),
            _ => Err(BackendError::new(
                BackendErrorKind::Failed,
                what,
                "the engine said that it was done, but the reference names another image",
            )),
        }
    }

    async fn untag(&self, reference: &ImageReference) -> BackendResult<()> {
        if self.resolve(reference).await?.is_none() {
            return Ok(());
        }
        match self.delete(reference).await {
            Ok(()) => {}
            Err(error) if is_conflict(&error) => self.untag_in_use(reference).await?,
            Err(error) => return Err(engine_error(format!("remove the tag {reference}"), error)),
        }
        if self.resolve(reference).await?.is_some() {
            return Err(BackendError::new(
                BackendErrorKind::Failed,
                format!("remove the tag {reference}"),
                "the engine said that it was done, but the reference still names an image",
            ));
        }
        Ok(())
    }
}

/// A reference as the engine lists it: without the parts that it takes for granted.
pub(crate) fn familiar(reference: &ImageReference) -> String {
    format!("{}:{}", reference.short_repository(), reference.tag())
}

fn identity(image: ImageInspect, store: ImageStoreKind) -> BackendResult<ImageIdentity> {
    let Some(id) = image.id else {
        return Err(BackendError::new(
            BackendErrorKind::Failed,
            "look up an image",
            "the engine's answer has no id",
        ));
    };
    Ok(ImageIdentity {
        id: ImageId::new(id),
        store,
        layers: image.root_fs.and_then(|root| root.layers).unwrap_or_default(),
        platform: format!("{}/{}", image.os.unwrap_or_default(), image.architecture.unwrap_or_default()),
        created: image.created,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_compared_as_the_engine_lists_them() {
        for (written, listed) in [
            ("ala-api:staging", "ala-api:staging"),
            ("docker.io/library/postgres:15", "postgres:15"),
            ("library/postgres", "postgres:latest"),
            ("docker.io/team/app:1", "team/app:1"),
            ("index.docker.io/team/app:1", "team/app:1"),
            ("registry.example.com:5000/library/app:1", "registry.example.com:5000/library/app:1"),
        ] {
            assert_eq!(familiar(&written.parse().unwrap()), listed);
        }
    }
}
