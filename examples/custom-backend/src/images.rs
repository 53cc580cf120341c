//! Images are folders that are called by what is in them; references are links to them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, ImageStore};
use ala_promote_core::domain::{ImageId, ImageIdentity, ImageReference, ImageStoreKind};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::host::{LocalBackend, failed, link, make_dir, remove};

impl LocalBackend {
    /// The folder of an image.
    pub(crate) fn release(&self, id: &ImageId) -> PathBuf {
        self.place("images", id.as_str())
    }

    fn reference(&self, reference: &ImageReference) -> PathBuf {
        self.place("references", &reference.to_string())
    }

    pub(crate) fn named(&self, reference: &ImageReference) -> Option<ImageIdentity> {
        let target = std::fs::read_link(self.reference(reference)).ok()?;
        self.image(&ImageId::new(target.file_name()?.to_str()?))
    }

    pub(crate) fn image(&self, id: &ImageId) -> Option<ImageIdentity> {
        self.release(id).is_dir().then(|| ImageIdentity {
            id: id.clone(),
            store: ImageStoreKind::Other,
            layers: vec![id.as_str().to_owned()],
            platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            created: None,
        })
    }

    /// Takes a folder in, under the name of its content. Nothing is at its name before it is whole.
    pub(crate) fn take_in(&self, folder: &Path) -> BackendResult<ImageId> {
        let mut hash = Sha256::new();
        digest(folder, folder, &mut hash).map_err(|error| failed("take in the release", folder, error))?;
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let id = ImageId::new(format!("sha256:{hex}"));
        let place = self.release(&id);
        make_dir(place.parent().unwrap_or(&place))?;
        match std::fs::rename(folder, &place) {
            // It is there already, and has the same content.
            Err(_) if place.is_dir() => Ok(id),
            Err(error) => Err(failed("take in the release", &place, error)),
            Ok(()) => Ok(id),
        }
    }
}

/// Names, modes and contents of all files, in the order of their names.
fn digest(root: &Path, folder: &Path, hash: &mut Sha256) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for path in entries.into_iter().map(|entry| entry.path()) {
        if path.is_dir() {
            digest(root, &path, hash)?;
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_encoded_bytes();
        let (mode, content) = (path.metadata()?.permissions().mode(), std::fs::read(&path)?);
        for part in [name, &mode.to_le_bytes()[..], &content] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
    }
    Ok(())
}

#[async_trait]
impl ImageStore for LocalBackend {
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>> {
        Ok(self.named(reference))
    }

    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>> {
        Ok(self.image(id))
    }

    async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()> {
        if self.image(id).is_none() {
            let (what, detail) = (format!("let {reference} name an image"), format!("there is no {id}"));
            return Err(BackendError::new(BackendErrorKind::NotFound, what, detail));
        }
        link(&self.reference(reference), &self.release(id))
    }

    async fn untag(&self, reference: &ImageReference) -> BackendResult<()> {
        remove(&self.reference(reference))
    }
}
