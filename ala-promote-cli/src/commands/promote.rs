//! Promoting what was tested to the next environment.

use ala_promote_core::domain::{Request, Verb};

use super::{Done, operation};
use crate::app::App;
use crate::context::{self, Access};
use crate::render::Ui;
use crate::settings::{Move, Options};

/// Promotes, after a question about the plan at hand.
pub(crate) async fn promote(app: &App, ui: &Ui, options: &Options, how: &Move) -> Done {
    move_release(app, ui, options, how, Verb::Promote).await
}

/// Plans, asks, runs: a promotion and a rollback alike.
pub(super) async fn move_release(app: &App, ui: &Ui, options: &Options, how: &Move, verb: Verb) -> Done {
    let settings = context::settings(app, options)?;
    settings.environment(&how.environment)?;
    let request = Request { environment: how.environment.clone(), verb };
    let access = if how.dry_run { Access::Look } else { Access::Change };
    let engine = context::engine(app, settings, access).await?;
    let plan = operation::plan(app, ui, &engine, &request, access).await?;
    if how.dry_run {
        return Ok(operation::show(ui, &plan));
    }
    let agreed = operation::agree(app, ui, options, &engine, plan, how.confirmed).await?;
    Ok(operation::carry_out(app, ui, options, &engine, agreed).await)
}
