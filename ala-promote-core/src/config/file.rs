//! `ala-promote.toml` as it is written. What a key means and what stands in its absence is decided elsewhere.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::settings::HookedVerb;
use super::value::{HumanDuration, WrittenPath};
use crate::domain::{BackupName, EnvironmentName, HookMoment, HookName, ProjectName, ServiceName};

/// The format that this code writes about and reads.
pub(super) const FORMAT_VERSION: i64 = 1;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    /// Checked by [`Source::parse`](super::source::Source::parse) before anything else is read.
    #[serde(rename = "version")]
    _version: Option<i64>,
    pub(super) state_dir: Option<Spanned<WrittenPath>>,
    #[serde(default)]
    pub(super) engine: EngineTable,
    #[serde(default)]
    pub(super) environments: BTreeMap<EnvironmentName, Spanned<EnvironmentTable>>,
    #[serde(default)]
    pub(super) services: BTreeMap<ServiceName, ServiceTable>,
    #[serde(default)]
    pub(super) health: HealthTable,
    #[serde(default)]
    pub(super) isolation: IsolationTable,
    #[serde(default)]
    pub(super) backup: BackupTable,
    #[serde(default)]
    pub(super) retention: RetentionTable,
    #[serde(default)]
    pub(super) hooks: Vec<Spanned<HookTable>>,
}

/// `[engine]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: [engine] with `address`")]
pub(super) struct EngineTable {
    pub(super) address: Option<Spanned<String>>,
}

/// `[environments.<name>]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: [environments.<name>]")]
pub(super) struct EnvironmentTable {
    pub(super) dir: Option<Spanned<WrittenPath>>,
    pub(super) files: Option<Spanned<Vec<Spanned<WrittenPath>>>>,
    pub(super) env_file: Option<WrittenPath>,
    pub(super) project: Option<Spanned<ProjectName>>,
    pub(super) from: Option<Spanned<EnvironmentName>>,
    #[serde(default)]
    pub(super) map: BTreeMap<ServiceName, Spanned<ServiceName>>,
    pub(super) protected: Option<bool>,
    pub(super) beside: Option<BesideTable>,
}

/// `[environments.<name>.beside]`.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: beside = { port_offset = 10000, container_suffix = \"-staging\", image_suffix = \"-staging\" }"
)]
pub(super) struct BesideTable {
    pub(super) port_offset: Option<Spanned<i64>>,
    pub(super) container_suffix: Option<Spanned<String>>,
    pub(super) image_suffix: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) env_files: BTreeMap<WrittenPath, WrittenPath>,
}

/// `[services.<name>]`.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: [services.<name>] with `display`, `promoted`, `health_path`"
)]
pub(super) struct ServiceTable {
    pub(super) display: Option<Spanned<String>>,
    pub(super) promoted: Option<bool>,
    pub(super) health_path: Option<Spanned<String>>,
}

/// `[health]`.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: [health] with `timeout`, `window`, `interval`, `patience`"
)]
pub(super) struct HealthTable {
    pub(super) timeout: Option<Spanned<HumanDuration>>,
    pub(super) window: Option<Spanned<HumanDuration>>,
    pub(super) interval: Option<Spanned<HumanDuration>>,
    pub(super) patience: Option<Spanned<HumanDuration>>,
}

/// `[isolation]`.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: [isolation] with `shared_networks`, `mounted_code = \"<the reason>\"`, \
                 `built_differently`"
)]
pub(super) struct IsolationTable {
    #[serde(default)]
    pub(super) shared_networks: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) shared_binds: Vec<WrittenPath>,
    pub(super) mounted_code: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) built_differently: BTreeMap<String, Spanned<String>>,
}

/// `[backup]`.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: [backup] with `dir`, and `service = \"db\"`, [[backup.databases]] or `none = \"<the reason>\"`"
)]
pub(super) struct BackupTable {
    pub(super) dir: Option<WrittenPath>,
    pub(super) service: Option<Spanned<ServiceName>>,
    pub(super) url_env: Option<Spanned<String>>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) network: Option<Spanned<String>>,
    pub(super) name: Option<Spanned<BackupName>>,
    pub(super) command: Option<Spanned<Vec<String>>>,
    pub(super) timeout: Option<Spanned<HumanDuration>>,
    #[serde(default)]
    pub(super) databases: Vec<Spanned<BackupDatabaseTable>>,
    pub(super) none: Option<Spanned<String>>,
}

/// An entry of `[[backup.databases]]`.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: [[backup.databases]] with `service`, or `url_env` and `image`, or `name` and `command`"
)]
pub(super) struct BackupDatabaseTable {
    pub(super) service: Option<Spanned<ServiceName>>,
    pub(super) url_env: Option<Spanned<String>>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) network: Option<Spanned<String>>,
    pub(super) name: Option<Spanned<BackupName>>,
    pub(super) command: Option<Spanned<Vec<String>>>,
    pub(super) timeout: Option<Spanned<HumanDuration>>,
}

/// `[retention]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: [retention] with `releases`")]
pub(super) struct RetentionTable {
    pub(super) releases: Option<Spanned<i64>>,
}

/// An entry of `[[hooks]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: [[hooks]] with `name`, `environment`, `at`, `command`")]
pub(super) struct HookTable {
    pub(super) name: Spanned<HookName>,
    pub(super) environment: Spanned<EnvironmentName>,
    pub(super) at: HookMoment,
    pub(super) on: Option<Spanned<Vec<HookedVerb>>>,
    pub(super) service: Option<Spanned<ServiceName>>,
    pub(super) command: Spanned<Vec<String>>,
    pub(super) undo: Option<Spanned<Vec<String>>>,
    pub(super) timeout: Option<Spanned<HumanDuration>>,
}
