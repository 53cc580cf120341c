//! The few calls to the file system that the ledger's durability rests on.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::error::{LedgerError, is_full};

/// What can fail on a file once it is open; apart, so that tests can make it fail.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    /// The content, and what is needed to find it again.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// The disk as it is.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {}

/// Appends `line` at `offset`, the file's end, and makes it durable.
pub(super) fn append(
    disk: &dyn Disk,
    file: &File,
    path: &Path,
    offset: u64,
    line: &[u8],
) -> Result<(), LedgerError> {
    match disk.write(file, line, offset) {
        Ok(()) => disk.sync(file).map_err(|source| LedgerError::durability("sync", path, source)),
        Err(source) if is_full(&source) => {
            cut(disk, file, path, offset)?;
            Err(LedgerError::io("append to", path, source))
        }
        Err(source) => Err(LedgerError::durability("append to", path, source)),
    }
}

/// Cuts the file off at `offset`, durably.
pub(super) fn cut(disk: &dyn Disk, file: &File, path: &Path, offset: u64) -> Result<(), LedgerError> {
    disk.truncate(file, offset)
        .and_then(|()| disk.sync(file))
        .map_err(|source| LedgerError::durability("cut", path, source))
}

/// Writes a whole small file; after a crash it is there with this content, or as it was before.
pub(super) fn replace(disk: &dyn Disk, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), LedgerError> {
    let path = folder.join(name);
    let unfinished = folder.join(format!("{name}.new"));
    let file = open(&unfinished, OpenOptions::new().write(true).create(true).truncate(true))?;
    if let Err(source) = disk.write(&file, bytes, 0) {
        // On a full disk a part of it would only be in the way.
        remove(&unfinished)?;
        return Err(LedgerError::io("write", &unfinished, source));
    }
    disk.sync(&file).map_err(|source| LedgerError::durability("sync", &unfinished, source))?;
    fs::rename(&unfinished, &path).map_err(|source| LedgerError::io("write", &path, source))?;
    sync_folder(folder)
}

/// Makes the names in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), LedgerError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| LedgerError::durability("sync the folder", folder, source))
}

/// Opens a plain file and nothing else: a link could lead out of the folder, a pipe would block.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<File, LedgerError> {
    let unopened = |source| LedgerError::io("open", path, source);
    let kind = |kind: fs::FileType| match kind {
        plain if plain.is_file() => Ok(()),
        other => Err(LedgerError::Strange {
            path: path.to_path_buf(),
            found: name_of(other),
            needed: "a plain file",
        }),
    };
    match fs::symlink_metadata(path) {
        Ok(found) => kind(found.file_type())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unopened(error)),
    }
    // The flags and the second look are for what was put there since the first.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.mode(0o600).custom_flags(flags.bits().cast_signed()).open(path).map_err(unopened)?;
    kind(file.metadata().map_err(unopened)?.file_type())?;
    Ok(file)
}

/// `open`, when that the file is missing is an answer.
pub(super) fn open_existing(path: &Path, options: &mut OpenOptions) -> Result<Option<File>, LedgerError> {
    match open(path, options) {
        Ok(file) => Ok(Some(file)),
        Err(LedgerError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file, or finds that it is gone.
pub(super) fn remove(path: &Path) -> Result<bool, LedgerError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LedgerError::io("remove", path, error)),
    }
}

pub(super) fn name_of(kind: fs::FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_file() {
        "a plain file"
    } else {
        "a pipe, socket or device"
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::ledger::error::LedgerErrorKind;

    /// What is to happen to the next calls, in their order; after them all go through.
    #[derive(Debug, Clone, Default)]
    pub(in crate::ledger) struct FaultyDisk(Arc<Mutex<VecDeque<Fault>>>);

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::ledger) enum Fault {
        /// It goes through.
        None,
        /// It fails with this error; a write after half of the bytes.
        Error(io::ErrorKind),
    }

    impl FaultyDisk {
        pub(in crate::ledger) fn plan(&self, faults: &[Fault]) {
            self.0.lock().unwrap().extend(faults);
        }

        pub(in crate::ledger) fn planned(&self) -> usize {
            self.0.lock().unwrap().len()
        }

        fn next(&self) -> io::Result<()> {
            match self.0.lock().unwrap().pop_front() {
                Some(Fault::Error(kind)) => Err(kind.into()),
                Some(Fault::None) | None => Ok(()),
            }
        }
    }

    impl Disk for FaultyDisk {
        fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
            let outcome = self.next();
            let written = if outcome.is_ok() { bytes.len() } else { bytes.len() / 2 };
            RealDisk.write(file, &bytes[..written], offset).and(outcome)
        }

        fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
            self.next().and_then(|()| RealDisk.truncate(file, length))
        }

        fn sync(&self, file: &File) -> io::Result<()> {
            self.next().and_then(|()| RealDisk.sync(file))
        }
    }

    fn append_with(faults: &[Fault]) -> (Result<(), LedgerError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "before").unwrap();
        let disk = FaultyDisk::default();
        disk.plan(faults);
        let file = open(&path, OpenOptions::new().write(true)).unwrap();
        (append(&disk, &file, &path, 6, b"+line"), fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn what_was_written_in_part_on_a_full_disk_is_taken_back() {
        for full in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let (outcome, content) = append_with(&[Fault::Error(full)]);
            assert_eq!(outcome.unwrap_err().kind(), LedgerErrorKind::Space);
            assert_eq!(content, "before");
        }
    }

    #[test]
    fn after_any_other_failure_nobody_knows_what_is_on_the_disk() {
        let other = Fault::Error(io::ErrorKind::Other);
        let full = Fault::Error(io::ErrorKind::StorageFull);
        let cases: [(&str, &[Fault]); 6] = [
            ("write", &[other]),
            ("sync", &[Fault::None, other]),
            ("sync on a full disk", &[Fault::None, full]),
            ("taking back", &[full, other]),
            ("taking back on a full disk", &[full, full]),
            ("sync of taking back", &[full, Fault::None, other]),
        ];
        for (case, faults) in cases {
            assert_eq!(append_with(faults).0.unwrap_err().kind(), LedgerErrorKind::Poisoned, "{case}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::default();
        replace(&disk, folder.path(), "x", b"old").unwrap();
        disk.plan(&[Fault::Error(io::ErrorKind::StorageFull)]);
        assert_eq!(replace(&disk, folder.path(), "x", b"new").unwrap_err().kind(), LedgerErrorKind::Space);
        assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"old");
        assert!(!folder.path().join("x.new").exists());
        disk.plan(&[Fault::None, Fault::Error(io::ErrorKind::Other)]);
        assert_eq!(replace(&disk, folder.path(), "x", b"new").unwrap_err().kind(), LedgerErrorKind::Poisoned);
        assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"old");
        replace(&disk, folder.path(), "x", b"new").unwrap();
        assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"new");
    }
}
