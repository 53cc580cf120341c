//! The files of one backup, and the names that they get.
//!
//! Names appear in this order: the dump, whole and synced, under its partial name; its manifest, likewise; the dump;
//! the manifest. So a dump under its name is whole, and one that was killed between the last two is completed by the
//! same operation when it comes again.

use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{BackupManifest, OperationId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::output::write_error;
use crate::connect::hex;
use crate::durable::{self, with_suffix};

/// The manifest as it is written: with the operation that made it, so that only that one takes the file for its own.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    operation: OperationId,
    #[serde(flatten)]
    manifest: BackupManifest,
}

/// The names of one backup's files.
pub(super) struct Names<'a> {
    pub(super) file: &'a Path,
    manifest: PathBuf,
    pub(super) file_partial: PathBuf,
    manifest_partial: PathBuf,
}

impl<'a> Names<'a> {
    pub(super) fn new(file: &'a Path, operation: &OperationId) -> Self {
        let manifest = with_suffix(file, ".manifest.json");
        let partial = format!(".partial-{operation}");
        Self {
            file,
            file_partial: with_suffix(file, &partial),
            manifest_partial: with_suffix(&manifest, &partial),
            manifest,
        }
    }
}

pub(super) fn publish(
    names: &Names<'_>,
    operation: &OperationId,
    manifest: BackupManifest,
    what: &str,
) -> BackendResult<BackupManifest> {
    let signed = Signed { operation: operation.clone(), manifest };
    let json = serde_json::to_vec_pretty(&signed).map_err(|error| {
        BackendError::new(BackendErrorKind::Failed, what, "the manifest can't be written").with_source(error)
    })?;
    let published = durable::write_partial(&names.manifest_partial, &json)
        .and_then(|()| durable::publish_new(&names.file_partial, names.file))
        .and_then(|()| durable::publish_new(&names.manifest_partial, &names.manifest));
    match published {
        Ok(()) => Ok(signed.manifest),
        Err(error) => {
            for partial in [&names.file_partial, &names.manifest_partial] {
                if let Err(error) = durable::ensure_removed(partial) {
                    tracing::warn!(%error, file = %partial.display(), "a partial file is left");
                }
            }
            Err(write_error(names.file, signed.manifest.bytes, error))
        }
    }
}

/// Takes a file for our own only if this operation signed for it and it is what it signed for.
pub(super) async fn made_before(
    names: &Names<'_>,
    operation: &OperationId,
    what: &str,
) -> BackendResult<BackupManifest> {
    let conflict = |detail: &str| {
        let detail = format!("{} is there already, {detail}", names.file.display());
        BackendError::new(BackendErrorKind::Conflict, what, detail)
            .with_hint("move it away, or try again a second later under another name")
    };
    let read = |path: &Path| serde_json::from_slice::<Signed>(&std::fs::read(path).ok()?).ok();
    let is_named = names.manifest.exists();
    let signed = read(if is_named { &names.manifest } else { &names.manifest_partial });
    let Some(signed) = signed.filter(|signed| signed.operation == *operation) else {
        return Err(conflict("and another operation or program made it"));
    };
    let (bytes, sha256) =
        hash_file(names.file).await.map_err(|error| write_error(names.file, signed.manifest.bytes, error))?;
    if bytes != signed.manifest.bytes || sha256 != signed.manifest.sha256 {
        return Err(conflict("and it is not what its manifest says"));
    }
    if !is_named {
        durable::publish_new(&names.manifest_partial, &names.manifest)
            .map_err(|error| write_error(&names.manifest, 0, error))?;
    }
    Ok(signed.manifest)
}

/// Removes what a dump that was killed left under its partial names; a whole one whose manifest alone has not got its
/// name yet gets it.
pub(super) async fn discard(names: &Names<'_>, operation: &OperationId) -> BackendResult<()> {
    let is_whole = names.file.symlink_metadata().is_ok() && names.manifest_partial.symlink_metadata().is_ok();
    if is_whole {
        match made_before(names, operation, "complete a backup").await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != BackendErrorKind::Conflict => return Err(error),
            // The file is somebody else's.
            Err(_) => {}
        }
    }
    for partial in [&names.file_partial, &names.manifest_partial] {
        durable::ensure_removed(partial).map_err(|error| {
            let what = format!("remove the incomplete backup {}", partial.display());
            BackendError::new(BackendErrorKind::Failed, what, "the file can't be removed")
                .with_hint("remove it by hand, then: ala-promote recover")
                .with_source(error)
        })?;
    }
    Ok(())
}

