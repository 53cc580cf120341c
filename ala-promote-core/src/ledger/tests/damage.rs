//! Edits, cuts and rewrites.

use std::fs;

use super::*;

#[test]
fn every_flipped_bit_of_every_segment_is_detected() {
    let (_state, folder, store, _) = ledger(12, SMALL);
    let names = segments(&folder);
    assert!(names.len() >= 3);
    let kept = store.head();
    for name in &names {
        let path = folder.join(name);
        let bytes = fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            fs::write(&path, &changed).unwrap();
            match verify(&folder, Some(&kept)) {
                Verdict::Damaged(damage) => {
                    assert_eq!(damage.at.segment.to_string(), *name);
                    assert!(damage.at.offset <= place as u64);
                }
                // The last line break of all, or NUL in the last line.
                Verdict::DoesNotContain { head, .. } => {
                    assert!(Some(name) == names.last() && head.seq < 12, "{name} byte {place}");
                }
                other => panic!("{name} byte {place}: {other:?}"),
            }
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert_intact(&folder, 12);
}

#[test]
fn a_ledger_cut_anywhere_is_torn_in_its_last_line_and_always_shows_against_a_kept_head() {
    let (_state, folder, store, _) = ledger(12, SMALL);
    let kept = store.head();
    let name = segments(&folder).last().unwrap().clone();
    let path = folder.join(&name);
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let good = bytes[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let expected = (good < length).then(|| TornTail::of(&bytes[good..length]));
        match verify(&folder, None) {
            Verdict::Intact { torn, .. } => assert_eq!(torn, expected, "cut at {length}"),
            other => panic!("cut at {length}: {other:?}"),
        }
        let shown = verify(&folder, Some(&kept));
        assert!(matches!(shown, Verdict::DoesNotContain { .. }), "cut at {length}: {shown:?}");

        // The next append cuts the torn tail off and names it.
        let mut counts = Counts::default();
        open(&folder).append(&entry("b"), &mut counts).unwrap();
        assert_eq!(counts.cut, Vec::from_iter(expected), "cut at {length}");
        assert!(!folder.join("torn.json").exists());
        assert!(matches!(verify(&folder, None), Verdict::Intact { torn: None, .. }));
    }
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(verify(&folder, Some(&kept)), Verdict::Intact { .. }));

    // In a segment that has a successor, a cut is damage.
    let first = folder.join("000001.jsonl");
    let bytes = fs::read(&first).unwrap();
    for length in 0..bytes.len() {
        fs::write(&first, &bytes[..length]).unwrap();
        let shown = verify(&folder, None);
        assert!(matches!(shown, Verdict::Damaged(_)), "cut at {length}: {shown:?}");
    }
}

#[test]
fn a_rewrite_with_good_hashes_shows_against_a_kept_head_only() {
    let (_state, folder, store, _) = ledger(5, SMALL);
    let (_other_state, rewritten, other, mut counts) = ledger(0, SMALL);
    for _ in 0..6 {
        other.append(&entry("x"), &mut counts).unwrap();
    }
    assert!(matches!(verify(&rewritten, None), Verdict::Intact { .. }));
    assert!(matches!(verify(&rewritten, Some(&store.head())), Verdict::DoesNotContain { .. }));
    let earlier = store.head();
    store.append(&entry("a"), &mut Counts { last: 5, ..Counts::default() }).unwrap();
    assert!(matches!(verify(&folder, Some(&earlier)), Verdict::Intact { .. }));
    assert!(matches!(verify(&folder, Some(&Head::genesis(id()))), Verdict::Intact { .. }));
    let foreign = Head::genesis(LedgerId::new("other").unwrap());
    assert!(matches!(verify(&folder, Some(&foreign)), Verdict::DoesNotContain { .. }));
}

#[test]
fn what_was_read_a_moment_ago_must_still_be_there() {
    for change in [
        // A cut by a whole line, one that leaves a torn line, and an edit that keeps the length.
        (|bytes| bytes.truncate(bytes.len() / 3)) as fn(&mut Vec<u8>),
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| {
            let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 10;
            bytes[last] = if bytes[last] == b'0' { b'1' } else { b'0' };
        },
    ] {
        let (_state, folder, store, mut counts) = ledger(3, SMALL);
        edit(&folder.join("000001.jsonl"), change);
        let before = fs::read(folder.join("000001.jsonl")).unwrap();
        let refused = store.append(&entry("a"), &mut counts).unwrap_err();
        let gone =
            |error| matches!(error, LedgerError::Damaged(Damage { flaw: Flaw::HeadGone { seq: 3, .. }, .. }));
        assert!(gone(refused));
        assert_eq!(fs::read(folder.join("000001.jsonl")).unwrap(), before);
    }
}

#[test]
fn a_newer_record_stops_readers_and_appenders_alike() {
    let (_state, folder, store, mut counts) = ledger(1, SMALL);
    let newer = record::seal("record", store.head().hash, r#"{"v":2,"seq":2,"by":"a newer program"}"#);
    edit(&folder.join("000001.jsonl"), |bytes| bytes.extend([newer.as_bytes(), b"\n"].concat()));
    for refused in [
        store.append(&entry("a"), &mut counts).unwrap_err(),
        open(&folder).refresh(&mut Counts::default()).unwrap_err(),
        store.verify(None, &mut Counts::default()).unwrap_err(),
    ] {
        assert_eq!(refused.kind(), LedgerErrorKind::NewerFormat);
        assert!(refused.to_string().contains("000001.jsonl line 2 "), "{refused}");
    }
}
