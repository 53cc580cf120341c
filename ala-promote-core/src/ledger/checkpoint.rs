//! Checkpoints: what the records up to a segment's end come to, so that opening need not read them.
//!
//! They are a convenience. Each can be deleted; one that is torn, damaged or of another ledger is
//! passed over; so it is written without a sync.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::chain::{Head, LedgerId};
use super::disk;
use super::hash::Sha256Digest;
use super::record::{seal, sealed_hash, unseal};
use super::segment::Segment;

/// The version of checkpoints. Any other is passed over and written anew.
const VERSION: u32 = 1;

/// The head at a segment's end, and the follower's view there.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) head: Head,
    pub(super) view: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<V> {
    v: u32,
    head: Head,
    view: V,
}

impl Checkpoint {
    /// The checkpoint of `segment`, if there is one that is of this ledger and as it was written.
    pub(super) fn load(folder: &Path, segment: Segment, ledger: &LedgerId) -> Option<Self> {
        let mut text = Vec::new();
        let path = folder.join(segment.checkpoint_name());
        disk::open(&path, OpenOptions::new().read(true)).ok()?.read_to_end(&mut text).ok()?;
        let (hash, content) = unseal("checkpoint", &text)?;
        if hash != checkpoint_hash(content) {
            return None;
        }
        let Content { v, head, view } = serde_json::from_str(content).ok()?;
        (v == VERSION && head.ledger == *ledger).then_some(Self { head, view })
    }

    /// Whether the folder has a file in the place of `segment`'s checkpoint.
    pub(super) fn is_there(folder: &Path, segment: Segment) -> bool {
        fs::symlink_metadata(folder.join(segment.checkpoint_name())).is_ok()
    }

    /// Writes it in place of any other.
    pub(super) fn save(&self, folder: &Path, segment: Segment) -> Result<(), Box<dyn Error + Send + Sync>> {
        let content =
            serde_json::to_string(&Content { v: VERSION, head: self.head.clone(), view: &self.view })?;
        let path = folder.join(segment.checkpoint_name());
        let mut file = disk::open(&path, OpenOptions::new().write(true).create(true).truncate(true))?;
        file.write_all(seal("checkpoint", no_previous(), &content).as_bytes())?;
        Ok(())
    }
}

fn checkpoint_hash(content: &str) -> Sha256Digest {
    sealed_hash(no_previous(), content)
}

/// Checkpoints are no chain.
fn no_previous() -> Sha256Digest {
    Sha256Digest::of(&[])
}
