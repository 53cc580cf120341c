//! Files that are there whole or not at all, and only for their owner's eyes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Makes a folder and those above it, each closed to others; one that is there stays as it is.
pub(crate) fn ensure_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes a file that only its owner may read, and that nobody else made before: a link that someone laid there is not
/// followed.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The name that a file has until it is complete.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Gives a complete and synced file its name, unless something has that name.
pub(crate) fn publish_new(partial: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, partial, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // Some network and older file systems know no such rename; a second name is refused there just the same.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            std::fs::hard_link(partial, path)?;
            std::fs::remove_file(partial)?;
        }
        Err(error) => return Err(error.into()),
    }
    sync_parent(path)
}

/// Writes a complete and synced file beside `path`; [`publish_new`] gives it its name.
pub(crate) fn write_partial(partial: &Path, bytes: &[u8]) -> io::Result<()> {
    ensure_removed(partial)?;
    let mut file = create_private(partial)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Replaces a small file; a reader finds the old or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = with_suffix(path, ".partial");
    write_partial(&partial, bytes)?;
    std::fs::rename(&partial, path)?;
    sync_parent(path)
}

/// Removes a file, if it is there.
pub(crate) fn ensure_removed(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name is durable once its folder is synced.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_file_replaces_nothing_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let (partial, path) = (dir.path().join("a.partial"), dir.path().join("a"));
        write_partial(&partial, b"one").unwrap();
        publish_new(&partial, &path).unwrap();
        write_partial(&partial, b"two").unwrap();
        assert_eq!(publish_new(&partial, &path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("link")).unwrap();
        assert!(create_private(&dir.path().join("link")).is_err());
        assert!(!dir.path().join("elsewhere").exists());
    }
}
