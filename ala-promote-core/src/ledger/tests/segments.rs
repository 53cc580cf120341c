//! Rotation, and what is kept of closed segments.

use std::fs;

use super::*;

#[test]
fn segments_follow_one_another_and_opening_reads_only_what_comes_after_the_last_checkpoint() {
    let (_state, folder, store, counts) = ledger(20, SMALL);
    let names = segments(&folder);
    assert!(names.len() > 3, "{names:?}");
    for name in &names[..names.len() - 1] {
        let length = fs::metadata(folder.join(name)).unwrap().len();
        assert!((700..1000).contains(&length), "{name}: {length}");
    }
    assert_intact(&folder, 20);

    let mut opened = Counts::default();
    assert_eq!(open(&folder).refresh(&mut opened).unwrap(), store.head());
    assert!(opened.given < 6, "{} were read", opened.given);
    assert_eq!(opened, Counts { given: opened.given, ..counts });
}

#[test]
fn every_checkpoint_can_be_deleted_and_comes_back() {
    let (_state, folder, store, counts) = ledger(20, SMALL);
    let texts = || {
        let names = segments(&folder).into_iter().map(|name| name.replace("jsonl", "checkpoint.json"));
        names.map(|name| fs::read(folder.join(name)).ok()).collect::<Vec<_>>()
    };
    let before = texts();
    assert!(before[..before.len() - 1].iter().all(Option::is_some));
    for name in segments(&folder) {
        let _ = fs::remove_file(folder.join(name.replace("jsonl", "checkpoint.json")));
    }
    let mut opened = Counts::default();
    assert_eq!(open(&folder).refresh(&mut opened).unwrap(), store.head());
    assert_eq!(opened, counts);
    assert_eq!(texts(), before);
}

#[test]
fn a_checkpoint_that_does_not_belong_is_passed_over_and_reported() {
    let (_state, folder, store, counts) = ledger(20, SMALL);
    let names = segments(&folder);
    let closed: Segment = Segment::from_file_name(&names[names.len() - 2]).unwrap();
    let path = folder.join(closed.checkpoint_name());
    let good = fs::read(&path).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let seq = checkpoint::Checkpoint::load(&folder, closed, &id()).unwrap().head.seq;

    // As somebody would who knows how checkpoints are sealed.
    let forge = |from: &str, to: &str| {
        let content = text.split_once(r#""checkpoint":"#).unwrap().1.strip_suffix('}').unwrap();
        assert!(content.contains(from), "{content}");
        record::seal("checkpoint", Sha256Digest::of(&[]), &content.replace(from, to)).into_bytes()
    };
    let other_hash = Sha256Digest::of(&[b"x"]).to_string();
    let hash = text.split(r#""hash":""#).nth(2).unwrap()[..64].to_owned();
    let cases = [
        ("empty", vec![]),
        ("torn", good[..good.len() / 2].to_vec()),
        ("edited", text.replace(r#""last":"#, r#""last":1"#).into_bytes()),
        ("another head", forge(&hash, &other_hash)),
        ("another number", forge(&format!(r#""seq":{seq}"#), &format!(r#""seq":{}"#, seq - 1))),
        ("another ledger", forge(r#""ledger":"test""#, r#""ledger":"tost""#)),
        ("a view of another form", forge(r#""last":"#, r#""latest":"#)),
    ];
    for (case, bytes) in cases {
        fs::write(&path, bytes).unwrap();
        match verify(&folder, None) {
            Verdict::Intact { stale_checkpoints, .. } => assert_eq!(stale_checkpoints, [closed], "{case}"),
            other => panic!("{case}: {other:?}"),
        }
        let mut opened = Counts::default();
        assert_eq!(open(&folder).refresh(&mut opened).unwrap(), store.head(), "{case}");
        assert_eq!(Counts { given: 20, ..opened }, counts, "{case}");
        if case != "a view of another form" {
            assert_eq!(fs::read(&path).unwrap(), good, "{case}: it was not made again");
        }
        fs::write(&path, &good).unwrap();
    }

    // A view that lies is of the right form, and only reading everything shows it.
    fs::write(&path, forge(r#""a":"#, r#""a":1"#)).unwrap();
    assert!(
        matches!(verify(&folder, None), Verdict::Intact { stale_checkpoints, .. } if stale_checkpoints == [closed])
    );
}

#[test]
fn a_checkpoint_with_no_record_after_it_is_not_trusted() {
    let (_state, folder, store, counts) = ledger(20, SMALL);
    let last = Segment::from_file_name(segments(&folder).last().unwrap()).unwrap();
    // A crash between the creation of a segment and its first record.
    fs::write(folder.join(last.next().to_string()), "").unwrap();
    let forged = Head { seq: 99, ..store.head() };
    let view = counts.snapshot().unwrap();
    checkpoint::Checkpoint { head: forged, view }.save(&folder, last).unwrap();
    let mut opened = Counts::default();
    assert_eq!(open(&folder).refresh(&mut opened).unwrap(), store.head());
    open(&folder).append(&entry("b"), &mut Counts::default()).unwrap();
    assert_intact(&folder, 21);
}

#[test]
fn a_missing_segment_is_named() {
    let (_state, folder, _, _) = ledger(20, SMALL);
    for segment in ["000001.jsonl", "000002.jsonl"] {
        let moved = folder.join("moved");
        fs::rename(folder.join(segment), &moved).unwrap();
        match verify(&folder, None) {
            Verdict::Damaged(Damage { at, flaw: Flaw::SegmentMissing }) => {
                assert_eq!(at.segment.to_string(), segment);
            }
            other => panic!("{other:?}"),
        }
        let refused = open(&folder).refresh(&mut Counts::default()).unwrap_err();
        assert_eq!(refused.kind(), LedgerErrorKind::Damaged);
        fs::rename(moved, folder.join(segment)).unwrap();
    }
}
