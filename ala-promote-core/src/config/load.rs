//! From a folder, its config file, environment variables and overrides to [`Settings`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::backup::backup;
use super::conventions::{self, STAGING};
use super::environments::environments;
use super::error::{Place, SettingsError};
use super::file::{ConfigFile, HealthTable, IsolationTable, RetentionTable, ServiceTable};
use super::hooks::hooks;
use super::paths::absolute;
use super::settings::{
    EnvironmentSettings, HealthSettings, IsolationSettings, Retention, ServiceSettings, Settings,
};
use super::source::Source;
use super::stacks;
use super::value::{self, HumanDuration, WrittenPath};
use crate::domain::{EnvironmentName, ServiceName};

/// Where published ports answer: wins over the config file.
pub const ENGINE_ADDRESS_VARIABLE: &str = "ALA_PROMOTE_ENGINE_ADDRESS";

pub(super) const LONGEST_REASON: usize = 500;
const LONGEST_DISPLAY: usize = 60;
const TIMEOUT_BOUNDS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3600)];
const WINDOW_BOUNDS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(900)];
const PATIENCE_BOUNDS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3600)];
const INTERVAL_BOUNDS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(60)];
const RELEASES_BOUNDS: [i64; 2] = [2, 1000];

/// What is said at a call, and wins over environment and config file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The stack that is meant, where a folder holds several: its config is `ala-promote.NAME.toml`.
    pub stack: Option<String>,
    /// The state folder; a relative one is seen from the folder.
    pub state_dir: Option<PathBuf>,
    /// Where published ports answer: a host name or an IP address.
    pub engine_address: Option<String>,
    /// What the config file would say, in the place of what it says.
    pub config_text: Option<String>,
}

impl Settings {
    /// Finds out the settings of `dir`, an absolute path: overrides win over `env`, `env` over `ala-promote.toml`, that
    /// over the conventions. Reads files; changes nothing.
    ///
    /// # Errors
    /// [`SettingsError`] names what is wrong, where, and how to mend it.
    pub fn load(
        dir: &Path,
        env: &BTreeMap<String, String>,
        overrides: &Overrides,
    ) -> Result<Self, SettingsError> {
        check_folder(dir)?;
        let dir = absolute(dir, Path::new("."));
        let stack = overrides.stack.as_deref();
        let source = match &overrides.config_text {
            Some(text) => Source::of(&dir.join(stacks::config_file(stack)), text),
            None => stacks::read(&dir, stack)?,
        };
        let config = source.parse()?;
        let state_dir = state_dir(&source, &dir, &config, overrides)?;
        stacks::check_apart(&source, &dir, stack, &config, &state_dir)?;
        let environments = environments(&source, &dir, &config)?;
        stacks::check_written(&source, &dir, stack, &config, &environments)?;
        Ok(Self {
            stack: overrides.stack.clone(),
            state_dir,
            hooks: hooks(&source, &config.hooks, &environments)?,
            environments,
            services: services(&source, &config.services)?,
            health: health(&source, &config.health)?,
            isolation: isolation(&source, &dir, &config.isolation)?,
            backup: backup(&source, &dir, stack, &config.backup)?,
            retention: retention(&source, &config.retention)?,
            engine_address: engine_address(&source, &config, env, overrides)?,
            dir,
        })
    }

    /// One of the environments.
    ///
    /// # Errors
    /// [`NoEnvironment`](SettingsError::NoEnvironment) names the Compose files that would have made it one.
    pub fn environment(&self, name: &EnvironmentName) -> Result<&EnvironmentSettings, SettingsError> {
        self.environments.get(name).ok_or_else(|| SettingsError::NoEnvironment {
            name: name.clone(),
            dir: self.dir.clone(),
            known: self.environments.keys().cloned().collect(),
            looked_for: if name.as_str() == STAGING {
                conventions::overlay_names(STAGING)
            } else {
                Vec::new()
            },
        })
    }
}

/// Paths below it are written to the ledger and to labels: they must be text.
fn check_folder(dir: &Path) -> Result<(), SettingsError> {
    let fail = |problem| Err(SettingsError::path(dir, problem));
    match dir.to_str() {
        None => fail("has a path that is not UTF-8"),
        Some(text) if text.chars().any(char::is_control) => fail("has a path with control characters"),
        Some(_) if !dir.is_absolute() => fail("is not an absolute path"),
        Some(_) if !dir.is_dir() => fail("is no folder"),
        Some(_) => Ok(()),
    }
}

fn state_dir(
    source: &Source,
    dir: &Path,
    config: &ConfigFile,
    overrides: &Overrides,
) -> Result<PathBuf, SettingsError> {
    let written = config.state_dir.as_ref();
    let path = match &overrides.state_dir {
        Some(path) => absolute(dir, path),
        None => stacks::written_state_dir(dir, overrides.stack.as_deref(), config),
    };
    // Its .gitignore hides all that is in it.
    if !dir.starts_with(&path) {
        return Ok(path);
    }
    let problem = format!("the state folder {} would hold the folder itself", path.display());
    let error = match written.filter(|_| overrides.state_dir.is_none()) {
        Some(written) => source.error(&written.span(), problem),
        None => SettingsError::Value { place: Place::Override("state_dir"), problem, hint: None },
    };
    Err(error.with_hint("name a folder that is used for nothing else"))
}

