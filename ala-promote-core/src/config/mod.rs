//! From a folder, its `ala-promote.toml` and a given environment map to [`Settings`].

mod settings;

pub use settings::{
    BackupSettings, ComposeFiles, DatabaseChoice, EnvironmentSettings, HealthSettings, Retention,
    ServiceSettings, Settings,
};
