//! Calls of the binaries whose writes of the ledger are made to fail, or to be their last.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ala_promote_demo::Sample;

use crate::script::{Called, binary, called};

/// What happens to one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process is killed before it is written.
    KilledBefore,
    /// The process is killed when it is written.
    KilledAfter,
    /// The disk does not say that it is durable.
    SyncFails,
    /// There is no room for it, and there is again for what is written when space was given back.
    Full,
    /// The disk fails.
    WriteFails,
}

impl Fault {
    pub(super) const ALL: [Self; 5] =
        [Self::KilledBefore, Self::KilledAfter, Self::SyncFails, Self::Full, Self::WriteFails];

    /// The call that the ledger makes for a record, and what comes of it. It makes them all on one thread, for whose
    /// calls alone strace counts.
    fn injection(self) -> (&'static str, &'static str) {
        match self {
            Self::KilledBefore => ("pwrite64", "signal=SIGKILL"),
            Self::KilledAfter => ("fdatasync", "signal=SIGKILL"),
            Self::SyncFails => ("fdatasync", "error=EIO"),
            Self::Full => ("pwrite64", "error=ENOSPC"),
            Self::WriteFails => ("pwrite64", "error=EIO"),
        }
    }

    pub(super) fn kills(self) -> bool {
        matches!(self, Self::KilledBefore | Self::KilledAfter)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KilledBefore => "killed-before",
            Self::KilledAfter => "killed-after",
            Self::SyncFails => "sync-fails",
            Self::Full => "disk-full",
            Self::WriteFails => "write-fails",
        })
    }
}

/// Whether strace is here; said loudly if not, and in CI that is a failure.
pub(super) fn is_possible() -> bool {
    let is_here = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    if !is_here {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "strace is missing, and CI may skip nothing");
        eprintln!("SKIPPED: faults at the ledger's records need strace");
    }
    is_here
}

/// The files of the ledger that have records.
fn segments(sample: &Sample) -> Vec<PathBuf> {
    let folder = sample.deployment().join(".ala-promote/ledger");
    let entries = fs::read_dir(folder).expect("there is a ledger");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort_unstable();
    files
}

/// How many records the ledger has.
pub(super) fn records(sample: &Sample) -> usize {
    segments(sample).iter().map(|file| fs::read_to_string(file).expect("it is read").lines().count()).sum()
}

/// Calls a binary; the fault happens to its nth record.
pub(super) fn call_with(sample: &Sample, line: &[&str], nth: usize, fault: Fault) -> Called {
    let (call, outcome) = fault.injection();
    let mut command = sample.engine().command("strace");
    // The children of the binary are left alone.
    command.args(["-f", "-b", "execve", "-qqq", "-o", "/dev/null"]);
    for segment in segments(sample) {
        command.arg("-P").arg(segment);
    }
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{outcome}:when={nth}")]);
    command.arg("--").arg(binary(line[0])).args(&line[1..]);
    finished(command.current_dir(sample.deployment()))
}

fn finished(command: &mut Command) -> Called {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    called(&command.output().expect("strace runs"))
}
