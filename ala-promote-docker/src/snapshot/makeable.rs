//! Whether all that a missing container is made of is still there, asked before anything is touched.

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, ImageStore};

use super::recreate::{ImageToUse, joins_networks};
use super::restore::Restore;
use super::saved::Saved;
use crate::engine::in_path;
use crate::error::{engine_error, is_not_found};

impl Restore<'_> {
    /// Looks whether all that a container is made of is still there.
    pub(super) async fn check_makeable(&self, saved: Saved<'_>) -> BackendResult<ImageToUse> {
        let missing = |thing: String, hint: &str| {
            let what = format!("make the container {} again", saved.name);
            BackendError::new(BackendErrorKind::NotFound, what, format!("{thing} is gone")).with_hint(hint)
        };
        let image = saved.image();
        let Some(inspect) = self.snapshots.images.inspect(image.as_str()).await? else {
            return Err(missing(
                format!("its image {}", image.short()),
                "load or build that image again, then run `ala-promote recover`",
            ));
        };
        for mount in saved.mounts() {
            match self.snapshots.engine.get_json(&format!("/volumes/{}", in_path(mount.volume))).await {
                Ok(_) => {}
                // An empty one would be made in its place, and nobody would know.
                Err(error) if is_not_found(&error) => {
                    return Err(missing(
                        format!("its volume {}", mount.volume),
                        "put its data back from a backup into a volume of that name, then run `ala-promote recover`",
                    ));
                }
                Err(error) => return Err(engine_error("look for a volume", error)),
            }
        }
        for (name, _) in saved.networks().filter(|_| joins_networks(saved)) {
            if self.network_id(name).await?.is_none() {
                return Err(missing(
                    format!("its network {name}"),
                    "let Compose make it with `docker compose up --no-start`, then run `ala-promote recover`",
                ));
            }
        }
        let entrypoint = inspect.config.and_then(|config| config.entrypoint).unwrap_or_default();
        let reference = self.current_reference(saved).await?;
        Ok(ImageToUse {
            is_by_id: reference.is_none(),
            name: reference.unwrap_or_else(|| image.as_str().to_owned()),
            has_entrypoint: !entrypoint.is_empty(),
        })
    }

    /// The reference that the container was made with, where that names its image at this moment.
    async fn current_reference(&self, saved: Saved<'_>) -> BackendResult<Option<String>> {
        let Some(reference) = saved.image_reference() else { return Ok(None) };
        let Ok(parsed) = reference.parse() else { return Ok(None) };
        let names = self.snapshots.images.resolve(&parsed).await?;
        Ok(names.filter(|image| image.id == saved.image()).map(|_| reference.to_owned()))
    }

    /// A container of somebody else under our name would stop us half-way.
    pub(super) async fn refuse_strangers_name(
        &self,
        saved: Saved<'_>,
        present: &[Saved<'_>],
    ) -> BackendResult<()> {
        let Some(holder) = self.snapshots.inspect(saved.name).await? else { return Ok(()) };
        let holder = Saved::new(&holder)?;
        let is_ours = present.iter().any(|container| container.id == holder.id);
        // The engine also answers to the beginning of an id.
        if is_ours || holder.name != saved.name {
            return Ok(());
        }
        Err(BackendError::new(
            BackendErrorKind::Conflict,
            format!("make the container {} again", saved.name),
            "a container that is not of this stack has that name",
        )
        .with_hint(format!("rename it with `docker rename {} NEW-NAME`", saved.name)))
    }
}
