//! The commands, a file each.

mod operation;
mod deploy;
mod promote;
mod rollback;
mod choices;
mod status;
mod history;
mod recover;
mod version;
mod doctor;
mod init;

use crate::app::App;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::render::Ui;
use crate::settings::{Command, Invocation};

/// What a command came to, where it did not end early.
pub(crate) type Done = Result<Exit, CliError>;

/// Does what was asked for.
pub(crate) async fn run(app: &App, ui: &Ui, invocation: &Invocation) -> Done {
    let options = &invocation.options;
    match &invocation.command {
        Command::Deploy(deploy) => deploy::deploy(app, ui, options, deploy).await,
        Command::Promote(how) => promote::promote(app, ui, options, how).await,
        Command::Rollback(rollback) => rollback::rollback(app, ui, options, rollback).await,
        Command::Choices { environment } => choices::choices(app, ui, options, environment).await,
        Command::Status { environment } => status::status(app, ui, options, environment.as_ref()).await,
        Command::History { verify, limit } => history::history(app, ui, options, *verify, *limit).await,
        Command::Recover { new_ledger } => recover::recover(app, ui, options, *new_ledger).await,
        Command::Doctor => doctor::doctor(app, ui, options).await,
        Command::Init(how) => init::init(app, ui, options, how).await,
        Command::Schema => {
            ui.show(ala_promote_core::config::CONFIG_SCHEMA.trim_end());
            Ok(exit::DONE)
        }
        Command::Version => version::version(app, ui, options).await,
    }
}
