//! The note that a ledger exists.

use ala_promote_core::backend::Witnessed;
use futures_util::future::join;

use super::Fixture;
use super::case::{CaseResult, hold, same};

/// A note of this fixture's ledger.
fn note(f: &Fixture, seq: u64) -> Witnessed {
    Witnessed { ledger: format!("conformance-{}", f.stack.project), seq, hash: format!("{seq:064x}") }
}

/// `None` if nothing was ever written.
pub async fn nothing_was_noted_at_first(f: &Fixture) -> CaseResult {
    same(&f.backend.witness().read(&f.scratch).await?, &None, "the note")
}

/// What was written last for this folder.
pub async fn what_was_noted_last_is_read(f: &Fixture) -> CaseResult {
    for seq in 1..=3 {
        f.backend.witness().write(&f.scratch, &note(f, seq)).await?;
        same(&f.backend.witness().read(&f.scratch).await?, &Some(note(f, seq)), "the note")?;
    }
    Ok(())
}

/// A reader finds the old one or the new one, never none.
pub async fn a_note_is_replaced_without_a_gap(f: &Fixture) -> CaseResult {
    let witness = f.backend.witness();
    witness.write(&f.scratch, &note(f, 1)).await?;
    for seq in 2..=5 {
        let new = note(f, seq);
        let (written, read) = join(witness.write(&f.scratch, &new), witness.read(&f.scratch)).await;
        written?;
        let read = read?;
        let is_one = read.as_ref().is_some_and(|read| *read == new || *read == note(f, seq - 1));
        hold(is_one, &format!("while {seq} was written, {read:?} was read"))?;
    }
    Ok(())
}

/// A later note of the same ledger stays; one of another ledger is replaced.
pub async fn a_late_note_takes_none_back(f: &Fixture) -> CaseResult {
    f.backend.witness().write(&f.scratch, &note(f, 3)).await?;
    f.backend.witness().write(&f.scratch, &note(f, 2)).await?;
    same(&f.backend.witness().read(&f.scratch).await?, &Some(note(f, 3)), "the note")?;
    let anew = Witnessed { ledger: format!("anew-{}", f.stack.project), ..note(f, 1) };
    f.backend.witness().write(&f.scratch, &anew).await?;
    same(&f.backend.witness().read(&f.scratch).await?, &Some(anew), "the note of a new ledger")
}

/// Forgotten is as if nothing had ever been noted, for this folder alone.
pub async fn what_is_forgotten_is_gone(f: &Fixture) -> CaseResult {
    let other = f.scratch.join("other");
    f.backend.witness().write(&f.scratch, &note(f, 1)).await?;
    f.backend.witness().write(&other, &note(f, 2)).await?;
    for _ in 0..2 {
        f.backend.witness().forget(&f.scratch).await?;
    }
    same(&f.backend.witness().read(&f.scratch).await?, &None, "the note that was forgotten")?;
    same(&f.backend.witness().read(&other).await?, &Some(note(f, 2)), "the other folder's note")
}

/// Each folder has its own, also where one is a copy of the other.
pub async fn folders_have_their_own_notes(f: &Fixture) -> CaseResult {
    let (other, copy) = (f.scratch.join("other"), f.scratch.join("copy"));
    for (folder, seq) in [(&f.scratch, 1), (&other, 2), (&copy, 1)] {
        f.backend.witness().write(folder, &note(f, seq)).await?;
    }
    same(&f.backend.witness().read(&f.scratch).await?, &Some(note(f, 1)), "the first folder's note")?;
    same(&f.backend.witness().read(&other).await?, &Some(note(f, 2)), "the second folder's note")?;
    same(&f.backend.witness().read(&copy).await?, &Some(note(f, 1)), "the copy's note")
}
