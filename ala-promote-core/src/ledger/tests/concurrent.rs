//! Several stores and processes on one ledger.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::ledger::lock::{Against, Lock};

/// Looks again and again until `done`, but not for ever.
fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
    }
}

#[test]
fn two_stores_append_in_turn_and_each_gives_its_follower_the_others_records() {
    let (_state, folder, one, mut by_one) = ledger(0, SMALL);
    let (two, mut by_two) = (open(&folder), Counts::default());
    for _ in 0..10 {
        one.append(&entry("one"), &mut by_one).unwrap();
        two.append(&entry("two"), &mut by_two).unwrap();
        two.append(&entry("two"), &mut by_two).unwrap();
    }
    assert_eq!(one.refresh(&mut by_one).unwrap(), two.head());
    assert_eq!(by_one.records, [("one".to_owned(), 10), ("two".to_owned(), 20)].into());
    assert_eq!(by_one.records, by_two.records);
    assert_intact(&folder, 30);
}

#[test]
fn threads_with_stores_of_their_own_append_at_the_same_time_beside_readers() {
    let (_state, folder, _, _) = ledger(0, SMALL);
    thread::scope(|scope| {
        for operation in ["one", "two"] {
            let folder = &folder;
            scope.spawn(move || {
                let (store, mut counts) = (open(folder), Counts::default());
                for _ in 0..100 {
                    store.append(&entry(operation), &mut counts).unwrap();
                }
            });
        }
        let (reader, mut counts) = (open(&folder), Counts::default());
        until(|| {
            reader.refresh(&mut counts).unwrap();
            let verdict = reader.verify(Some(&reader.head()), &mut Counts::default()).unwrap();
            assert!(matches!(verdict, Verdict::Intact { .. }), "{verdict:?}");
            counts.last == 200
        });
        assert_eq!(counts.records, [("one".to_owned(), 100), ("two".to_owned(), 100)].into());
    });
    assert_intact(&folder, 200);
}

#[test]
fn a_reader_misses_no_record_when_segments_end_under_its_eyes() {
    let options = FileLedgerOptions { segment_bytes: 1, ..SMALL };
    let (_state, folder, store, mut counts) = ledger(0, options);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (reader, mut counts) = (open(&folder), Counts::default());
                until(|| reader.refresh(&mut counts).unwrap().seq == 400);
            });
        }
        for _ in 0..400 {
            store.append(&entry("a"), &mut counts).unwrap();
        }
    });
}

#[test]
fn what_looks_like_damage_beside_an_appender_is_looked_at_again_when_it_is_done() {
    let (_state, folder, store, _) = ledger(2, SMALL);
    let path = folder.join("000001.jsonl");
    let good = fs::read(&path).unwrap();
    // A mixture of old and new bytes, as a reader can meet it while an append is taken back.
    let appender = Lock::take(&folder, Against::All, Duration::ZERO).unwrap();
    edit(&path, |bytes| bytes.extend(b"{\"hash\"{\"hash\"\n"));
    thread::scope(|scope| {
        let (sender, answers) = mpsc::channel();
        let other = sender.clone();
        let folder = &folder;
        scope.spawn(move || sender.send(open(folder).refresh(&mut Counts::default()).map(|head| head.seq)));
        scope.spawn(move || {
            let verdict = open(folder).verify(None, &mut Counts::default());
            other.send(verdict.map(|verdict| match verdict {
                Verdict::Intact { records, .. } => records,
                other => panic!("{other:?}"),
            }))
        });
        answers.recv_timeout(Duration::from_millis(100)).expect_err("it was not waited for the appender");
        fs::write(&path, good).unwrap();
        drop(appender);
        for _ in 0..2 {
            let answer = answers.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(answer.unwrap(), store.head().seq);
        }
    });
}

const CHILD_FOLDER: &str = "LEDGER_TEST_FOLDER";
const CHILD_RECORDS: &str = "LEDGER_TEST_RECORDS";

/// The other process of the tests below; does nothing in a run of its own.
#[test]
fn another_process() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else {
        return;
    };
    let records: u64 = std::env::var(CHILD_RECORDS).unwrap().parse().unwrap();
    let operation = std::process::id().to_string();
    let (store, mut counts) = (open(Path::new(&folder)), Counts::default());
    for _ in 0..records {
        store.append(&entry(&operation), &mut counts).unwrap();
    }
}

/// Killed at the latest when the test is over.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_another_process(folder: &Path, records: u64) -> Other {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::tests::concurrent::another_process"])
        .env(CHILD_FOLDER, folder)
        .env(CHILD_RECORDS, records.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Other(child)
}

#[test]
fn processes_append_at_the_same_time() {
    let (_state, folder, _, _) = ledger(0, SMALL);
    let children = [(); 3].map(|()| start_another_process(&folder, 60));
    for mut child in children {
        assert!(child.0.wait().unwrap().success());
    }
    let mut counts = Counts::default();
    open(&folder).refresh(&mut counts).unwrap();
    assert_eq!(counts.records.values().copied().collect::<Vec<_>>(), [60, 60, 60]);
    assert_intact(&folder, 180);
}

#[test]
fn a_process_killed_at_any_time_leaves_a_ledger_that_goes_on() {
    let (_state, folder, store, mut counts) = ledger(0, SMALL);
    for round in 1..=8 {
        let before = store.refresh(&mut counts).unwrap().seq;
        let child = start_another_process(&folder, 1_000_000);
        until(|| store.refresh(&mut counts).unwrap().seq >= before + 5);
        thread::sleep(Duration::from_micros(137 * round));
        drop(child);
        store.append(&entry("after"), &mut counts).unwrap();
        assert_intact(&folder, store.head().seq);
    }
    assert_eq!(counts.records["after"], 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever comes in whatever order: nothing that was appended is lost, all stores agree, and
    /// each torn tail is named once.
    #[test]
    fn any_mixture_of_appends_openings_and_crashes_keeps_every_record(
        steps in proptest::collection::vec((0..4_u8, 0..3_usize, 1..200_usize), 1..40),
    ) {
        let (_state, folder, _, _) = ledger(0, SMALL);
        let fresh = || (open(&folder), Counts::default());
        let mut stores = [fresh(), fresh(), fresh()];
        let (mut appended, mut torn) = (0, 0);
        let mut pending = 0;
        for (what, which, size) in steps {
            let (store, counts) = &mut stores[which];
            match what {
                0 | 1 => {
                    let body = "x".repeat(size);
                    let entry = Entry::new(Timestamp::UNIX_EPOCH, None, &body).unwrap();
                    store.append(&entry, counts).unwrap();
                    appended += 1;
                    (torn, pending) = (torn + pending, 0);
                }
                2 => stores[which] = fresh(),
                _ => {
                    let name = segments(&folder).last().unwrap().clone();
                    edit(&folder.join(name), |bytes| bytes.resize(bytes.len() + size, b' '));
                    pending = 1;
                }
            }
        }
        let mut all = Counts::default();
        let head = open(&folder).refresh(&mut all).unwrap();
        prop_assert_eq!(head.seq, appended);
        prop_assert_eq!(all.cut.len(), torn);
        for (store, counts) in &mut stores {
            prop_assert_eq!(&store.refresh(counts).unwrap(), &head);
            prop_assert_eq!(&counts.records, &all.records);
        }
        let verdict = verify(&folder, Some(&head));
        let intact = matches!(verdict, Verdict::Intact { .. });
        prop_assert!(intact, "{:?}", verdict);
    }
}
