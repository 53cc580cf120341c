//! What was done, and whether the record of it is sound.

use ala_promote_core::backend::Witnessed;
use ala_promote_core::config::Settings;
use ala_promote_core::ledger::{Head, HistoryEntry, Journal, LedgerId, Verdict};
use serde::Serialize;

use super::Done;
use crate::app::App;
use crate::context::{self, Access};
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::render::{self, Ui, problem};
use crate::settings::Options;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    /// Newest first.
    entries: Vec<&'a HistoryEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Verification>,
}

/// What came of checking the record.
#[derive(Debug, Serialize)]
struct Verification {
    /// Whether the record is what was written, as far as it could be checked.
    intact: bool,
    /// What was found, in one sentence.
    verdict: String,
    /// Why it could not be held against the engine's note.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_compared: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

/// Tells what was done, newest first.
pub(crate) async fn history(app: &App, ui: &Ui, options: &Options, verify: bool, limit: usize) -> Done {
    let settings = context::settings(app, options)?;
    let journal = match context::journal(&settings, Access::Look) {
        Err(error) if verify && context::is_damaged(&error) => {
            tell(ui, &[], 0, Some(damaged(problem::explained(&error).trim_end())));
            return Ok(exit::NEEDS_ATTENTION);
        }
        journal => journal?,
    };
    let verification = match verify {
        true => Some(app.signals.unless(check(app, &settings, &journal)).await??),
        false => None,
    };
    let exit = verification.as_ref().map_or(exit::DONE, |v| v.exit);
    let entries = journal.view().history;
    tell(ui, &entries, limit, verification);
    Ok(exit)
}

fn tell(ui: &Ui, entries: &[HistoryEntry], limit: usize, verification: Option<Verification>) {
    if ui.is_json() {
        let entries = entries.iter().rev().take(limit).collect();
        ui.document(&Document { version: 1, entries, verification });
        return;
    }
    ui.show(render::history::text(entries, limit).trim_end());
    let Some(verification) = verification else { return };
    let mark = if verification.intact { "✅" } else { "❌" };
    ui.show(&format!("\n{mark} {}", verification.verdict));
    if let Some(why) = verification.not_compared {
        ui.show(&format!("⚠️  Not held against the engine's note, so that a cut would not show: {why}"));
    }
}

/// Checks the chain, and holds it against the head that the engine remembers.
async fn check(app: &App, settings: &Settings, journal: &Journal) -> Result<Verification, CliError> {
    let noted = match context::connect(app, settings).await {
        Ok(backend) => backend.witness().read(&settings.dir).await.map_err(CliError::from),
        Err(error) => Err(error),
    };
    let kept = match &noted {
        Ok(Some(witnessed)) => match head(witnessed) {
            Some(head) => Some(head),
            None => return Ok(damaged("the engine's note of the record can't be read")),
        },
        _ => None,
    };
    let verdict = journal.verify(kept.as_ref())?;
    Ok(Verification { not_compared: noted.err().map(|error| error.to_string()), ..judge(verdict) }.settled())
}

impl Verification {
    /// A check that was asked for and could not be made is no success.
    fn settled(mut self) -> Self {
        if self.not_compared.is_some() {
            self.exit = self.exit.or_worse(exit::UNUSABLE);
        }
        self
    }
}

fn head(witnessed: &Witnessed) -> Option<Head> {
    let ledger = LedgerId::new(&witnessed.ledger).ok()?;
    Some(Head { ledger, seq: witnessed.seq, hash: witnessed.hash.parse().ok()? })
}

fn judge(verdict: Verdict) -> Verification {
    match verdict {
        Verdict::Intact { records, torn, .. } => {
            let torn = torn.map_or("", |_| "; its last line was cut off by a crash, and counts for nothing");
            let verdict = format!("The record is intact: {records} records{torn}.");
            Verification { intact: true, verdict, not_compared: None, exit: exit::DONE }
        }
        Verdict::Damaged(damage) => damaged(&damage.to_string()),
        Verdict::DoesNotContain { kept, head } => damaged(&format!(
            "it was cut or written anew: the engine remembers record {} of ledger {}, found are {} records of ledger {}",
            kept.seq, kept.ledger, head.seq, head.ledger
        )),
        _ => damaged("the check came to something that this program does not know"),
    }
}

fn damaged(what: &str) -> Verification {
    let verdict = format!("The record is not what was written: {what}");
    Verification { intact: false, verdict, not_compared: None, exit: exit::NEEDS_ATTENTION }
}
