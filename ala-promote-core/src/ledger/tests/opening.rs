//! Creating and opening a folder.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

#[test]
fn folder_and_files_are_the_owners_only() {
    let (_state, folder, store, _) = ledger(10, SMALL);
    store.reserve("op", 10).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn a_ledger_is_created_once_and_an_interrupted_creation_is_completed() {
    let (_state, folder, _, _) = ledger(0, SMALL);
    let again = FileLedger::create(&folder, id(), SMALL).unwrap_err();
    assert_eq!(again.kind(), LedgerErrorKind::AlreadyExists);

    fs::remove_file(folder.join("id.json")).unwrap();
    assert_eq!(FileLedger::open(&folder, SMALL).unwrap_err().kind(), LedgerErrorKind::Missing);
    FileLedger::create(&folder, id(), SMALL).unwrap();
    assert_intact(&folder, 0);
    let nowhere = FileLedger::open(&folder.join("x"), SMALL).unwrap_err();
    assert_eq!(nowhere.kind(), LedgerErrorKind::Missing);
}

#[test]
fn records_without_an_id_are_damage_and_never_a_ledger_to_be_created() {
    let (_state, folder, _, _) = ledger(1, SMALL);
    let by_another_id = |bytes: &mut Vec<u8>| *bytes = br#"{"v":1,"id":"other"}"#.to_vec();
    edit(&folder.join("id.json"), by_another_id);
    assert!(matches!(verify(&folder, None), Verdict::Damaged(_)));
    edit(&folder.join("id.json"), |bytes| *bytes = br#"{"v":2,"name":"x"}"#.to_vec());
    let newer = FileLedger::open(&folder, SMALL).unwrap_err();
    assert_eq!(newer.kind(), LedgerErrorKind::NewerFormat);
    edit(&folder.join("id.json"), Vec::clear);
    assert_eq!(FileLedger::open(&folder, SMALL).unwrap_err().kind(), LedgerErrorKind::Damaged);
    fs::remove_file(folder.join("id.json")).unwrap();
    assert_eq!(FileLedger::open(&folder, SMALL).unwrap_err().kind(), LedgerErrorKind::Damaged);
    let created = FileLedger::create(&folder, id(), SMALL).unwrap_err();
    assert_eq!(created.kind(), LedgerErrorKind::Damaged);
}

#[test]
fn what_is_no_plain_file_is_refused_by_name() {
    let (state, folder, store, mut counts) = ledger(1, SMALL);
    let segment = folder.join("000001.jsonl");
    let elsewhere = state.path().join("elsewhere");
    fs::rename(&segment, &elsewhere).unwrap();

    let refused = |counts: &mut Counts| {
        let error = store.append(&entry("a"), counts).unwrap_err();
        assert!(error.to_string().contains("000001.jsonl"), "{error}");
        error.to_string()
    };
    symlink(&elsewhere, &segment).unwrap();
    assert!(refused(&mut counts).contains("is a symbolic link"));
    fs::remove_file(&segment).unwrap();
    fs::create_dir(&segment).unwrap();
    assert!(refused(&mut counts).contains("is a folder"));
    fs::remove_dir(&segment).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &segment, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(refused(&mut counts).contains("is a pipe"));
    fs::remove_file(&segment).unwrap();
    assert!(refused(&mut counts).contains("it is not there"));
    fs::rename(&elsewhere, &segment).unwrap();
    store.append(&entry("a"), &mut counts).unwrap();

    let moved = state.path().join("moved");
    fs::rename(&folder, &moved).unwrap();
    symlink(&moved, &folder).unwrap();
    let linked = FileLedger::open(&folder, SMALL).unwrap_err();
    assert!(linked.to_string().contains("is a symbolic link"), "{linked}");
}
