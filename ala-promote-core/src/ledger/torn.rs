//! Torn tails that are about to be cut, or were cut and still have to be named by a record.
//!
//! They are noted in a file before the cut, so that a crash between cut and record does not lose
//! them. The note says after which record it was made; once there is a later one, that one has
//! named them and the note is void.

use std::fs::OpenOptions;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::{self, Disk};
use super::error::LedgerError;
use super::record::{TornTail, newer_format};

const NAME: &str = "torn.json";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Note {
    v: u32,
    after: u64,
    tails: Vec<TornTail>,
}

/// The tails that the record after `seq` has to name. A note that is void is removed.
pub(super) fn noted(folder: &Path, seq: u64) -> Result<Vec<TornTail>, LedgerError> {
    let path = folder.join(NAME);
    let Some(mut file) = disk::open_existing(&path, OpenOptions::new().read(true))? else {
        return Ok(Vec::new());
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(|source| LedgerError::io("read", &path, source))?;
    if let Some(found) = newer_format(&text, VERSION) {
        return Err(LedgerError::NewerFormat { place: path.display().to_string(), found, known: VERSION });
    }
    let note: Note =
        serde_json::from_slice(&text).map_err(|source| LedgerError::io("read", &path, source.into()))?;
    if note.after == seq {
        return Ok(note.tails);
    }
    clear(folder);
    Ok(Vec::new())
}

/// Notes that the record after `seq` has to name `tails`.
pub(super) fn note(disk: &dyn Disk, folder: &Path, seq: u64, tails: &[TornTail]) -> Result<(), LedgerError> {
    let note = Note { v: VERSION, after: seq, tails: tails.to_vec() };
    let text = serde_json::to_vec(&note)
        .map_err(|source| LedgerError::io("write", &folder.join(NAME), source.into()))?;
    disk::replace(disk, folder, NAME, &text)
}

/// Removes the note, when the record is there. That it stays for an error does no harm.
pub(super) fn clear(folder: &Path) {
    if let Err(error) = disk::remove(&folder.join(NAME)) {
        tracing::debug!(%error, "a note on a torn tail that is named by now stays");
    }
}
