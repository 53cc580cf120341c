//! Going back to an earlier release.

use ala_promote_core::domain::Verb;

use super::Done;
use super::promote::move_release;
use crate::app::App;
use crate::render::Ui;
use crate::settings::{Options, Rollback};

/// Goes back, after a question about the plan at hand.
pub(crate) async fn rollback(app: &App, ui: &Ui, options: &Options, rollback: &Rollback) -> Done {
    let verb = Verb::Rollback { to: rollback.to.clone() };
    move_release(app, ui, options, &rollback.how, verb).await
}
