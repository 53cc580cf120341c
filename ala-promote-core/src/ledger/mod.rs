//! The ledger: an append-only, hash-chained record of what was done. It is the journal from which
//! an operation whose process died is finished or unwound, and the audit log.
//!
//! This layer keeps records of any body, durably and in order. What the bodies mean is the business
//! of a [`Follower`], which turns the records into a view.
//!
//! # The format
//!
//! The ledger is a folder (mode 0700) of files (0600):
//!
//! | file | content | to be durable |
//! | --- | --- | --- |
//! | `id.json` | format version and [`LedgerId`]; written last at creation | yes |
//! | `000001.jsonl`, `000002.jsonl`… | the segments: one record a line, numbered on from file to file | yes, line by line |
//! | `000001.checkpoint.json` | the head at that segment's end and the follower's view there | no: can be deleted |
//! | `torn.json` | torn tails that are cut, or about to be, and not yet named by a record | yes |
//! | `reserve-<operation>` | space for the records of an undo | yes |
//! | `lock` | nothing; who appends holds its lock | never removed |
//!
//! A line is `{"hash":"<64 hex digits>","record":{…}}` with nothing between. The hash is the
//! SHA-256 of the hash of the record before, as its 64 digits, followed by the exact bytes of the
//! value of `record`. Before the first record comes the genesis hash, which is made from the id
//! ([`Head::genesis`]); so a record has its place in one ledger only.
//!
//! | field of a record | meaning |
//! | --- | --- |
//! | `v` | [`FORMAT_VERSION`]; a higher one is refused |
//! | `seq` | 1, 2, 3… without a gap |
//! | `time` | RFC 3339, UTC |
//! | `operation` | the operation it belongs to, if to one |
//! | `cut` | length and SHA-256 of each torn tail that was cut off before it, if any |
//! | `body` | what happened |
//!
//! # What a crash leaves
//!
//! Each append is one line, made durable before the next begins. So a crash leaves at most one line
//! that is not whole, at the very end: without its line break, or with NUL bytes where a block did
//! not reach the disk. Such a *torn tail* was never acted upon; the next append cuts it off and
//! names it. Anything else that does not fit is damage, and is refused with its place.
//!
//! # What shows, and what does not
//!
//! An edit shows to [`LedgerStore::verify`]. A cut at the end of a line, or a rewrite with all
//! hashes computed anew, shows only against a [`Head`] that was kept elsewhere. A view in a
//! checkpoint is trusted at opening if it belongs to the chain; that it says what the records say
//! is checked by `verify`.

mod body;
mod given_up;
mod view;
mod journal;
mod record;
mod hash;
mod chain;
mod segment;
mod store;
mod memory;
mod file;
mod folder;
mod cursor;
mod disk;
mod checkpoint;
mod torn;
mod reserve;
mod lock;
mod error;

pub use body::Body;
pub use given_up::GivenUp;
pub use journal::Journal;
pub use view::{EnvironmentView, HistoryEnd, HistoryEntry, LedgerView, Unfinished};

pub use chain::{Head, LedgerId};
pub use error::{Damage, Flaw, LedgerError, LedgerErrorKind};
pub use file::{FileLedger, FileLedgerOptions};
pub use hash::{InvalidDigest, Sha256Digest};
pub use memory::MemoryLedger;
pub use record::{Entry, FORMAT_VERSION, MAX_LINE_BYTES, Record, TornTail};
pub use segment::{Position, Segment};
pub use store::{FollowError, Follower, LedgerStore, Verdict};

#[cfg(test)]
mod tests;
