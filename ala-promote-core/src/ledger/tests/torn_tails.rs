//! What a crash leaves, and what becomes of it.

use std::fs;
use std::io;

use super::*;
use crate::ledger::disk::tests::{Fault, FaultyDisk};

#[test]
fn a_reader_leaves_a_torn_tail_alone_and_reads_on_when_it_has_become_a_line() {
    let (_state, folder, store, mut counts) = ledger(2, SMALL);
    let path = folder.join("000001.jsonl");
    let bytes = fs::read(&path).unwrap();
    let line = entry("b").line(3, store.head().hash, &[]).unwrap();
    fs::write(&path, [&bytes, &line.as_bytes()[..50]].concat()).unwrap();
    assert_eq!(store.refresh(&mut counts).unwrap().seq, 2);
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64 + 50);
    fs::write(&path, [&bytes, line.as_bytes()].concat()).unwrap();
    assert_eq!(store.refresh(&mut counts).unwrap().seq, 3);
}

#[test]
fn zeros_at_the_end_are_cut_and_named() {
    let (_state, folder, store, mut counts) = ledger(2, SMALL);
    edit(&folder.join("000001.jsonl"), |bytes| bytes.extend([0; 4096]));
    store.append(&entry("a"), &mut counts).unwrap();
    assert_eq!(counts.cut, [TornTail::of(&[0; 4096])]);
    assert_intact(&folder, 3);
}

#[test]
fn a_torn_tail_is_named_once_wherever_the_process_that_cuts_it_dies() {
    let tail = b"{\"hash\":\"0";
    let other = Fault::Error(io::ErrorKind::Other);
    // The calls of this append: note, its sync; cut, its sync; record, its sync. It dies in one of
    // them.
    for died in 0..6 {
        let (_state, folder, mut store, mut counts) = ledger(2, SMALL);
        edit(&folder.join("000001.jsonl"), |bytes| bytes.extend(tail));
        let disk = FaultyDisk::default();
        disk.plan(&vec![Fault::None; died]);
        disk.plan(&[other]);
        store.set_disk(Box::new(disk.clone()));
        store.append(&entry("a"), &mut counts).unwrap_err();
        assert_eq!(disk.planned(), 0);

        let mut counts = Counts::default();
        let next = open(&folder);
        next.append(&entry("b"), &mut counts).unwrap();
        next.append(&entry("b"), &mut counts).unwrap();
        // The record itself may have been torn, and is named as well.
        assert_eq!(counts.cut.first(), Some(&TornTail::of(tail)), "died in call {died}");
        assert_eq!(counts.cut.len(), if died == 4 { 2 } else { 1 }, "died in call {died}");
        assert!(!folder.join("torn.json").exists());
        assert_intact(&folder, if died == 5 { 5 } else { 4 });
    }
}

#[test]
fn a_note_that_was_left_behind_is_void() {
    let (_state, folder, store, mut counts) = ledger(2, SMALL);
    torn::note(&disk::RealDisk, &folder, 1, &[TornTail::of(b"old")]).unwrap();
    store.append(&entry("a"), &mut counts).unwrap();
    assert_eq!(counts.cut, []);
}
