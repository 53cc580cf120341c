//! The file that a dump is streamed to.

use std::io;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::DatabaseKind;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::check::Ends;
use super::files::hash_file;
use crate::connect::hex;
use crate::durable;

/// A dump on its way: hashed while it is written, removed when it is dropped before its end.
#[derive(Debug)]
pub(super) struct Output {
    partial: PathBuf,
    file: tokio::fs::File,
    hash: Sha256,
    ends: Ends,
    bytes: u64,
    is_kept: bool,
}

/// A dump that is whole and on the disk, still under its partial name.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Output {
    pub(super) fn create(partial: PathBuf) -> BackendResult<Self> {
        let prepare = || {
            if let Some(folder) = partial.parent() {
                durable::ensure_private_dir(folder)?;
            }
            // Of an earlier try of this operation, which is over: its lock is ours.
            durable::ensure_removed(&partial)?;
            durable::create_private(&partial)
        };
        let file = prepare().map_err(|error| write_error(&partial, 0, error))?;
        Ok(Self {
            file: tokio::fs::File::from_std(file),
            partial,
            hash: Sha256::new(),
            ends: Ends::default(),
            bytes: 0,
            is_kept: false,
        })
    }

    pub(super) async fn write(&mut self, piece: &[u8]) -> BackendResult<()> {
        self.file.write_all(piece).await.map_err(|error| write_error(&self.partial, self.bytes, error))?;
        self.hash.update(piece);
        self.ends.push(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Makes sure that it is a whole dump, and on the disk; gives the server's version.
    pub(super) async fn finish(mut self, kind: DatabaseKind, what: &str) -> BackendResult<(Written, String)> {
        self.sync().await?;
        self.ends.check(kind).map_err(|missing| {
            BackendError::new(BackendErrorKind::Failed, what, format!("the dump is no whole one: {missing}"))
        })?;
        self.is_kept = true;
        let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
        let server_version = self.ends.server_version(kind).unwrap_or_else(|| "unknown".to_owned());
        Ok((Written { bytes: self.bytes, sha256 }, server_version))
    }

    /// The file, for a child to write to.
    pub(super) async fn for_a_child(&self) -> BackendResult<std::fs::File> {
        let file = self.file.try_clone().await.map_err(|error| write_error(&self.partial, 0, error))?;
        Ok(file.into_std().await)
    }

    /// Makes sure that what a child wrote is something, and on the disk. Nothing is known of what it should be.
    pub(super) async fn finish_of_a_child(mut self, what: &str) -> BackendResult<Written> {
        self.sync().await?;
        let (bytes, sha256) =
            hash_file(&self.partial).await.map_err(|error| write_error(&self.partial, 0, error))?;
        if bytes == 0 {
            let detail = "the command ended well, but wrote nothing to its standard output";
            return Err(BackendError::new(BackendErrorKind::Failed, what, detail));
        }
        self.is_kept = true;
        Ok(Written { bytes, sha256 })
    }

    /// What is written is handed to the disk later: this tells of a full one at last.
    async fn sync(&mut self) -> BackendResult<()> {
        let synced = async {
            self.file.flush().await?;
            self.file.sync_data().await
        };
        synced.await.map_err(|error| write_error(&self.partial, self.bytes, error))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = durable::ensure_removed(&self.partial)
        {
            tracing::warn!(%error, file = %self.partial.display(), "a partial dump is left");
        }
    }
}

/// Says how far it came.
pub(super) fn write_error(file: &Path, bytes: u64, error: io::Error) -> BackendError {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that disk, or set `backup.dir` to a folder on a larger one"
        }
        io::ErrorKind::PermissionDenied => "give this user the right to write in that folder",
        _ => "mend that, then try again",
    };
    BackendError::new(
        BackendErrorKind::Failed,
        format!("write the backup {}", file.display()),
        format!("{error} after {bytes} bytes"),
    )
    .with_hint(hint)
}
