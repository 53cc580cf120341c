//! Finishing or taking back what a dead process left.

use ala_promote_core::domain::Outcome;
use ala_promote_core::engine::Engine;
use ala_promote_core::plan::Plan;

use super::Done;
use super::operation::{self, Driven};
use crate::app::App;
use crate::context::{self, Access};
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::render::{self, Ui, text};
use crate::settings::Options;

/// Recovers every operation that is not done.
pub(crate) async fn recover(app: &App, ui: &Ui, options: &Options, new_ledger: bool) -> Done {
    let engine = context::engine(app, context::settings(app, options)?, Access::Change).await?;
    let mut worst = exit::DONE;
    if new_ledger {
        worst = app.signals.unless(begin_anew(ui, &engine)).await??;
    }
    let unfinished = engine.unfinished()?;
    if unfinished.is_empty() && worst == exit::DONE {
        ui.show("Nothing to recover: no operation is half done.");
    }
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

/// Takes the ledger that is here for the folder's own. What a half-done operation changed needs somebody's look.
async fn begin_anew(ui: &Ui, engine: &Engine) -> Result<Exit, CliError> {
    let given_up = engine.begin_anew().await?;
    if given_up.is_nothing() {
        ui.show("The record here is the one that the engine remembers: it is kept.");
        return Ok(exit::DONE);
    }
    ui.show(&format!(
        "A new record begins; {}.\nWhat runs now is the first release to go back to.",
        render::given_up::line(&given_up)
    ));
    if given_up.half_done.is_empty() {
        return Ok(exit::DONE);
    }
    ui.show("What that operation changed stays as it is. Look at it before you go on: ala-promote status");
    Ok(exit::NEEDS_ATTENTION)
}
