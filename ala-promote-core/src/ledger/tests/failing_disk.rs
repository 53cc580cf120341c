//! Disks that are full, broken or read-only.

use std::fs;
use std::io;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::ledger::disk::tests::{Fault, FaultyDisk};

#[test]
fn after_a_failure_that_leaves_the_disk_unknown_nothing_more_is_written() {
    let other = Fault::Error(io::ErrorKind::Other);
    let full = Fault::Error(io::ErrorKind::StorageFull);
    for faults in [vec![other], vec![Fault::None, other], vec![Fault::None, full], vec![full, other]] {
        let (_state, folder, mut store, mut counts) = ledger(2, SMALL);
        let disk = FaultyDisk::default();
        disk.plan(&faults);
        store.set_disk(Box::new(disk.clone()));
        let entry = entry("op").may_use_reserve();
        store.reserve("op", 100).unwrap();
        let failed = store.append(&entry, &mut counts).unwrap_err();
        assert!(matches!(failed, LedgerError::DurabilityLost { .. }), "{failed:?}");
        assert_eq!(store.head().seq, 2);

        let bytes = fs::read(folder.join("000001.jsonl")).unwrap();
        for _ in 0..2 {
            let refused = store.append(&entry, &mut counts).unwrap_err();
            assert!(matches!(refused, LedgerError::Poisoned { .. }), "{refused:?}");
            assert!(!refused.is_retryable());
        }
        assert_eq!(fs::read(folder.join("000001.jsonl")).unwrap(), bytes);
        assert!(folder.join("reserve-op").exists());
    }
}

#[test]
fn the_reserve_is_used_once_and_only_by_those_who_may() {
    let full = Fault::Error(io::ErrorKind::StorageFull);
    // A write that fails for lack of space is followed by the cut and its sync.
    let fails = [full, Fault::None, Fault::None];
    let (_state, folder, mut store, mut counts) = ledger(2, SMALL);
    let disk = FaultyDisk::default();
    store.set_disk(Box::new(disk.clone()));
    for operation in ["op", "other"] {
        store.reserve(operation, 100).unwrap();
    }

    disk.plan(&fails);
    let refused = store.append(&entry("op"), &mut counts).unwrap_err();
    assert_eq!(refused.kind(), LedgerErrorKind::Space);
    assert!(folder.join("reserve-op").exists());
    assert_intact(&folder, 2);

    disk.plan(&[fails, fails].concat());
    let refused = store.append(&entry("op").may_use_reserve(), &mut counts).unwrap_err();
    assert_eq!((refused.kind(), disk.planned()), (LedgerErrorKind::Space, 0));
    assert!(!folder.join("reserve-op").exists());
    assert!(folder.join("reserve-other").exists());

    store.reserve("op", 100).unwrap();
    disk.plan(&fails);
    store.append(&entry("op").may_use_reserve(), &mut counts).unwrap();
    assert!(!folder.join("reserve-op").exists());

    disk.plan(&fails);
    let refused = store.append(&entry("op").may_use_reserve(), &mut counts).unwrap_err();
    assert_eq!(refused.kind(), LedgerErrorKind::Space, "there was no reserve to try again with");
    assert_eq!(disk.planned(), 0);
    assert_intact(&folder, 3);
    store.release_reserve("other").unwrap();
    store.release_reserve("other").unwrap();
}

/// A small disk of its own.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where mounting is not permitted; a failure where the environment says that all tests
    /// must run.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(folder.path())
            .output();
        if mount.as_ref().is_ok_and(|done| done.status.success()) {
            return Some(Self(folder));
        }
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "can't mount a small disk: {mount:?}");
        eprintln!("SKIPPED: a full disk was not tested, since mounting one is not permitted: {mount:?}");
        None
    }

    fn remount_read_only(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(self.0.path()).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_disk_that_is_really_full_the_line_is_taken_back_and_the_reserve_lets_the_undo_be_recorded() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let folder = disk.0.path().join("ledger");
    let options = FileLedgerOptions { segment_bytes: 8192, ..SMALL };
    let store = FileLedger::create(&folder, id(), options).unwrap();
    let mut counts = Counts::default();
    store.reserve("op", 12_000).unwrap();
    let refused = store.reserve("big", 1 << 20).unwrap_err();
    assert_eq!(refused.kind(), LedgerErrorKind::Space);
    assert!(!folder.join("reserve-big").exists());

    let refused = loop {
        if let Err(refused) = store.append(&entry("op"), &mut counts) {
            break refused;
        }
    };
    assert_eq!(refused.kind(), LedgerErrorKind::Space, "{refused:?}");
    assert_intact(&folder, counts.last);
    let before = counts.last;
    for _ in 0..10 {
        store.append(&entry("op").may_use_reserve(), &mut counts).unwrap();
    }
    assert_eq!(counts.last, before + 10);
    assert_intact(&folder, before + 10);
}

#[test]
fn on_a_read_only_disk_everything_can_be_read_and_an_append_names_the_file() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let folder = disk.0.path().join("ledger");
    let store = FileLedger::create(&folder, id(), SMALL).unwrap();
    for _ in 0..10 {
        store.append(&entry("a"), &mut Counts { last: store.head().seq, ..Counts::default() }).unwrap();
    }
    fs::remove_file(folder.join("000001.checkpoint.json")).unwrap();
    disk.remount_read_only();
    assert_intact(&folder, 10);
    let (opened, mut counts) = (open(&folder), Counts::default());
    assert_eq!(opened.refresh(&mut counts).unwrap().seq, 10);
    let refused = opened.append(&entry("a"), &mut counts).unwrap_err();
    assert_eq!(refused.kind(), LedgerErrorKind::Permission);
    assert!(refused.to_string().contains(folder.to_str().unwrap()), "{refused}");
    // That was no failure of the disk, so the store is as good as before.
    assert_eq!(opened.append(&entry("a"), &mut counts).unwrap_err().kind(), LedgerErrorKind::Permission);
}
