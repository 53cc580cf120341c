//! From a folder, its `ala-promote.toml` and a given environment map to [`Settings`].
//!
//! [`find_dir`] tells the folder, [`Settings::load`] its settings, [`prepare_state_dir`] makes the place for what is
//! kept. Only the last one changes anything.

mod backup;
mod conventions;
mod environments;
mod error;
mod file;
mod folder;
mod hooks;
mod line;
mod load;
mod nearest;
mod paths;
mod schema;
mod settings;
mod source;
mod stacks;
mod state;
#[cfg(test)]
mod tests;
mod value;

pub use conventions::{CONFIG_FILE, env_file_names, env_template, named_compose_files, other_compose_files};
pub use error::{Looked, Place, SettingsError, SettingsErrorKind};
pub use folder::find_dir;
pub use line::{ConfigLine, ConfigValue, UnwritableConfig};
pub use load::{ENGINE_ADDRESS_VARIABLE, Overrides};
pub(crate) use nearest::nearest;
pub use schema::CONFIG_SCHEMA;
pub use settings::{
    BackupSettings, Beside, ComposeFiles, DatabaseChoice, DatabaseSettings, EnvFileChoice,
    EnvironmentSettings, HealthSettings, HookSettings, HookedVerb, IsolationSettings, Retention,
    ServiceSettings, Settings,
};
pub use stacks::config_file;
pub use state::{StateDir, prepare_state_dir};
