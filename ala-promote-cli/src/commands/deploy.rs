//! Building and deploying an environment.

use ala_promote_core::engine::Engine;
use ala_promote_core::plan::Plan;

use super::Done;
use super::operation::{self, Agreed};
use crate::app::App;
use crate::context::{self, Access};
use crate::error::CliError;
use crate::exit;
use crate::render::{self, Ui};
use crate::settings::{Deploy, Options, Pull};

/// Pulls the code, builds and deploys.
pub(crate) async fn deploy(app: &App, ui: &Ui, options: &Options, deploy: &Deploy) -> Done {
    let settings = context::settings(app, options)?;
    if deploy.dry_run {
        return dry_run(app, ui, settings, deploy).await;
    }
    let protected = settings.environment(&deploy.environment)?.protected;
    ui.say(&render::title::deployment(&deploy.environment, protected));
    let mut engine = context::engine(app, settings, Access::Change).await?;
    // What is missing is better said before anything is pulled.
    app.signals.unless(engine.find_stack(&deploy.environment)).await??;
    ui.say("✅ Prerequisites OK");
    match deploy.pull {
        Pull::Not(flag) => ui.say(&format!("Code not pulled ({flag})")),
        Pull::First => {
            let fetch = engine.fetch_plan(&deploy.environment)?;
            let exit = operation::carry_out(app, ui, options, &engine, unasked(fetch)?).await;
            if exit != exit::DONE {
                return Ok(exit);
            }
            // The code that was pulled may hold other settings.
            engine = context::engine(app, context::settings(app, options)?, Access::Change).await?;
        }
    }
    let plan = operation::plan(app, ui, &engine, &deploy.request(), Access::Change).await?;
    for note in &plan.notes {
        ui.say(&render::plan::note(note));
    }
    run(app, ui, options, &engine, plan).await
}

async fn run(app: &App, ui: &Ui, options: &Options, engine: &Engine, plan: Plan) -> Done {
    Ok(operation::carry_out(app, ui, options, engine, unasked(plan)?).await)
}

/// A deployment asks nothing, as the document has it. Should a plan want to be agreed to all the same, it isn't run.
fn unasked(plan: Plan) -> Result<Agreed, CliError> {
    operation::without_question(plan).ok_or_else(|| CliError::NotConfirmed {
        why: "this deployment wants to be confirmed, and a deployment can't ask".to_owned(),
        hint: "look at its plan: ala-promote plan deploy ENVIRONMENT".to_owned(),
    })
}

async fn dry_run(app: &App, ui: &Ui, settings: ala_promote_core::config::Settings, deploy: &Deploy) -> Done {
    let engine = context::engine(app, settings, Access::Look).await?;
    let plan = operation::plan(app, ui, &engine, &deploy.request(), Access::Look).await?;
    if deploy.pull == Pull::First {
        ui.say(
            "Before this the code is pulled, and the plan made anew; --no-pull leaves the code as it is.\n",
        );
    }
    Ok(operation::show(ui, &plan))
}
