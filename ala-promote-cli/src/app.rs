//! What a command touches of the world, and the running of one command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use ala_promote_core::backend::{Backend, BackendResult, Clock};
use async_trait::async_trait;

use crate::args::{self, Parsed, Program};
use crate::commands;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::input::Input;
use crate::output::{Output, Stream};
use crate::render::{self, Ui};
use crate::signals::Signals;

/// Where the backend comes from.
#[async_trait]
pub trait Connect: Send + Sync {
    /// A backend that works.
    /// - `environment` says which one; `engine_address` where its published ports answer, if the settings say so.
    /// - Changes nothing.
    async fn connect(
        &self,
        environment: &BTreeMap<String, String>,
        engine_address: Option<&str>,
    ) -> BackendResult<Arc<dyn Backend>>;
}

/// All that a command touches of the world. Nothing else is read: neither the process's environment nor its streams.
pub struct App {
    /// Where the backend comes from.
    pub backend: Arc<dyn Connect>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The working directory.
    pub working_dir: PathBuf,
    /// Who this process runs as, for the record where the environment names nobody.
    pub user: String,
    /// The name of this host, for the record.
    pub host: String,
    /// The id of this process, for the record.
    pub pid: u32,
    /// Where answers come from.
    pub input: Box<dyn Input>,
    /// Where text goes.
    pub output: Arc<dyn Output>,
    /// Requests to stop.
    pub signals: Signals,
}

impl App {
    /// Runs one command. `argv` begins with the program's name as it was called.
    pub async fn run(&self, program: Program, argv: &[OsString]) -> Exit {
        let invocation = match args::parse(program, argv) {
            Ok(Parsed::Run(invocation)) => invocation,
            Ok(Parsed::Say(text)) => return self.say(&text),
            Err(error) => {
                return self.report(&Ui::new(Arc::clone(&self.output), false, false, false), &error);
            }
        };
        let options = &invocation.options;
        let ui = Ui::new(Arc::clone(&self.output), options.json, options.quiet, options.verbose);
        match commands::run(self, &ui, &invocation).await {
            Ok(exit) => exit,
            Err(error) => self.report(&ui, &error),
        }
    }

    /// Help and versions are what was asked for; anything else that clap says is a mistake to be told.
    fn say(&self, text: &clap::Error) -> Exit {
        let stream = if text.use_stderr() { Stream::Err } else { Stream::Out };
        self.output.write(stream, &text.render().to_string());
        if text.use_stderr() { exit::USAGE } else { exit::DONE }
    }

    fn report(&self, ui: &Ui, error: &CliError) -> Exit {
        let exit = Exit::from(error);
        render::problem::tell(ui, error, exit);
        exit
    }
}
