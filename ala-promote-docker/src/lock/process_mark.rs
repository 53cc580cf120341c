//! What tells one process from all others, on this host and later, so that a dead holder is known for dead.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::host::HostLock;

/// A process, as it marks its locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessMark {
    /// The machine, through restarts.
    machine: String,
    /// This run of its kernel.
    boot: String,
    /// The namespace that `pid` counts in: containers have their own.
    pid_namespace: String,
    pid: u32,
    /// When it started, in the kernel's ticks: numbers of processes are used again.
    started: String,
    /// The file whose lock it holds, and its children after it.
    lock_file: PathBuf,
}

/// What can be said of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs, or children of it that still work.
    Alive,
    /// It does not, nor do children.
    Dead,
    /// It is out of sight, on another host or in another container.
    Unknown,
}

impl ProcessMark {
    /// This process.
    pub(crate) fn ours(lock_file: &Path) -> Self {
        let pid = std::process::id();
        Self {
            machine: read("/etc/machine-id"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid_namespace: pid_namespace(),
            pid,
            started: start_of(pid).unwrap_or_default(),
            lock_file: lock_file.to_owned(),
        }
    }

    /// The file whose lock it holds.
    pub(crate) fn lock_file(&self) -> &Path {
        &self.lock_file
    }

    /// What can be said of the marked process, by one who holds the lock on `held`.
    pub(crate) async fn life(&self, held: &Path) -> Life {
        let here = Self::ours(held);
        if self.boot != here.boot || self.boot.is_empty() {
            // Processes of an earlier run of this machine are gone; of other machines nothing is known.
            let is_this_machine = !self.machine.is_empty() && self.machine == here.machine;
            return if is_this_machine { Life::Dead } else { Life::Unknown };
        }
        if self.lock_file != held && HostLock::is_held(&self.lock_file).await {
            return Life::Alive;
        }
        if self.pid_namespace != here.pid_namespace {
            return Life::Unknown;
        }
        // Whoever asks holds the lock on this very file, so its holder let go, and so did the children.
        let let_go = self.lock_file == held;
        let runs = start_of(self.pid).is_some_and(|started| started == self.started);
        if runs && !let_go { Life::Alive } else { Life::Dead }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn pid_namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default()
}

/// The 22nd field of its `stat`, counted after the name, which may hold anything.
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    // A zombie has ended; only its parent has not looked yet.
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> &'static Path {
        Path::new("/nonexistent/ours.lock")
    }

    #[tokio::test]
    async fn tells_the_living_from_the_dead() {
        let other_file = ProcessMark::ours(Path::new("/nonexistent/other.lock"));
        assert_eq!(other_file.life(held()).await, Life::Alive);
        assert_eq!(ProcessMark::ours(held()).life(held()).await, Life::Dead);

        let gone = ProcessMark { pid: u32::MAX, ..other_file.clone() };
        assert_eq!(gone.life(held()).await, Life::Dead);
        let number_used_again = ProcessMark { started: "1".into(), ..other_file.clone() };
        assert_eq!(number_used_again.life(held()).await, Life::Dead);
        let before_a_restart =
            ProcessMark { boot: "earlier".into(), machine: "m".into(), ..other_file.clone() };
        let expected = if read("/etc/machine-id") == "m" { Life::Dead } else { Life::Unknown };
        assert_eq!(before_a_restart.life(held()).await, expected);
        let in_a_container = ProcessMark { pid_namespace: "pid:[1]".into(), ..other_file };
        assert_eq!(in_a_container.life(held()).await, Life::Unknown);
    }

    #[tokio::test]
    async fn children_that_hold_the_file_count_as_life() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("theirs.lock");
        let lock = HostLock::take(&file).await.unwrap().unwrap();
        let mark = ProcessMark { pid: u32::MAX, ..ProcessMark::ours(&file) };
        assert_eq!(mark.life(held()).await, Life::Alive);
        drop(lock);
        assert_eq!(mark.life(held()).await, Life::Dead);
    }
}
