//! The chain of records: how each is tied to the one before, and how it is followed. No effects.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::{Flaw, LedgerError};
use super::hash::Sha256Digest;
use super::record::{FORMAT_VERSION, Record, newer_format, sealed_hash, unseal};

/// The identity of a ledger: which it is, whatever folder it lies in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LedgerId(String);

impl LedgerId {
    /// An id from its text.
    ///
    /// # Errors
    /// [`LedgerError::InvalidId`].
    pub fn new(id: impl Into<String>) -> Result<Self, LedgerError> {
        let id = id.into();
        if is_plain_id(&id) { Ok(Self(id)) } else { Err(LedgerError::InvalidId { id }) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `id` can be part of a file name anywhere.
pub(super) fn is_plain_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=100).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(plain)
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LedgerId {
    type Error = LedgerError;

    fn try_from(id: String) -> Result<Self, LedgerError> {
        Self::new(id)
    }
}

impl From<LedgerId> for String {
    fn from(id: LedgerId) -> Self {
        id.0
    }
}

/// The end of a chain. Kept elsewhere, it shows a cut or a rewrite of all that came up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The ledger.
    pub ledger: LedgerId,
    /// The number of the last record; 0 for a ledger without any.
    pub seq: u64,
    /// The hash of the last record, which covers all before it; the genesis hash for a ledger
    /// without any.
    pub hash: Sha256Digest,
}

impl Head {
    /// The head of a ledger without records. Its hash comes from the id, so that a chain belongs to
    /// one ledger.
    #[must_use]
    pub fn genesis(ledger: LedgerId) -> Self {
        let hash = Sha256Digest::of(&[b"ala-promote ledger ", ledger.as_str().as_bytes()]);
        Self { ledger, seq: 0, hash }
    }
}

/// A record that was found to be the next one of the chain.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub(super) record: Record<&'a RawValue>,
    pub(super) hash: Sha256Digest,
}

/// Why a line is not the next one of the chain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    Flaw(Flaw),
    NewerFormat(u32),
}

/// Whether `line`, given without its line break, is the next one after `head`.
pub(super) fn verify_line<'a>(head: &Head, line: &'a [u8]) -> Result<Link<'a>, Misfit> {
    let not_a_record = Misfit::Flaw(Flaw::NotARecord);

    let Some((found, content)) = unseal("record", line) else {
        return Err(not_a_record);
    };
    let hash = sealed_hash(head.hash, content);
    if found != hash {
        return Err(Misfit::Flaw(Flaw::Hash { expected: hash, found }));
    }
    let record: Record<&RawValue> = match serde_json::from_str(content) {
        Ok(record @ Record { v: FORMAT_VERSION, .. }) => record,
        _ => {
            return Err(
                newer_format(content.as_bytes(), FORMAT_VERSION).map_or(not_a_record, Misfit::NewerFormat)
            );
        }
    };
    let expected = head.seq + 1;
    if record.seq != expected {
        return Err(Misfit::Flaw(Flaw::Sequence { expected, found: record.seq }));
    }
    Ok(Link { record, hash })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::record::{Entry, seal};

    fn genesis() -> Head {
        Head::genesis(LedgerId::new("test").unwrap())
    }

    fn sealed(record: &str) -> Vec<u8> {
        seal("record", genesis().hash, record).into_bytes()
    }

    #[test]
    fn a_written_line_fits_only_after_the_head_it_was_written_for() {
        let head = genesis();
        let entry = Entry::new(Timestamp::UNIX_EPOCH, None, &1).unwrap();
        let line = entry.line(1, head.hash, &[]).unwrap();
        let link = verify_line(&head, line.trim_end().as_bytes()).unwrap();
        assert_eq!((link.record.seq, link.record.typed::<u8>().unwrap().body), (1, 1));

        let other = Head::genesis(LedgerId::new("other").unwrap());
        let misfit = verify_line(&other, line.trim_end().as_bytes()).unwrap_err();
        assert!(matches!(misfit, Misfit::Flaw(Flaw::Hash { found, .. }) if found == link.hash), "{misfit:?}");
    }

    #[test]
    fn a_gap_shows_even_when_the_hashes_were_computed_anew() {
        let line = sealed(r#"{"v":1,"seq":2,"time":"1970-01-01T00:00:00Z","body":0}"#);
        let misfit = verify_line(&genesis(), &line).unwrap_err();
        assert_eq!(misfit, Misfit::Flaw(Flaw::Sequence { expected: 1, found: 2 }));
    }

    #[test]
    fn a_newer_format_is_named_whatever_its_fields_and_an_impossible_one_is_no_record() {
        let same_fields = sealed(r#"{"v":2,"seq":1,"time":"1970-01-01T00:00:00Z","body":0}"#);
        assert_eq!(verify_line(&genesis(), &same_fields).unwrap_err(), Misfit::NewerFormat(2));
        let other_fields = sealed(r#"{"v":3,"n":1,"what":"?"}"#);
        assert_eq!(verify_line(&genesis(), &other_fields).unwrap_err(), Misfit::NewerFormat(3));
        for bad in [
            r#"{"v":0,"seq":1,"time":"1970-01-01T00:00:00Z","body":0}"#,
            r#"{"v":1,"seq":1,"time":"1970-01-01T00:00:00Z","body":0,"more":0}"#,
            "7",
        ] {
            assert_eq!(
                verify_line(&genesis(), &sealed(bad)).unwrap_err(),
                Misfit::Flaw(Flaw::NotARecord),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_id_can_be_part_of_a_file_name() {
        for bad in ["", "a/b", "..", "a b", "ä", &"x".repeat(101)] {
            assert!(LedgerId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(LedgerId::new("op-2024.1_a").unwrap().as_str(), "op-2024.1_a");
    }
}
