//! What conventions and `ala-promote.toml` come to: plain values, resolved once, passed on.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Place;
use super::stacks::config_file;
use crate::domain::{
    BackupCommand, EnvironmentName, Hook, HookMoment, ProjectName, ServiceName, UrlDatabase, Verb,
};

/// The settings of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder, absolute.
    pub dir: PathBuf,
    /// The stack's name, where the folder holds several.
    pub stack: Option<String>,
    /// Where ledger, locks and snapshots are kept, absolute.
    pub state_dir: PathBuf,
    /// The environments by name.
    pub environments: BTreeMap<EnvironmentName, EnvironmentSettings>,
    /// What the config says of services, by name.
    pub services: BTreeMap<ServiceName, ServiceSettings>,
    /// How long health is waited for, and watched.
    pub health: HealthSettings,
    /// What environments may share, and containers hide, against the rule.
    pub isolation: IsolationSettings,
    /// What is backed up, and where to.
    pub backup: BackupSettings,
    /// What is kept.
    pub retention: Retention,
    /// Commands of the team's own, in the order in which they run.
    pub hooks: Vec<HookSettings>,
    /// Where published ports answer, if the config or the environment says so: a host as it stands before `:port`, so a
    /// version 6 address is in brackets.
    pub engine_address: Option<String>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentSettings {
    /// Its name.
    pub name: EnvironmentName,
    /// The environment that its releases come from.
    pub from: Option<EnvironmentName>,
    /// The project directory, absolute.
    pub dir: PathBuf,
    /// Which Compose files it takes.
    pub files: ComposeFiles,
    /// Its env file, absolute.
    pub env_file: Option<PathBuf>,
    /// How that was found.
    pub env_file_choice: EnvFileChoice,
    /// The Compose project, if the config names one.
    pub project: Option<ProjectName>,
    /// The names that services have in `from`, by the names that they have here, where they differ.
    pub map: BTreeMap<ServiceName, ServiceName>,
    /// Whether its data is precious: a backup is taken, and a change is confirmed.
    pub protected: bool,
    /// How it gets out of the way of another environment on its host; `None` where it is started as its files say.
    pub beside: Option<Beside>,
}

impl EnvironmentSettings {
    /// Env files that its services read in the place of those that its files give them, by these; absolute.
    #[must_use]
    pub fn service_env_files(&self) -> BTreeMap<PathBuf, PathBuf> {
        self.beside.as_ref().map(|beside| beside.env_files.clone()).unwrap_or_default()
    }
}

/// How an environment gets out of the way of those that share its host, where its files do not see to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beside {
    /// What is added to a host port that another environment publishes too.
    pub port_offset: Option<NonZeroU16>,
    /// What is put at the end of a container name that another environment gives too.
    pub container_suffix: Option<String>,
    /// What is put at the end of the tag of an image that is built or promoted, and that another environment calls the
    /// same.
    pub image_suffix: Option<String>,
    /// Env files that its services read in the place of those that its files give them, by these; absolute.
    pub env_files: BTreeMap<PathBuf, PathBuf>,
}

impl Beside {
    /// Whether what is changed follows from what other environments have.
    pub(crate) fn looks_at_others(&self) -> bool {
        self.port_offset.is_some() || self.container_suffix.is_some() || self.image_suffix.is_some()
    }
}

/// How the Compose files of an environment are found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComposeFiles {
    /// Those that the running containers name; where none run, those that Compose takes by itself.
    AsRunning,
    /// This file, alone if each of its services has `image` or `build`, else as an overlay on those of the given
    /// environment.
    OverlayOn {
        /// The overlay, absolute.
        overlay: PathBuf,
        /// The environment whose files come first.
        base: EnvironmentName,
    },
    /// Exactly these, absolute, in this order.
    Exactly(Vec<PathBuf>),
}

/// How the env file of an environment is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EnvFileChoice {
    /// The config names it.
    #[default]
    Named,
    /// By its name. What runs may have been started with another one.
    Convention {
        /// Files that it could just as well be, absolute: where nothing runs that tells, it must be asked for.
        rivals: Vec<PathBuf>,
    },
}

/// What the config says of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceSettings {
    /// What people call it; else its own name, capitalised.
    pub display: Option<String>,
    /// Whether it is promoted, against the rule.
    pub promoted: Option<bool>,
    /// The path asked over HTTP.
    pub health_path: Option<String>,
}

/// How long health is waited for, and watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSettings {
    /// The longest wait until every service is healthy.
    pub timeout: Duration,
    /// How long every service must then stay healthy without a restart.
    pub window: Duration,
    /// The pause between two looks.
    pub interval: Duration,
    /// How long a service whose own health check has given up on it is still waited for, where a release that worked
    /// can be put back: to wait longer would only be a longer outage.
    pub patience: Duration,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            window: Duration::from_secs(5),
            interval: Duration::from_millis(500),
            patience: Duration::from_secs(10),
        }
    }
}

