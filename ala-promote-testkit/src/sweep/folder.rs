//! The real files of a host, and putting them back between cases.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder, in memory where there is such a place: thousands of cases sync their files.
pub(super) fn temporary() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// What a folder held.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    root: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Remembered {
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let files = files_in(root)?.into_iter().map(|path| Ok((path.clone(), std::fs::read(path)?)));
        Ok(Self { root: root.to_owned(), files: files.collect::<io::Result<_>>()? })
    }

    /// Lets it hold just that again; folders stay.
    pub(super) fn restore(&self) -> io::Result<()> {
        for path in files_in(&self.root)? {
            if !self.files.contains_key(&path) {
                std::fs::remove_file(path)?;
            }
        }
        for (path, bytes) in &self.files {
            if std::fs::read(path).ok().as_ref() != Some(bytes) {
                std::fs::write(path, bytes)?;
            }
        }
        Ok(())
    }
}

fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_in(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}
