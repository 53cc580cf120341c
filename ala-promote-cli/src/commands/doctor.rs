//! What a deployment needs, looked at one by one.

use serde::Serialize;

use super::Done;
use crate::app::App;
use crate::context;
use crate::doctor::{self, Check, Verdict};
use crate::exit;
use crate::render::{self, Ui};
use crate::settings::Options;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    checks: &'a [Check],
}

/// Looks at everything, and tells what is to be mended.
pub(crate) async fn doctor(app: &App, ui: &Ui, options: &Options) -> Done {
    let settings = context::settings(app, options);
    let checks = app.signals.unless(doctor::examine(app, settings)).await?;
    if ui.is_json() {
        ui.document(&Document { version: 1, checks: &checks });
    } else {
        ui.show(&render::doctor::text(&checks));
    }
    let is_sick = checks.iter().any(|check| check.verdict == Verdict::Problem);
    Ok(if is_sick { exit::UNUSABLE } else { exit::DONE })
}
