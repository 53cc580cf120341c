//! Finishing or taking back what a dead process left.

use ala_promote_core::backend::Witnessed;
use ala_promote_core::domain::{Outcome, Request, Verb};
use ala_promote_core::engine::Engine;
use ala_promote_core::plan::{Finding, Plan, Refusal};

use super::Done;
use super::operation::{self, Driven};
use crate::app::App;
use crate::context::{self, Access};
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::render::{Ui, text};
use crate::settings::Options;

/// Recovers every operation that is not done.
pub(crate) async fn recover(app: &App, ui: &Ui, options: &Options, new_ledger: bool) -> Done {
    let engine = context::engine(app, context::settings(app, options)?, Access::Change).await?;
    if new_ledger {
        app.signals.unless(begin_anew(ui, &engine)).await??;
    }
    let unfinished = engine.unfinished()?;
    if unfinished.is_empty() {
        ui.show("Nothing to recover: no operation is half done.");
    }
    let mut worst = exit::DONE;
    for plan in unfinished {
        worst = worst.or_worse(recover_one(app, ui, options, &engine, &plan).await);
    }
    Ok(worst)
}

async fn recover_one(app: &App, ui: &Ui, options: &Options, engine: &Engine, plan: &Plan) -> Exit {
    let view = engine.journal().view();
    let whose = view.unfinished.get(&plan.operation).map_or_else(String::new, |unfinished| {
        format!(", asked for by {} at {}", unfinished.actor, text::when(unfinished.since))
    });
    ui.say(&format!("Recovering {}: {}{whose}", plan.operation, plan.request));
    match operation::drive(app, ui, options, engine.recover(plan)).await {
        // Taken back is what a recovery is for.
        Driven::Ended(Ok(Outcome::RolledBack { .. })) => exit::DONE,
        Driven::Ended(Ok(outcome)) => Exit::from(&outcome),
        Driven::Ended(Err(error)) => operation::failed(ui, error),
        Driven::Left => exit::NEEDS_ATTENTION,
    }
}

/// Takes the ledger that is here for the folder's own. That another one was lost is its first record.
async fn begin_anew(ui: &Ui, engine: &Engine) -> Result<(), CliError> {
    let head = engine.journal().head();
    let witnessed = engine.backend().witness().read(&engine.settings().dir).await?;
    let lost = witnessed.filter(|w| w.ledger != head.ledger.to_string() || w.seq > head.seq);
    let Some(lost) = lost else {
        ui.show("The record here is the one that the engine remembers: it is kept.");
        return Ok(());
    };
    record_loss(engine, &lost)?;
    engine.accept_ledger().await?;
    ui.show(&format!(
        "A new record begins. Given up: ledger {} with {} records. What runs now is the first release to go back to.",
        lost.ledger, lost.seq
    ));
    Ok(())
}

fn record_loss(engine: &Engine, lost: &Witnessed) -> Result<(), CliError> {
    let Some(environment) = engine.settings().environments.keys().next().cloned() else { return Ok(()) };
    let request = Request { environment, verb: Verb::Rollback { to: None } };
    let reason = "the record that this folder had is gone; a new one was begun on request";
    let finding = Finding::refuse("state-loss", reason)
        .seen(format!("the engine remembers: ledger {} with {} records", lost.ledger, lost.seq));
    Ok(engine.record_refusal(&request, &Refusal::from(finding))?)
}
