//! Records, and the line that each becomes.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::error::LedgerError;
use super::hash::Sha256Digest;

/// The newest format of records that this program knows, and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;

/// The longest line, its line break included. It bounds what reading needs in memory.
pub const MAX_LINE_BYTES: u64 = 16 << 20;

/// One record of the ledger, with a body of type `B`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<B> {
    /// The format's version.
    pub v: u32,
    /// The record's number: 1, 2, 3… through all segments.
    pub seq: u64,
    /// When it was made, by the clock of the host.
    pub time: Timestamp,
    /// The operation that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// What crashes had left at the ledger's end and was cut off before this record was written.
    /// The store fills it in, so that no cut goes unnamed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<TornTail>,
    /// What happened.
    pub body: B,
}

impl Record<&RawValue> {
    /// The same record with its body read as a `B`.
    ///
    /// # Errors
    /// The body is not a `B`.
    pub fn typed<B: DeserializeOwned>(&self) -> Result<Record<B>, serde_json::Error> {
        Ok(Record {
            v: self.v,
            seq: self.seq,
            time: self.time,
            operation: self.operation.clone(),
            cut: self.cut.clone(),
            body: serde_json::from_str(self.body.get())?,
        })
    }
}

/// The bytes of an append that a crash cut short, found at the very end of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TornTail {
    /// How many bytes.
    pub length: u64,
    /// Their SHA-256.
    pub sha256: Sha256Digest,
}

impl TornTail {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len() as u64, sha256: Sha256Digest::of(&[bytes]) }
    }
}

/// What a caller gives to have a record appended; the store adds the number and the link to the
/// record before.
#[derive(Debug, Clone)]
pub struct Entry {
    time: Timestamp,
    operation: Option<String>,
    body: Box<RawValue>,
    pub(super) may_use_reserve: bool,
}

impl Entry {
    /// An entry with `body` as it serialises now.
    ///
    /// # Errors
    /// The body can't be written as JSON on one line.
    pub fn new<B: Serialize>(
        time: Timestamp,
        operation: Option<String>,
        body: &B,
    ) -> Result<Self, serde_json::Error> {
        let body = to_raw_value(body)?;
        if body.get().contains('\n') {
            return Err(serde_json::Error::custom("raw JSON in a ledger record must not have line breaks"));
        }
        Ok(Self { time, operation, body, may_use_reserve: false })
    }

    /// Lets this entry use up the space that was [reserved](super::LedgerStore::reserve) for its
    /// operation when the disk is full: for the records of an undo.
    #[must_use]
    pub fn may_use_reserve(mut self) -> Self {
        self.may_use_reserve = true;
        self
    }

    /// Whether it may use that space, for stores of one's own.
    #[must_use]
    pub fn uses_reserve(&self) -> bool {
        self.may_use_reserve
    }

    /// The operation that the entry belongs to.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }

    /// The line, with its line break, that makes this entry record `seq` after the one with hash
    /// `previous`.
    pub(super) fn line(
        &self,
        seq: u64,
        previous: Sha256Digest,
        cut: &[TornTail],
    ) -> Result<String, LedgerError> {
        let record = Record {
            v: FORMAT_VERSION,
            seq,
            time: self.time,
            operation: self.operation.clone(),
            cut: cut.to_vec(),
            body: &self.body,
        };
        let record = serde_json::to_string(&record)
            .map_err(|source| LedgerError::NotUnderstood { seq, source: source.into() })?;
        let line = seal("record", previous, &record) + "\n";
        if line.len() as u64 > MAX_LINE_BYTES {
            return Err(LedgerError::TooLong { length: line.len() as u64, limit: MAX_LINE_BYTES });
        }
        Ok(line)
    }
}

/// The format version that `json` states, if that is above `known`. It is looked at alone, since a
/// newer format may have other fields.
pub(super) fn newer_format(json: &[u8], known: u32) -> Option<u32> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    serde_json::from_slice(json).ok().map(|Version { v }| v).filter(|v| *v > known)
}

/// Wraps `content` with the hash of it and of what came before.
pub(super) fn seal(name: &str, previous: Sha256Digest, content: &str) -> String {
    let hash = sealed_hash(previous, content);
    format!(r#"{{"hash":"{hash}","{name}":{content}}}"#)
}

/// The hash that [`seal`] writes. It covers the exact bytes, so that no two texts of "the same"
/// JSON are alike.
pub(super) fn sealed_hash(previous: Sha256Digest, content: &str) -> Sha256Digest {
    Sha256Digest::of(&[&previous.to_hex(), content.as_bytes()])
}

/// Takes apart what [`seal`] made, without checking the hash; `None` unless each byte around hash
/// and content is as `seal` writes it, since those bytes are under no hash.
pub(super) fn unseal<'a>(name: &str, sealed: &'a [u8]) -> Option<(Sha256Digest, &'a str)> {
    let text = std::str::from_utf8(sealed).ok()?;
    let (hash, rest) = text.strip_prefix(r#"{"hash":""#)?.split_at_checked(64)?;
    let content =
        rest.strip_prefix(r#"",""#)?.strip_prefix(name)?.strip_prefix(r#"":"#)?.strip_suffix('}')?;
    Some((hash.parse().ok()?, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_of_the_documented_form() {
        let time = "2024-05-06T07:08:09Z".parse().unwrap();
        let previous = Sha256Digest::of(&[b"before"]);
        let cut = [TornTail::of(b"{\"ha")];
        let entry = Entry::new(time, Some("op-1".into()), &["x"]).unwrap();
        let record = format!(
            r#"{{"v":1,"seq":7,"time":"2024-05-06T07:08:09Z","operation":"op-1","cut":[{{"length":4,"sha256":"{}"}}],"body":["x"]}}"#,
            cut[0].sha256
        );
        let hash = Sha256Digest::of(&[previous.to_string().as_bytes(), record.as_bytes()]);
        let line = entry.line(7, previous, &cut).unwrap();
        assert_eq!(line, format!("{{\"hash\":\"{hash}\",\"record\":{record}}}\n"));
        assert_eq!(unseal("record", line.trim_end().as_bytes()), Some((hash, record.as_str())));
    }

    #[test]
    fn raw_json_with_a_line_break_is_refused_as_a_body() {
        let raw = RawValue::from_string("{\n}".into()).unwrap();
        assert!(Entry::new(Timestamp::UNIX_EPOCH, None, &raw).is_err());
    }

    #[test]
    fn a_record_too_long_to_be_read_back_is_refused() {
        let entry = Entry::new(Timestamp::UNIX_EPOCH, None, &"x".repeat(MAX_LINE_BYTES as usize)).unwrap();
        let refused = entry.line(1, Sha256Digest::of(&[]), &[]).unwrap_err();
        assert!(matches!(refused, LedgerError::TooLong { limit: MAX_LINE_BYTES, .. }), "{refused:?}");
    }
}
