//! The host's folder, and how files in it are changed: as a whole, or not at all.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The backend: all that it knows is in one folder.
#[derive(Debug, Clone)]
pub struct LocalBackend {
    root: PathBuf,
}

impl LocalBackend {
    /// On this folder, which is made if need be.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn new(root: &Path) -> BackendResult<Self> {
        make_dir(root)?;
        let root = root.canonicalize().map_err(|error| failed("find", root, error))?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A file or folder of a kind, by a name that may hold anything but is no path.
    pub(crate) fn place(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join(kind).join(name.replace('/', "%2F"))
    }
}

pub(crate) fn failed(what: &str, path: &Path, error: std::io::Error) -> BackendError {
    let detail = format!("{}: {error}", path.display());
    BackendError::new(BackendErrorKind::Failed, what, detail).with_source(error)
}

/// Ensures that there is this folder, for nobody else to read.
pub(crate) fn make_dir(path: &Path) -> BackendResult<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| failed("make the folder", path, error))
}

/// What a file holds; `None` where there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> BackendResult<Option<T>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        // The parser's own words might quote what is secret.
        let (line, column) = (error.line(), error.column());
        let detail = format!("{}: line {line}, column {column}: not what is expected", path.display());
        BackendError::new(BackendErrorKind::Invalid, "read", detail)
    })
}

/// Writes a file, mode 0600, whose old content stands until the new one is whole and on the disk.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> BackendResult<()> {
    let folder = path.parent().unwrap_or(path);
    make_dir(folder)?;
    let written = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, value)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|error| failed("write", path, error))
}

/// Lets a symlink point there; a reader finds the old one or the new one.
pub(crate) fn link(path: &Path, target: &Path) -> BackendResult<()> {
    let folder = path.parent().unwrap_or(path);
    make_dir(folder)?;
    let linked = || -> std::io::Result<()> {
        let aside = tempfile::TempDir::new_in(folder)?;
        let new = aside.path().join("new");
        symlink(target, &new)?;
        std::fs::rename(&new, path)
    };
    linked().map_err(|error| failed("link", path, error))
}

/// Ensures that there is no such file or link.
pub(crate) fn remove(path: &Path) -> BackendResult<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}
