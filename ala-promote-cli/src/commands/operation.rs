//! What all commands that change something have in common: plan, question, run.

use ala_promote_core::domain::{Outcome, Request};
use ala_promote_core::engine::{Engine, EngineError, Run};
use ala_promote_core::plan::{Plan, Refusal};

use crate::app::App;
use crate::context::Access;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::prompt::{self, Answer};
use crate::render::{self, Progress, Ui};
use crate::settings::Options;
use crate::signals::Signal;

/// A plan that may be carried out: nobody has to agree to it, or somebody has. Made by [`agree`] and
/// [`without_question`] alone, so that no way leads past the question.
pub(super) struct Agreed(Plan);

/// Decides what the operation will do. A refusal is put on record, unless nothing may be written.
pub(super) async fn plan(
    app: &App,
    ui: &Ui,
    engine: &Engine,
    request: &Request,
    access: Access,
) -> Result<Plan, CliError> {
    let planned = app.signals.unless(engine.plan(request)).await?;
    if let (Err(EngineError::Refused(refusal)), Access::Change) = (&planned, access) {
        record_refusal(ui, engine, request, refusal);
    }
    Ok(planned?)
}

fn record_refusal(ui: &Ui, engine: &Engine, request: &Request, refusal: &Refusal) {
    if let Err(error) = engine.record_refusal(request, refusal) {
        render::problem::not_recorded(ui, &error.into());
    }
}

/// Shows a plan, and no more.
pub(super) fn show(ui: &Ui, plan: &Plan) -> Exit {
    if ui.is_json() {
        ui.document(plan);
    } else {
        ui.show(&render::plan::whole(plan));
    }
    exit::DONE
}

/// Takes a plan that asks nothing; `None` for one that must be agreed to.
pub(super) fn without_question(plan: Plan) -> Option<Agreed> {
    (!plan.confirm).then_some(Agreed(plan))
}

/// Shows what the plan comes to, and asks whether to go on.
pub(super) async fn agree(
    app: &App,
    ui: &Ui,
    options: &Options,
    engine: &Engine,
    plan: Plan,
    confirmed: bool,
) -> Result<Agreed, CliError> {
    let environment = plan.environment().clone();
    ui.show(&render::title::question(&plan, !confirmed && plan.confirm));
    if !plan.confirm {
        return Ok(Agreed(plan));
    }
    if confirmed {
        ui.say(&format!("Confirmed by --confirm {environment}\n"));
        return Ok(Agreed(plan));
    }
    let answer = match options.may_ask {
        true => prompt::ask(app, ui).await,
        false => Answer::No("--no-input was given, and --confirm was not".to_owned()),
    };
    let Answer::No(why) = answer else {
        ui.say("");
        return Ok(Agreed(plan));
    };
    if let Err(error) = engine.record_not_confirmed(&plan.request) {
        render::problem::not_recorded(ui, &error.into());
    }
    let hint = format!("to confirm without a question: {} --confirm {environment}", options.again);
    Err(CliError::NotConfirmed { why, hint })
}

/// Carries a plan out, and tells how it goes.
pub(super) async fn carry_out(
    app: &App,
    ui: &Ui,
    options: &Options,
    engine: &Engine,
    Agreed(plan): Agreed,
) -> Exit {
    let request = plan.request.clone();
    match drive(app, ui, options, engine.run(plan)).await {
        Driven::Ended(Ok(outcome)) => Exit::from(&outcome),
        Driven::Ended(Err(error)) => {
            if let EngineError::Refused(refusal) = &error {
                record_refusal(ui, engine, &request, refusal);
            }
            failed(ui, error)
        }
        Driven::Left => exit::NEEDS_ATTENTION,
    }
}

/// Tells why a run did not start or did not end, and what that comes to.
pub(super) fn failed(ui: &Ui, error: EngineError) -> Exit {
    let error = CliError::Engine(error);
    let exit = Exit::from(&error);
    render::problem::tell_people(ui, &error, exit);
    exit
}

/// How driving a run ended.
pub(super) enum Driven {
    /// By itself.
    Ended(Result<Outcome, EngineError>),
    /// Somebody asked twice to stop, so that it was left as it was.
    Left,
}

/// Drives a run to its end. The first request to stop lets it put things back, the second leaves at once; that the
/// terminal went away is no such request.
pub(super) async fn drive(app: &App, ui: &Ui, options: &Options, run: Run) -> Driven {
    let cancel = run.cancel_token();
    let mut progress = Progress::new(ui, options);
    let finish = run.finish(|event| progress.event(&event));
    let mut finish = std::pin::pin!(finish);
    loop {
        let signal = tokio::select! {
            biased;
            result = &mut finish => return Driven::Ended(result),
            signal = app.signals.next() => signal,
        };
        match signal {
            Signal::HangUp => {}
            Signal::Interrupt | Signal::Terminate if cancel.is_cancelled() => {
                ui.warn("\n❌ Interrupted twice: left as it is, half-way.\n   → ala-promote recover");
                return Driven::Left;
            }
            Signal::Interrupt | Signal::Terminate => {
                ui.warn(
                    "\n⏹️  Stopping: what was begun is put back as it was; after the commit it goes on to its end.\n   \
                     Interrupt once more to leave at once; then `ala-promote recover` has to do the rest.",
                );
                cancel.cancel();
            }
        }
    }
}
