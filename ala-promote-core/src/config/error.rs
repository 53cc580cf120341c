//! How settings can't be had, told so that a person can mend it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::conventions::{CONFIG_FILE, PRODUCTION, env_file_names, own_compose_files, separate_folders};
use super::line::ConfigLine;
use super::paths::present;
use crate::domain::{EnvironmentName, NameError};

/// Why there are no settings. The text says what is wrong and where; [`hint`](Self::hint) says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A value, a key or the syntax of what was given is wrong.
    #[error("{place}: {problem}")]
    Value {
        /// Where it stands.
        place: Place,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The config file has a format that only a newer version knows.
    #[error("{place}: this file has format version {found}; this ala-promote knows version {known}")]
    NewerFormat {
        /// Where the version stands.
        place: Place,
        /// The file's version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// A file or folder can't be used.
    #[error("{} {problem}", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// Why not.
        problem: String,
        /// What to do.
        hint: Option<String>,
        /// What the system said.
        source: Option<io::Error>,
    },
    /// No folder to work on.
    #[error("found no folder to work on; looked at {}", list_looked(looked))]
    NoFolder {
        /// Where it was looked, and why that was not taken.
        looked: Vec<Looked>,
    },
    /// Two folders could be meant.
    #[error(
        "both the working directory {} and the folder of the called program {} hold Compose files",
        working_dir.display(),
        called.display()
    )]
    AmbiguousFolder {
        /// The working directory.
        working_dir: PathBuf,
        /// The folder of the program that was called.
        called: PathBuf,
    },
    /// There is no such environment.
    #[error(
        "there is no environment `{name}` in {}{} (known: {})",
        dir.display(),
        if looked_for.is_empty() { String::new() } else { format!(": looked for {}", looked_for.join(", ")) },
        list_names(known)
    )]
    NoEnvironment {
        /// The name asked for.
        name: EnvironmentName,
        /// The folder.
        dir: PathBuf,
        /// The environments that there are.
        known: Vec<EnvironmentName>,
        /// The Compose files that would have made it one by convention.
        looked_for: Vec<String>,
    },
    /// A string is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// In this environment variable.
    Variable(&'static str),
    /// In this field of [`Overrides`](super::Overrides).
    Override(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Override(name) => write!(f, "override {name}"),
        }
    }
}

/// A folder that was looked at and not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Looked {
    /// What the folder was: `the working directory`.
    pub what: &'static str,
    /// The folder.
    pub path: PathBuf,
    /// Why it was not taken.
    pub problem: &'static str,
}

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingsErrorKind {
    /// What was given is wrong: a config file, a variable, a name.
    Invalid,
    /// It was written for a newer version.
    NewerFormat,
    /// The folder or the environment asked for is not there.
    NotFound,
    /// A file or folder can't be read, written or made.
    Unusable,
}

impl SettingsError {
    pub(super) fn path(path: &Path, problem: impl Into<String>) -> Self {
        Self::Path { path: path.to_owned(), problem: problem.into(), hint: None, source: None }
    }

    pub(super) fn io(path: &Path, problem: impl Into<String>, source: io::Error) -> Self {
        Self::Path { path: path.to_owned(), problem: problem.into(), hint: None, source: Some(source) }
    }

    /// Sets the hint of those kinds of errors that carry one.
    pub(super) fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Value { hint, .. } | Self::Path { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> SettingsErrorKind {
        match self {
            Self::Value { .. } | Self::Name(_) | Self::AmbiguousFolder { .. } => SettingsErrorKind::Invalid,
            Self::NewerFormat { .. } => SettingsErrorKind::NewerFormat,
            Self::NoFolder { .. } | Self::NoEnvironment { .. } => SettingsErrorKind::NotFound,
            Self::Path { .. } => SettingsErrorKind::Unusable,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Value { hint, .. } | Self::Path { hint, .. } => hint.clone(),
            Self::NewerFormat { .. } => {
                Some("install the ala-promote that this file was written for".to_owned())
            }
            Self::NoFolder { looked } => {
                let lines = looked.iter().find_map(|looked| separate_folders_hint(&looked.path));
                Some(lines.unwrap_or_else(|| "name the folder: --dir FOLDER".to_owned()))
            }
            Self::AmbiguousFolder { .. } => Some("name the folder: --dir FOLDER".to_owned()),
            Self::NoEnvironment { name, dir, looked_for, .. } => {
                if let Some(lines) = one_file_hint(name, dir) {
                    return Some(lines);
                }
                let table = format!("say in {CONFIG_FILE} under [environments.{name}] what it is");
                Some(looked_for.first().map_or(table.clone(), |file| format!("create {file}, or {table}")))
            }
            Self::Name(_) => None,
        }
    }

    /// Whether trying again may help with nothing mended.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        use io::ErrorKind::{Interrupted, ResourceBusy, StaleNetworkFileHandle, TimedOut, WouldBlock};
        let passing = [Interrupted, ResourceBusy, StaleNetworkFileHandle, TimedOut, WouldBlock];
        matches!(self, Self::Path { source: Some(source), .. } if passing.contains(&source.kind()))
    }
}

/// The lines that make the folders below a folder its environments.
fn separate_folders_hint(dir: &Path) -> Option<String> {
    let tables = separate_folders(dir)?
        .map(|(environment, folder)| format!("[environments.{environment}]\ndir = \"{folder}\""));
    Some(format!(
        "if it holds a folder for each environment, write {CONFIG_FILE} there:\n{}",
        tables.join("\n")
    ))
}

/// The lines that make an environment of an env file of its own and the Compose files that another one has too.
fn one_file_hint(name: &EnvironmentName, dir: &Path) -> Option<String> {
    let env_file = env_file_names(name)
        .into_iter()
        .filter(|_| name.as_str() != PRODUCTION)
        .find(|file| present(&dir.join(file)))?;
    let files = own_compose_files(dir);
    let names = files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect();
    let table = ["environments", name.as_str()];
    // Without the other one's table, it would be the one that these files are the own ones of.
    let lines = [
        ConfigLine::new(&table, "files", names.clone()),
        ConfigLine::new(&table, "env_file", env_file.as_str()),
        ConfigLine::new(&["environments", PRODUCTION], "files", names),
    ];
    let text = ConfigLine::write_into("", &lines).ok().filter(|_| !files.is_empty())?;
    Some(format!(
        "if it is the same Compose files with {env_file}, write into {CONFIG_FILE}:\n{}",
        text.trim_end()
    ))
}

fn list_looked(looked: &[Looked]) -> String {
    let one = |l: &Looked| format!("{} {} ({})", l.what, l.path.display(), l.problem);
    looked.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(super) fn list_names(names: &[EnvironmentName]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(EnvironmentName::as_str).collect::<Vec<_>>().join(", ")
}
