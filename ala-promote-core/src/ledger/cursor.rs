//! A place in the chain up to which it was read and found good.

use std::io::{BufRead, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::chain::{Head, Link, Misfit, verify_line};
use super::error::{Damage, Flaw, LedgerError};
use super::hash::Sha256Digest;
use super::record::{FORMAT_VERSION, MAX_LINE_BYTES, TornTail};
use super::segment::{Position, Segment};

/// The head of all that was read, and where the next line will begin.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    pub(super) head: Head,
    pub(super) at: Position,
    /// Where in the segment the line of `head` begins; `None` at the segment's start.
    pub(super) last_line: Option<u64>,
}

impl Cursor {
    /// At the start of `segment`, when `head` is where the segment before it ends.
    pub(super) fn at_start_of(segment: Segment, head: Head) -> Self {
        Self { head, at: Position::start_of(segment), last_line: None }
    }

    /// Reads `source`, which begins at the cursor, to its end. Gives each record to `visit` and
    /// moves past it when `visit` has taken it; an error leaves the cursor behind the last record
    /// that was taken.
    ///
    /// What a crashed append has left at the end is no error but the answer, and the cursor stays
    /// before it:
    /// - bytes without a final line break: a part of the line, or zeros that the file system put in
    ///   place of it;
    /// - a last line with a line break, but with NUL bytes in it: its last block reached the disk
    ///   before its first.
    ///
    /// A complete last line with any other flaw is damage. It can have been durable and acted upon,
    /// so that to cut it would be to forget an effect.
    ///
    /// `path` is for errors only.
    pub(super) fn follow<R: BufRead>(
        &mut self,
        mut source: R,
        path: &Path,
        visit: &mut dyn FnMut(&Link<'_>) -> Result<(), LedgerError>,
    ) -> Result<Option<TornTail>, LedgerError> {
        let unreadable = |source| LedgerError::io("read", path, source);
        let mut line = Vec::new();
        loop {
            line.clear();
            source.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(unreadable)?;
            let Some(content) = line.strip_suffix(b"\n") else {
                return self.unterminated(&line, source, path);
            };
            match verify_line(&self.head, content) {
                Ok(link) => {
                    visit(&link)?;
                    self.pass(&link, line.len() as u64);
                }
                Err(misfit) => {
                    let is_last = source.fill_buf().map_err(unreadable)?.is_empty();
                    if is_last && content.contains(&0) {
                        return Ok(Some(TornTail::of(&line)));
                    }
                    return Err(self.misfit(misfit));
                }
            }
        }
    }

    /// Moves past `link`, whose line has `length` bytes.
    pub(super) fn pass(&mut self, link: &Link<'_>, length: u64) {
        self.head.seq = link.record.seq;
        self.head.hash = link.hash;
        self.last_line = Some(self.at.offset);
        self.at.line += 1;
        self.at.offset += length;
    }

    pub(super) fn damage(&self, flaw: Flaw) -> LedgerError {
        LedgerError::Damaged(Damage { at: self.at, flaw })
    }

    fn misfit(&self, misfit: Misfit) -> LedgerError {
        match misfit {
            Misfit::Flaw(flaw) => self.damage(flaw),
            Misfit::NewerFormat(found) => {
                LedgerError::NewerFormat { place: self.at.to_string(), found, known: FORMAT_VERSION }
            }
        }
    }

    /// `line` is what is left of the source, or the most of it that a line may have.
    fn unterminated<R: BufRead>(
        &self,
        line: &[u8],
        mut source: R,
        path: &Path,
    ) -> Result<Option<TornTail>, LedgerError> {
        if line.is_empty() {
            return Ok(None);
        }
        // A file system can leave more zeros than anybody wants in memory.
        let mut hasher = Sha256::new_with_prefix(line);
        let mut length = line.len() as u64;
        loop {
            let more = source.fill_buf().map_err(|source| LedgerError::io("read", path, source))?;
            if more.is_empty() {
                return Ok(Some(TornTail { length, sha256: Sha256Digest::finish(hasher) }));
            }
            if more.contains(&b'\n') {
                return Err(self.damage(Flaw::TooLong { limit: MAX_LINE_BYTES }));
            }
            hasher.update(more);
            let read = more.len();
            length += read as u64;
            source.consume(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::chain::LedgerId;
    use crate::ledger::record::{Entry, seal};

    fn start() -> Cursor {
        Cursor::at_start_of(Segment::FIRST, Head::genesis(LedgerId::new("test").unwrap()))
    }

    /// The bytes of a ledger with these bodies, and where each line ends.
    fn ledger(bodies: &[String]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends, mut head) = (Vec::new(), Vec::new(), start().head);
        for body in bodies {
            let line = Entry::new(Timestamp::UNIX_EPOCH, None, body)
                .unwrap()
                .line(head.seq + 1, head.hash, &[])
                .unwrap();
            let link = verify_line(&head, line.trim_end().as_bytes()).unwrap();
            (head.seq, head.hash) = (link.record.seq, link.hash);
            bytes.extend(line.as_bytes());
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn three() -> (Vec<u8>, Vec<usize>) {
        ledger(&["a".to_owned(), "b c".to_owned(), "\u{0}\n".to_owned()])
    }

    fn follow(bytes: &[u8]) -> (Cursor, Result<Option<TornTail>, LedgerError>) {
        let mut cursor = start();
        // A small buffer, so that lines lie across its edges.
        let outcome = cursor.follow(BufReader::with_capacity(7, bytes), Path::new("x"), &mut |_| Ok(()));
        (cursor, outcome)
    }

    #[test]
    fn every_change_of_a_single_byte_is_detected() {
        let (bytes, ends) = three();
        let mut changed = bytes.clone();
        for place in 0..bytes.len() {
            for difference in 1..=255 {
                changed[place] = bytes[place] ^ difference;
                match follow(&changed) {
                    (_, Err(LedgerError::Damaged(damage))) => {
                        // It is found in the line that was changed, or where that line no longer
                        // ends.
                        let line = ends.iter().filter(|end| **end <= place).count() as u64 + 1;
                        assert_eq!(damage.at.line, line, "byte {place} ^ {difference}: {damage}");
                    }
                    // A line break was put into or taken from the end of the last line, or NUL into
                    // the last one.
                    (cursor, Ok(Some(_))) => {
                        assert!(place + 1 >= ends[1], "byte {place} ^ {difference}");
                        assert!(cursor.head.seq < 3);
                    }
                    (_, other) => panic!("byte {place} ^ {difference} was not seen: {other:?}"),
                }
            }
            changed[place] = bytes[place];
        }
    }

    #[test]
    fn a_complete_last_line_is_never_taken_for_torn_unless_zeros_are_in_it() {
        let (bytes, ends) = three();
        let mut changed = bytes.clone();
        for place in ends[1]..bytes.len() - 1 {
            changed[place] = b'#';
            if bytes[place] != b'#' {
                let (cursor, outcome) = follow(&changed);
                assert!(matches!(outcome, Err(LedgerError::Damaged(_))), "byte {place}: {outcome:?}");
                assert_eq!(cursor.head.seq, 2);
            }
            changed[place] = 0;
            assert_eq!(follow(&changed).1.unwrap(), Some(TornTail::of(&changed[ends[1]..])));
            changed[place] = bytes[place];
        }
    }

    #[test]
    fn zeros_after_the_last_line_are_torn_and_zeros_before_it_are_damage() {
        let (bytes, ends) = three();
        let (cursor, outcome) = follow(&[&bytes[..], &[0; 5000]].concat());
        assert_eq!(outcome.unwrap(), Some(TornTail::of(&[0; 5000])));
        assert_eq!(cursor.at.offset, bytes.len() as u64);

        let (head, last) = bytes.split_at(ends[1]);
        let (cursor, outcome) = follow(&[head, &[0; 20], b"\n", last].concat());
        assert!(
            matches!(outcome, Err(LedgerError::Damaged(Damage { flaw: Flaw::NotARecord, .. }))),
            "{outcome:?}"
        );
        assert_eq!((cursor.at.line, cursor.at.offset), (3, ends[1] as u64));
    }

    #[test]
    fn a_torn_tail_may_be_longer_than_any_line_but_a_line_may_not() {
        let mut zeros = vec![0; MAX_LINE_BYTES as usize + 100];
        assert_eq!(follow_whole(&zeros).unwrap(), Some(TornTail::of(&zeros)));
        zeros.push(b'\n');
        let too_long = follow_whole(&zeros).unwrap_err();
        assert!(
            matches!(too_long, LedgerError::Damaged(Damage { flaw: Flaw::TooLong { .. }, .. })),
            "{too_long:?}"
        );
    }

    fn follow_whole(bytes: &[u8]) -> Result<Option<TornTail>, LedgerError> {
        start().follow(bytes, Path::new("x"), &mut |_| Ok(()))
    }

    #[test]
    fn a_newer_record_is_refused_with_its_place() {
        let (mut bytes, _) = ledger(&["a".to_owned()]);
        let (cursor, _) = follow(&bytes);
        let newer = seal("record", cursor.head.hash, r#"{"v":2,"new":true}"#);
        bytes.extend([newer.as_bytes(), b"\n"].concat());
        let refused = follow(&bytes).1.unwrap_err();
        assert!(matches!(&refused, LedgerError::NewerFormat { found: 2, known: 1, .. }), "{refused:?}");
        assert!(refused.to_string().starts_with("000001.jsonl line 2 (byte "), "{refused}");
    }

    #[test]
    fn a_record_that_was_not_taken_is_given_again() {
        let (bytes, ends) = three();
        let mut cursor = start();
        let refuse_second = &mut |link: &Link<'_>| match link.record.seq {
            2 => Err(LedgerError::TooLong { length: 0, limit: 0 }),
            _ => Ok(()),
        };
        cursor.follow(&bytes[..], Path::new("x"), refuse_second).unwrap_err();
        assert_eq!((cursor.head.seq, cursor.at.offset), (1, ends[0] as u64));
        let mut seen = Vec::new();
        let tail = cursor.follow(&bytes[ends[0]..], Path::new("x"), &mut |link| {
            seen.push(link.record.seq);
            Ok(())
        });
        assert_eq!((tail.unwrap(), seen), (None, vec![2, 3]));
    }

    proptest! {
        #[test]
        fn wherever_a_ledger_is_cut_the_rest_is_named_and_nothing_before_it_lost(
            bodies in proptest::collection::vec(".{0,30}", 1..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let (bytes, ends) = ledger(&bodies);
            let cut = cut.index(bytes.len() + 1);
            let (cursor, outcome) = follow(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let good = if whole == 0 { 0 } else { ends[whole - 1] };
            prop_assert_eq!(cursor.head.seq, whole as u64);
            prop_assert_eq!(cursor.at.offset, good as u64);
            let torn = (cut > good).then(|| TornTail::of(&bytes[good..cut]));
            prop_assert_eq!(outcome.unwrap(), torn);
        }
    }
}