/// What environments may share, and containers hide, against the rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IsolationSettings {
    /// Networks, by their names on the engine, that several environments are on by intention: that of a reverse proxy.
    pub shared_networks: BTreeSet<String>,
    /// Folders and files of the host, absolute, that several environments write to by intention.
    pub shared_binds: BTreeSet<PathBuf>,
    /// Why promoted services may run code that is mounted into them, in place of what their image holds; it is shown in
    /// every plan.
    pub mounted_code: Option<String>,
    /// Why what is built for the environment before is right for the next one too, by the setting that differs, such as
    /// `build.args.VERSION`.
    pub built_differently: BTreeMap<String, String>,
}

/// What is backed up, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    /// The folder for backups, absolute.
    pub dir: PathBuf,
    /// The database, or several.
    pub database: DatabaseChoice,
}

/// Which database is backed up before a protected environment changes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseChoice {
    /// The one database in a container of the stack.
    Detect,
    /// This one.
    One(DatabaseSettings),
    /// These: at least one, none of them twice. Their backups are named by them.
    Listed(Vec<DatabaseSettings>),
    /// None, for the reason that the config gives; it is shown in every plan.
    None {
        /// The reason.
        reason: String,
    },
}

/// One database that the config names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseSettings {
    /// That of a service of the stack.
    Service(ServiceName),
    /// One outside of the stack.
    Url(UrlDatabase),
    /// What a command writes.
    Command(BackupCommand),
}

impl DatabaseChoice {
    /// Those that the config names.
    #[must_use]
    pub fn named(&self) -> &[DatabaseSettings] {
        match self {
            Self::One(database) => std::slice::from_ref(database),
            Self::Listed(databases) => databases,
            Self::Detect | Self::None { .. } => &[],
        }
    }

    /// Those of them that are outside of the stack.
    pub fn outside(&self) -> impl Iterator<Item = &UrlDatabase> {
        self.named().iter().filter_map(|database| match database {
            DatabaseSettings::Url(database) => Some(database),
            _ => None,
        })
    }
}

impl DatabaseSettings {
    /// What names its backups: the service, the key, or the name.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Service(service) => service.as_str(),
            Self::Url(database) => &database.url_env,
            Self::Command(command) => command.name.as_str(),
        }
    }

    /// What its files are called by, after the time: a command may name a file of any kind.
    #[must_use]
    pub fn file_name(&self) -> String {
        match self {
            Self::Command(command) => command.name.to_string(),
            _ => format!("{}.sql", self.label()),
        }
    }
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Releases per environment that stay pinned, the running one included.
    pub releases: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { releases: 5 }
    }
}

/// A command of the team's own, and when it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// What it does.
    pub hook: Hook,
    /// The environment whose operations run it.
    pub environment: EnvironmentName,
    /// Where in an operation.
    pub at: HookMoment,
    /// Which operations run it.
    pub on: Vec<HookedVerb>,
    /// Where the config names its service, else where it begins.
    pub place: Place,
}

/// Operations that can run hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookedVerb {
    /// A deployment.
    Deploy,
    /// A promotion.
    Promote,
    /// A rollback.
    Rollback,
}

impl HookedVerb {
    fn is(self, verb: &Verb) -> bool {
        match self {
            Self::Deploy => matches!(verb, Verb::Deploy { .. }),
            Self::Promote => matches!(verb, Verb::Promote),
            Self::Rollback => matches!(verb, Verb::Rollback { .. }),
        }
    }
}

impl HookSettings {
    /// Whether an operation of this kind runs it.
    #[must_use]
    pub fn runs_on(&self, verb: &Verb) -> bool {
        self.on.iter().any(|on| on.is(verb))
    }
}

impl Settings {
    /// What the engine remembers the ledger by: the folder, or of several stacks in one the config file.
    #[must_use]
    pub fn ledger_home(&self) -> PathBuf {
        match &self.stack {
            None => self.dir.clone(),
            name => self.dir.join(config_file(name.as_deref())),
        }
    }

    /// The hooks of an environment, in order.
    pub fn hooks_of<'a>(
        &'a self,
        environment: &'a EnvironmentName,
    ) -> impl Iterator<Item = &'a HookSettings> + 'a {
        self.hooks.iter().filter(move |hook| &hook.environment == environment)
    }

    /// Where the files of an environment are written that it is started from when inherited ports are left out. Labels of
    /// its containers name this file, so it tells them from another environment's.
    #[must_use]
    pub fn derived_file(&self, environment: &EnvironmentName) -> PathBuf {
        self.state_dir.join("compose").join(format!("{environment}.json"))
    }

    /// What people call a service.
    #[must_use]
    pub fn display_name(&self, service: &ServiceName) -> String {
        if let Some(display) = self.services.get(service).and_then(|s| s.display.clone()) {
            return display;
        }
        let mut chars = service.as_str().chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    }

    /// The environments whose releases come from `name`.
    pub fn promoted_from<'a>(
        &'a self,
        name: &'a EnvironmentName,
    ) -> impl Iterator<Item = &'a EnvironmentSettings> + 'a {
        self.environments.values().filter(move |e| e.from.as_ref() == Some(name))
    }
}
