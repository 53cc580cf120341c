//! The files that a ledger is cut into, and places in them.

use std::fmt;

/// One file of the ledger, by its number: `000001.jsonl` is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment(u32);

impl Segment {
    pub(super) const FIRST: Self = Self(1);

    /// The segment whose file has this name, if it is a segment's.
    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        let segment = Self(name.strip_suffix(".jsonl")?.parse().ok()?);
        (segment >= Self::FIRST && segment.to_string() == name).then_some(segment)
    }

    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The segment before this one; none before the first.
    pub(super) fn previous(self) -> Option<Self> {
        (self > Self::FIRST).then(|| Self(self.0 - 1))
    }

    /// The name of the checkpoint that is kept of this segment's end.
    #[must_use]
    pub fn checkpoint_name(self) -> String {
        format!("{:06}.checkpoint.json", self.0)
    }
}

/// The name of the segment's file.
impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}.jsonl", self.0)
    }
}

/// Where a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub segment: Segment,
    /// The line's number in it, from 1.
    pub line: u64,
    /// How many bytes of the file come before it.
    pub offset: u64,
}

impl Position {
    pub(super) fn start_of(segment: Segment) -> Self {
        Self { segment, line: 1, offset: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {} (byte {})", self.segment, self.line, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_segments_exact_name_is_one() {
        assert_eq!(Segment::from_file_name("000012.jsonl"), Some(Segment(12)));
        assert_eq!(Segment::from_file_name("1000000.jsonl"), Some(Segment(1_000_000)));
        for other in ["000000.jsonl", "12.jsonl", "000012.checkpoint.json", "+00012.jsonl", "id.json"] {
            assert_eq!(Segment::from_file_name(other), None, "{other}");
        }
    }
}
