//! What the stores promise, on real files.

mod both_stores;
mod concurrent;
mod damage;
mod failing_disk;
mod opening;
mod segments;
mod torn_tails;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::{RawValue, to_raw_value};
use tempfile::TempDir;

use super::*;

/// A view that shows everything a follower was given: how many records of each operation, and what
/// was cut.
#[derive(Debug, Default, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    last: u64,
    records: BTreeMap<String, u64>,
    cut: Vec<TornTail>,
    /// How many records were given since the last reset; no part of what the view means.
    #[serde(skip)]
    given: u64,
    #[serde(skip)]
    refuses: Option<u64>,
}

impl Follower for Counts {
    fn reset(&mut self) {
        *self = Self { refuses: self.refuses, ..Self::default() };
    }

    fn restore(&mut self, view: &RawValue) -> Result<(), FollowError> {
        *self = Self { refuses: self.refuses, ..serde_json::from_str(view.get())? };
        Ok(())
    }

    fn apply(&mut self, record: &Record<&RawValue>, _: Sha256Digest) -> Result<(), FollowError> {
        if self.refuses == Some(record.seq) {
            return Err("no".into());
        }
        assert_eq!(record.seq, self.last + 1, "the follower is not where the store is");
        self.last = record.seq;
        self.given += 1;
        *self.records.entry(record.operation.clone().unwrap_or_default()).or_default() += 1;
        self.cut.extend(record.cut.iter().cloned());
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<RawValue>, FollowError> {
        Ok(to_raw_value(self)?)
    }
}

const SMALL: FileLedgerOptions =
    FileLedgerOptions { segment_bytes: 700, lock_patience: Duration::from_secs(60) };

fn id() -> LedgerId {
    LedgerId::new("test").unwrap()
}

fn entry(operation: &str) -> Entry {
    Entry::new(Timestamp::UNIX_EPOCH, Some(operation.to_owned()), &"some body").unwrap()
}

/// A ledger of its own, with `records` records in it.
fn ledger(records: u64, options: FileLedgerOptions) -> (TempDir, PathBuf, FileLedger, Counts) {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("ledger");
    let store = FileLedger::create(&folder, id(), options).unwrap();
    let mut counts = Counts::default();
    for _ in 0..records {
        store.append(&entry("a"), &mut counts).unwrap();
    }
    (state, folder, store, counts)
}

fn open(folder: &Path) -> FileLedger {
    FileLedger::open(folder, SMALL).unwrap()
}

fn verify(folder: &Path, kept: Option<&Head>) -> Verdict {
    open(folder).verify(kept, &mut Counts::default()).unwrap()
}

#[track_caller]
fn assert_intact(folder: &Path, expected: u64) {
    match verify(folder, None) {
        Verdict::Intact { records, torn: None, stale_checkpoints, .. } => {
            assert_eq!((records, stale_checkpoints), (expected, vec![]));
        }
        other => panic!("{other:?}"),
    }
}

fn segments(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut segments: Vec<_> = names.filter(|name| name.ends_with(".jsonl")).collect();
    segments.sort();
    segments
}

/// Changes a file's bytes.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}
