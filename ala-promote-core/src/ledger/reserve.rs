//! Space that is taken before an operation starts, so that a full disk can't stop its undo from
//! being recorded.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::chain::is_plain_id;
use super::disk;
use super::error::LedgerError;

/// The reserve of one operation.
#[derive(Debug)]
pub(super) struct Reserve<'a> {
    folder: &'a Path,
    path: PathBuf,
}

impl<'a> Reserve<'a> {
    pub(super) fn of(folder: &'a Path, operation: &str) -> Result<Self, LedgerError> {
        if !is_plain_id(operation) {
            return Err(LedgerError::InvalidId { id: operation.to_owned() });
        }
        Ok(Self { folder, path: folder.join(format!("reserve-{operation}")) })
    }

    /// Takes the space, durably, or none of it.
    pub(super) fn take(&self, bytes: u64) -> Result<(), LedgerError> {
        let file = disk::open(&self.path, OpenOptions::new().write(true).create(true).truncate(false))?;
        let failed = |source| LedgerError::io("reserve space in", &self.path, source);
        if file.metadata().map_err(failed)?.len() >= bytes {
            return Ok(());
        }
        if let Err(source) = fill(&file, bytes) {
            // A part of a reserve helps nobody, and fills the disk.
            disk::remove(&self.path)?;
            return Err(failed(source));
        }
        disk::sync_folder(self.folder)
    }

    /// Gives the space back; says whether there was any. After a sync of the folder it can be used
    /// at once.
    pub(super) fn release(&self) -> Result<bool, LedgerError> {
        let was_there = disk::remove(&self.path)?;
        if was_there {
            disk::sync_folder(self.folder)?;
        }
        Ok(was_there)
    }
}

/// Writes `bytes` bytes that no file system can store in less space: neither as a hole nor
/// compressed.
fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let mut writer = BufWriter::new(file);
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..bytes.div_ceil(8) {
        // Xorshift, after Marsaglia.
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        writer.write_all(&word.to_le_bytes())?;
    }
    writer.flush()?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_space_is_really_taken_and_given_back_and_both_can_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(folder.path(), "op-1").unwrap();
        reserve.take(100_000).unwrap();
        reserve.take(50_000).unwrap();
        let taken = fs::metadata(folder.path().join("reserve-op-1")).unwrap();
        assert_eq!(taken.len(), 100_000);
        assert!(taken.blocks() * 512 >= 100_000, "sparse: {} blocks", taken.blocks());
        assert_eq!(taken.mode() & 0o777, 0o600);
        assert!(reserve.release().unwrap());
        assert!(!reserve.release().unwrap());
    }

    #[test]
    fn an_operation_can_not_name_a_file_elsewhere() {
        for bad in ["../x", "a/b", ""] {
            assert!(matches!(Reserve::of(Path::new("/"), bad), Err(LedgerError::InvalidId { .. })), "{bad}");
        }
    }
}
