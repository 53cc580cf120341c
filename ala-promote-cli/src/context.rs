//! From a folder to an engine: settings, backend, state folder, ledger.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::{Backend, BackendError, BackendErrorKind};
use ala_promote_core::config::{Overrides, Settings, find_dir, prepare_state_dir};
use ala_promote_core::engine::Engine;
use ala_promote_core::ledger::{
    FileLedger, FileLedgerOptions, Journal, LedgerError, LedgerErrorKind, LedgerId, LedgerStore, MemoryLedger,
};

use crate::actor;
use crate::app::App;
use crate::error::CliError;
use crate::settings::Options;

/// The ledger's folder within the state folder.
const LEDGER: &str = "ledger";

/// What a command is going to do with what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read it; where there is none, there is nothing to read. Creates nothing.
    Look,
    /// Write to it; where there is none, it is made.
    Change,
}

/// The settings of the folder that is meant.
pub(crate) fn settings(app: &App, options: &Options) -> Result<Settings, CliError> {
    settings_if(app, options, None)
}

/// The same, if the config file said this.
pub(crate) fn settings_if(
    app: &App,
    options: &Options,
    config_text: Option<String>,
) -> Result<Settings, CliError> {
    let dir = find_dir(options.dir.as_deref(), &app.working_dir, options.called.as_deref())?;
    let overrides = Overrides { stack: options.stack.clone(), config_text, ..Overrides::default() };
    Ok(Settings::load(&dir, &app.environment, &overrides)?)
}

/// The backend that the settings mean.
pub(crate) async fn connect(app: &App, settings: &Settings) -> Result<Arc<dyn Backend>, CliError> {
    let connected = app.backend.connect(&app.environment, settings.engine_address.as_deref());
    Ok(app.signals.unless(connected).await??)
}

/// The ledger of the folder.
pub(crate) fn journal(settings: &Settings, access: Access) -> Result<Journal, CliError> {
    let folder = settings.state_dir.join(LEDGER);
    let options = FileLedgerOptions::default();
    let store: Box<dyn LedgerStore> = match (FileLedger::open(&folder, options), access) {
        (Err(error), Access::Look) if error.kind() == LedgerErrorKind::Missing => {
            Box::new(MemoryLedger::new(LedgerId::new("none")?))
        }
        (Err(error), Access::Change) if error.kind() == LedgerErrorKind::Missing => {
            Box::new(create(&folder, options)?)
        }
        (opened, _) => Box::new(opened?),
    };
    Ok(Journal::open(store)?)
}

/// Another process may create it at the same time.
fn create(folder: &Path, options: FileLedgerOptions) -> Result<FileLedger, CliError> {
    match FileLedger::create(folder, LedgerId::new(random_id()?)?, options) {
        Err(error) if error.kind() == LedgerErrorKind::AlreadyExists => {
            Ok(FileLedger::open(folder, options)?)
        }
        created => Ok(created?),
    }
}

/// The engine of the folder. The state folder is made only after the backend was found to work.
pub(crate) async fn engine(app: &App, settings: Settings, access: Access) -> Result<Engine, CliError> {
    let backend = connect(app, &settings).await?;
    if access == Access::Change {
        prepare_state_dir(&settings)?;
    }
    let journal = journal(&settings, access)?;
    let actor = actor::find(app);
    Ok(Engine::builder(settings, backend, Arc::clone(&app.clock), journal, actor).build())
}

fn random_id() -> Result<String, CliError> {
    let mut bytes = [0_u8; 16];
    let read: io::Result<()> = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| {
        let what = "make an id for the ledger";
        BackendError::new(BackendErrorKind::Unavailable, what, "/dev/urandom can't be read")
            .with_source(error)
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a ledger can't be opened because it is not what was written.
pub(crate) fn is_damaged(error: &CliError) -> bool {
    use ala_promote_core::engine::EngineError;
    let CliError::Engine(EngineError::Ledger { source, .. }) = error else { return false };
    matches!(source, LedgerError::Damaged(_))
}
