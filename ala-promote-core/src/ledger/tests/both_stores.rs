//! What every store promises.

use std::fs;

use super::*;

#[test]
fn both_stores_write_the_same_bytes_and_give_the_same_records() {
    let (_state, folder, file, mut in_file) = ledger(0, FileLedgerOptions::default());
    let memory = MemoryLedger::new(id());
    let mut in_memory = Counts::default();
    assert_eq!(file.head(), memory.head());
    for operation in ["a", "b", "a"] {
        let heads = (
            file.append(&entry(operation), &mut in_file).unwrap(),
            memory.append(&entry(operation), &mut in_memory).unwrap(),
        );
        assert_eq!(heads.0, heads.1);
        assert_eq!(heads.0, file.head());
    }
    assert_eq!(fs::read(folder.join("000001.jsonl")).unwrap(), memory.bytes());
    assert_eq!(in_file, in_memory);
    assert_eq!(in_file.records, [("a".to_owned(), 2), ("b".to_owned(), 1)].into());
}

#[test]
fn a_torn_tail_in_memory_is_cut_and_named_too() {
    let memory = MemoryLedger::new(id());
    let mut counts = Counts::default();
    memory.append(&entry("a"), &mut counts).unwrap();
    let torn = MemoryLedger::from_bytes(id(), [&memory.bytes()[..], b"{\"ha"].concat());
    torn.refresh(&mut counts).unwrap();
    assert_eq!(torn.bytes().len(), memory.bytes().len() + 4);
    torn.append(&entry("a"), &mut counts).unwrap();
    assert_eq!(counts.cut, [TornTail { length: 4, sha256: Sha256Digest::of(&[b"{\"ha"]) }]);
    let other = torn.open_again();
    other.append(&entry("b"), &mut Counts::default()).unwrap();
    torn.refresh(&mut counts).unwrap();
    assert_eq!((counts.last, counts.cut.len()), (3, 1));
    let verdict = torn.verify(Some(&other.head()), &mut Counts::default()).unwrap();
    assert!(matches!(verdict, Verdict::Intact { records: 3, torn: None, .. }), "{verdict:?}");
}

#[test]
fn a_record_that_the_follower_refuses_is_given_again() {
    let (_state, folder, store, mut counts) = ledger(1, SMALL);
    counts.refuses = Some(2);
    let refused = store.append(&entry("a"), &mut counts).unwrap_err();
    assert!(matches!(refused, LedgerError::NotUnderstood { seq: 2, .. }), "{refused:?}");
    assert_eq!(store.head().seq, 1);
    assert_intact(&folder, 2);
    counts.refuses = None;
    assert_eq!(store.refresh(&mut counts).unwrap().seq, 2);
}
