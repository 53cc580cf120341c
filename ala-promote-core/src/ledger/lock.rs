//! The lock that makes appends one at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::disk;
use super::error::LedgerError;

const NAME: &str = "lock";
const PAUSE: Duration = Duration::from_millis(2);

/// Whom to keep out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Against {
    /// Everybody else who locks.
    All,
    /// Those who lock against all.
    Appenders,
}

/// Held until dropped; the kernel frees it when the process dies. The file is never removed, or two
/// processes could each hold a lock on a file of that name.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock, at most for `patience`. The lock against all creates its file if need
    /// be; the other one needs no permission to write.
    pub(super) fn take(folder: &Path, against: Against, patience: Duration) -> Result<Self, LedgerError> {
        let path = folder.join(NAME);
        let file = match against {
            Against::All => {
                let mut options = OpenOptions::new();
                disk::open(&path, options.write(true).create(true).truncate(false))?
            }
            Against::Appenders => disk::open(&path, OpenOptions::new().read(true))?,
        };
        let start = Instant::now();
        loop {
            let attempt = match against {
                Against::All => file.try_lock(),
                Against::Appenders => file.try_lock_shared(),
            };
            match attempt {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(source)) => {
                    return Err(LedgerError::io("lock", &path, source));
                }
                Err(TryLockError::WouldBlock) if start.elapsed() < patience => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(LedgerError::Locked { path, waited: patience });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_the_lock_has_a_bound_and_its_error_says_to_try_again() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path(), Against::All, Duration::ZERO).unwrap();
        for against in [Against::All, Against::Appenders] {
            let refused = Lock::take(folder.path(), against, Duration::from_millis(10)).unwrap_err();
            assert!(refused.is_retryable(), "{refused:?}");
        }
        drop(held);
        let shared = Lock::take(folder.path(), Against::Appenders, Duration::ZERO).unwrap();
        Lock::take(folder.path(), Against::Appenders, Duration::ZERO).unwrap();
        Lock::take(folder.path(), Against::All, Duration::ZERO).unwrap_err();
        drop(shared);
        Lock::take(folder.path(), Against::All, Duration::ZERO).unwrap();
    }
}
