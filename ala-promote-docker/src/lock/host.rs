//! Locks on files. The kernel frees one when the last process that holds it open has died.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ala_promote_core::backend::LockHolder;
use sha2::{Digest, Sha256};

use crate::connect::hex;
use crate::durable;

/// How often a lock that is held is looked at.
const LOOKS: u32 = 10;
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(15);

/// A file that is locked. It is empty, since children have it as their input, and never removed, since a lock on a
/// removed file excludes nobody.
#[derive(Debug)]
pub(crate) struct HostLock {
    path: PathBuf,
    file: File,
}

impl HostLock {
    /// Takes the lock; `None` when somebody else has it.
    pub(crate) async fn take(path: &Path) -> io::Result<Option<Self>> {
        if let Some(parent) = path.parent() {
            durable::ensure_private_dir(parent)?;
        }
        let file = open(path)?;
        if !try_lock(&file).await? {
            return Ok(None);
        }
        let lock = Self { path: path.to_owned(), file };
        // Somebody removed it between our opening and locking: the next one would lock another file.
        if lock.is_in_place() { Ok(Some(lock)) } else { Ok(None) }
    }

    /// Whether somebody has the lock now. A file that can't be looked at tells nothing.
    pub(crate) async fn is_held(path: &Path) -> bool {
        match File::open(path) {
            Ok(file) => matches!(try_lock(&file).await, Ok(false)),
            Err(_) => false,
        }
    }

    /// Whether the file at the path is still the one that is locked.
    pub(crate) fn is_in_place(&self) -> bool {
        match (self.file.metadata(), self.path.metadata()) {
            (Ok(ours), Ok(there)) => ours.dev() == there.dev() && ours.ino() == there.ino(),
            _ => false,
        }
    }

    /// Another handle, which keeps the lock for as long as it is open.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves a note on who holds it.
    pub(crate) fn write_note(&self, holder: &LockHolder) -> io::Result<()> {
        durable::replace(&note_file(&self.path), &serde_json::to_vec(holder)?)
    }

    /// Takes the note away.
    pub(crate) fn clear_note(&self) -> io::Result<()> {
        durable::ensure_removed(&note_file(&self.path))
    }
}

/// Whether the lock was free. A child that is just being made by another thread has all open files for a moment, also
/// that of a lock that was let go; a holder has it for longer than this.
async fn try_lock(file: &File) -> io::Result<bool> {
    for _ in 0..LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Locking needs no right to write, so that a file of another user (`sudo` made it) excludes as well.
fn open(path: &Path) -> io::Result<File> {
    let to_write =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path);
    match to_write {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        outcome => outcome,
    }
}

fn note_file(lock_file: &Path) -> PathBuf {
    lock_file.with_extension("holder.json")
}

/// What the holder of a lock left there; it may be a dead one's.
pub(crate) fn read_note(lock_file: &Path) -> Option<LockHolder> {
    serde_json::from_slice(&std::fs::read(note_file(lock_file)).ok()?).ok()
}

/// The processes that keep a lock after its holder died, each as people find it: `4242 docker-compose`. Children have the
/// file as their standard input alone; whoever took the lock, or asks for it, has it open as another. While there is
/// such a one, or one that can't be looked at, none are named.
pub(crate) fn orphans(lock_file: &Path) -> Vec<String> {
    let Ok(lock_file) = lock_file.canonicalize() else { return Vec::new() };
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut children = Vec::new();
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // Our own handle is that of one who asks. A process of another user can't be looked at, and is no child of ours.
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let open = files.flatten().filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == lock_file));
        let open: Vec<_> = open.map(|fd| fd.file_name()).collect();
        if pid == std::process::id() || open.is_empty() {
            continue;
        }
        if open.iter().any(|fd| fd != "0") {
            return Vec::new();
        }
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        children.push(format!("{pid} {}", name.trim()).trim_end().to_owned());
    }
    children.sort();
    children
}

/// The lock of a source tree: in its Git folder, since several folders with states of their own may share the tree.
pub(crate) fn tree_lock_file(tree: &Path, state_dir: &Path) -> PathBuf {
    match tree.ancestors().find_map(git_dir) {
        Some(dir) => dir.join("ala-promote.lock"),
        None => {
            let hash = hex(&Sha256::digest(tree.as_os_str().as_encoded_bytes()));
            state_dir.join("locks").join(format!("tree-{}.lock", hash.get(..16).unwrap_or(&hash)))
        }
    }
}

fn git_dir(dir: &Path) -> Option<PathBuf> {
    let git = dir.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    // A worktree or submodule: `.git` is a file that says where.
    let said = std::fs::read_to_string(&git).ok()?;
    let real = dir.join(said.strip_prefix("gitdir:")?.trim());
    real.is_dir().then_some(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_and_children_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks/p.lock");
        let lock = HostLock::take(&path).await.unwrap().unwrap();
        assert!(HostLock::take(&path).await.unwrap().is_none());
        assert!(HostLock::is_held(&path).await);
        let child = std::process::Command::new("sleep").arg("60").stdin(lock.handle().unwrap()).spawn();
        let mut child = child.unwrap();
        drop(lock);
        assert!(HostLock::take(&path).await.unwrap().is_none(), "the child holds it");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!HostLock::is_held(&path).await);
        assert!(HostLock::take(&path).await.unwrap().is_some());
        assert_eq!(path.metadata().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_removed_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let lock = HostLock::take(&dir.path().join("p.lock")).await.unwrap().unwrap();
        assert!(lock.is_in_place());
        std::fs::remove_file(dir.path().join("p.lock")).unwrap();
        std::fs::write(dir.path().join("p.lock"), "").unwrap();
        assert!(!lock.is_in_place());
    }

    #[test]
    fn the_tree_s_lock_is_in_its_git_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (main, linked) = (dir.path().join("main"), dir.path().join("linked"));
        std::fs::create_dir_all(main.join(".git/worktrees/linked")).unwrap();
        std::fs::create_dir_all(main.join("deployment")).unwrap();
        std::fs::create_dir_all(&linked).unwrap();
        std::fs::write(linked.join(".git"), "gitdir: ../main/.git/worktrees/linked\n").unwrap();
        let file = |tree: &Path| tree_lock_file(tree, Path::new("/state"));
        assert_eq!(file(&main), main.join(".git/ala-promote.lock"));
        assert_eq!(file(&main.join("deployment")), main.join(".git/ala-promote.lock"));
        let in_linked = file(&linked);
        assert!(
            in_linked.ends_with("main/.git/worktrees/linked/ala-promote.lock"),
            "{}",
            in_linked.display()
        );
        assert!(file(Path::new("/nonexistent")).starts_with("/state/locks"));
    }
}