pub(super) async fn hash_file(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = tokio::fs::File::open(path).await?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 256 << 10]);
    loop {
        match file.read(&mut piece).await? {
            0 => return Ok((bytes, hex(&hash.finalize()))),
            count => {
                hash.update(piece.get(..count).unwrap_or_default());
                bytes += count as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ala_promote_core::domain::BackedUp;
    use jiff::Timestamp;

    fn operation(id: &str) -> OperationId {
        OperationId::new(id).unwrap()
    }

    fn a_manifest(file: &Path, content: &[u8]) -> BackupManifest {
        BackupManifest {
            version: 1,
            file: file.to_owned(),
            of: BackedUp::Service {
                service: "db".parse().unwrap(),
                database: "ala".into(),
                server_version: "15.14".into(),
            },
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: Timestamp::UNIX_EPOCH,
            bytes: content.len() as u64,
            sha256: hex(&Sha256::digest(content)),
        }
    }

    #[tokio::test]
    async fn a_dump_killed_before_its_manifest_is_completed_by_its_operation_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup.sql");
        let (ours, others) = (operation("op-1"), operation("op-2"));
        let names = Names::new(&file, &ours);
        let manifest = a_manifest(&file, b"dump");
        durable::write_partial(&names.file_partial, b"dump").unwrap();
        publish(&names, &ours, manifest.clone(), "test").unwrap();
        // As a kill between the last two names leaves it.
        std::fs::rename(&names.manifest, &names.manifest_partial).unwrap();
        let conflict = made_before(&Names::new(&file, &others), &others, "test").await.unwrap_err();
        assert_eq!(conflict.kind(), BackendErrorKind::Conflict);
        assert_eq!(made_before(&names, &ours, "test").await.unwrap(), manifest);
        assert!(names.manifest.exists() && !names.manifest_partial.exists());
        let read: BackupManifest = serde_json::from_slice(&std::fs::read(&names.manifest).unwrap()).unwrap();
        assert_eq!(read, manifest);

        std::fs::write(&file, b"dumq").unwrap();
        let changed = made_before(&names, &ours, "test").await.unwrap_err();
        assert_eq!(changed.kind(), BackendErrorKind::Conflict);
    }

    #[tokio::test]
    async fn only_what_is_incomplete_and_ours_is_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup.sql");
        let (ours, others) = (operation("op-1"), operation("op-2"));
        let nowhere = dir.path().join("no/such/folder/backup.sql");
        discard(&Names::new(&nowhere, &ours), &ours).await.unwrap();
        let [names, foreign] = [&ours, &others].map(|operation| Names::new(&file, operation));
        durable::write_partial(&foreign.file_partial, b"theirs").unwrap();
        durable::write_partial(&names.file_partial, b"du").unwrap();
        durable::write_partial(&names.manifest_partial, b"{").unwrap();
        discard(&names, &ours).await.unwrap();
        assert!(!names.file_partial.exists() && !names.manifest_partial.exists());
        assert!(foreign.file_partial.exists());

        // Whole, but for the last name.
        durable::write_partial(&names.file_partial, b"dump").unwrap();
        publish(&names, &ours, a_manifest(&file, b"dump"), "test").unwrap();
        std::fs::rename(&names.manifest, &names.manifest_partial).unwrap();
        discard(&foreign, &others).await.unwrap();
        discard(&names, &ours).await.unwrap();
        assert!(file.exists() && names.manifest.exists() && !names.manifest_partial.exists());
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup.sql");
        let ours = operation("op-1");
        let names = Names::new(&file, &ours);
        durable::write_partial(&names.file_partial, b"dump").unwrap();
        std::fs::write(&file, b"theirs").unwrap();
        assert!(publish(&names, &ours, a_manifest(&file, b"dump"), "test").is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"theirs");
        assert!(!names.file_partial.exists() && !names.manifest_partial.exists());
    }
}
