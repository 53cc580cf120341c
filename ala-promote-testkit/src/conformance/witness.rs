//! The note that a ledger exists.

use ala_promote_core::backend::Witnessed;

use super::Fixture;
use super::case::{CaseResult, same};

fn note(seq: u64) -> Witnessed {
    Witnessed { ledger: "conformance".to_owned(), seq, hash: format!("{seq:064x}") }
}

/// `None` if nothing was ever written.
pub async fn nothing_was_noted_at_first(f: &Fixture) -> CaseResult {
    same(&f.backend.witness().read(&f.scratch).await?, &None, "the note")
}

/// What was written last for this folder.
pub async fn what_was_noted_last_is_read(f: &Fixture) -> CaseResult {
    for seq in 1..=3 {
        f.backend.witness().write(&f.scratch, &note(seq)).await?;
        same(&f.backend.witness().read(&f.scratch).await?, &Some(note(seq)), "the note")?;
    }
    Ok(())
}

/// A later note of the same ledger stays; one of another ledger is replaced.
pub async fn a_late_note_takes_none_back(f: &Fixture) -> CaseResult {
    f.backend.witness().write(&f.scratch, &note(3)).await?;
    f.backend.witness().write(&f.scratch, &note(2)).await?;
    same(&f.backend.witness().read(&f.scratch).await?, &Some(note(3)), "the note")?;
    let anew = Witnessed { ledger: "anew".to_owned(), ..note(1) };
    f.backend.witness().write(&f.scratch, &anew).await?;
    same(&f.backend.witness().read(&f.scratch).await?, &Some(anew), "the note of a new ledger")
}

/// Forgotten is as if nothing had ever been noted, for this folder alone.
pub async fn what_is_forgotten_is_gone(f: &Fixture) -> CaseResult {
    let other = f.scratch.join("other");
    f.backend.witness().write(&f.scratch, &note(1)).await?;
    f.backend.witness().write(&other, &note(2)).await?;
    for _ in 0..2 {
        f.backend.witness().forget(&f.scratch).await?;
    }
    same(&f.backend.witness().read(&f.scratch).await?, &None, "the note that was forgotten")?;
    same(&f.backend.witness().read(&other).await?, &Some(note(2)), "the other folder's note")
}

/// Each folder has its own.
pub async fn folders_have_their_own_notes(f: &Fixture) -> CaseResult {
    let other = f.scratch.join("other");
    f.backend.witness().write(&f.scratch, &note(1)).await?;
    f.backend.witness().write(&other, &note(2)).await?;
    same(&f.backend.witness().read(&f.scratch).await?, &Some(note(1)), "the first folder's note")?;
    same(&f.backend.witness().read(&other).await?, &Some(note(2)), "the second folder's note")
}