fn engine_address(
    source: &Source,
    config: &ConfigFile,
    env: &BTreeMap<String, String>,
    overrides: &Overrides,
) -> Result<Option<String>, SettingsError> {
    let given = |place, text: &String| {
        value::host(text).map(Some).map_err(|problem| SettingsError::Value { place, problem, hint: None })
    };
    if let Some(text) = &overrides.engine_address {
        return given(Place::Override("engine_address"), text);
    }
    if let Some(text) = env.get(ENGINE_ADDRESS_VARIABLE).filter(|text| !text.is_empty()) {
        return given(Place::Variable(ENGINE_ADDRESS_VARIABLE), text);
    }
    let written = config.engine.address.as_ref();
    written.map(|w| value::host(w.get_ref()).map_err(|problem| source.error(&w.span(), problem))).transpose()
}

fn services(
    source: &Source,
    tables: &BTreeMap<ServiceName, ServiceTable>,
) -> Result<BTreeMap<ServiceName, ServiceSettings>, SettingsError> {
    let checked = |written: &Option<Spanned<String>>, check: &dyn Fn(&str) -> Result<(), String>| {
        let Some(written) = written else { return Ok(None) };
        match check(written.get_ref()) {
            Ok(()) => Ok(Some(written.get_ref().clone())),
            Err(problem) => Err(source.error(&written.span(), problem)),
        }
    };
    let one = |(name, table): (&ServiceName, &ServiceTable)| {
        let settings = ServiceSettings {
            display: checked(&table.display, &|text| value::shown_text(text, LONGEST_DISPLAY))?,
            promoted: table.promoted,
            health_path: checked(&table.health_path, &value::url_path)?,
        };
        Ok((name.clone(), settings))
    };
    tables.iter().map(one).collect()
}

fn health(source: &Source, table: &HealthTable) -> Result<HealthSettings, SettingsError> {
    let bounded = |written: &Option<Spanned<HumanDuration>>, default, [least, most]: [Duration; 2]| {
        let Some(written) = written else { return Ok(default) };
        let HumanDuration(value) = *written.get_ref();
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        let (value, least, most) = (HumanDuration(value), HumanDuration(least), HumanDuration(most));
        Err(source.error(&written.span(), format!("{value} is not between {least} and {most}")))
    };
    let default = HealthSettings::default();
    let health = HealthSettings {
        timeout: bounded(&table.timeout, default.timeout, TIMEOUT_BOUNDS)?,
        window: bounded(&table.window, default.window, WINDOW_BOUNDS)?,
        interval: bounded(&table.interval, default.interval, INTERVAL_BOUNDS)?,
        patience: bounded(&table.patience, default.patience, PATIENCE_BOUNDS)?,
    };
    // Whichever of the two is written is the one to mend; the default interval is shorter than any timeout.
    match &table.interval {
        Some(written) if health.interval > health.timeout => {
            let (interval, timeout) = (HumanDuration(health.interval), HumanDuration(health.timeout));
            let problem = format!("the interval {interval} is longer than the timeout {timeout}");
            Err(source.error(&written.span(), problem))
        }
        _ => Ok(health),
    }
}

fn isolation(
    source: &Source,
    dir: &Path,
    table: &IsolationTable,
) -> Result<IsolationSettings, SettingsError> {
    let name = |written: &Spanned<String>| {
        let name = written.get_ref();
        match value::shown_text(name, LONGEST_DISPLAY) {
            Ok(()) => Ok(name.clone()),
            Err(problem) => Err(source.error(&written.span(), problem)),
        }
    };
    let shared_networks = table.shared_networks.iter().map(name).collect::<Result<_, SettingsError>>()?;
    let reason = |written: &Spanned<String>, hint: &str| {
        let reason = written.get_ref().trim().to_owned();
        let error = |problem| Err(source.error(&written.span(), problem).with_hint(hint));
        match value::shown_text(&reason, LONGEST_REASON) {
            Ok(()) if reason.chars().any(char::is_alphabetic) => Ok(reason),
            // As the line is that a refusal shows.
            Ok(()) => error("the reason has no words".to_owned()),
            Err(problem) => error(problem),
        }
    };
    let hint = "say why what runs may differ from the image: it is shown in every plan";
    let mounted_code = table.mounted_code.as_ref().map(|written| reason(written, hint)).transpose()?;
    let hint = "say why the one build is right for both environments: it is shown in every plan";
    let pairs = table.built_differently.iter();
    let built_differently = pairs.map(|(key, written)| Ok((key.clone(), reason(written, hint)?)));
    let built_differently = built_differently.collect::<Result<_, SettingsError>>()?;
    // As mounts are known: with links followed.
    let real = |written: &WrittenPath| {
        let path = absolute(dir, written.as_path());
        path.canonicalize().unwrap_or(path)
    };
    let shared_binds = table.shared_binds.iter().map(real).collect();
    Ok(IsolationSettings { shared_networks, shared_binds, mounted_code, built_differently })
}

fn retention(source: &Source, table: &RetentionTable) -> Result<Retention, SettingsError> {
    let Some(written) = &table.releases else { return Ok(Retention::default()) };
    let [least, most] = RELEASES_BOUNDS;
    let releases = *written.get_ref();
    match usize::try_from(releases) {
        Ok(value) if (least..=most).contains(&releases) => Ok(Retention { releases: value }),
        _ => {
            let problem = format!("{releases} is not between {least} and {most}");
            let hint = "the running release and the one before it are the least that a rollback needs";
            Err(source.error(&written.span(), problem).with_hint(hint))
        }
    }
}
