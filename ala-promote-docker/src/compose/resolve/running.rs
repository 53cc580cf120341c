//! What containers say about how their project was started.

use std::fmt;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::config::{EnvFileChoice, EnvironmentSettings};
use ala_promote_core::domain::{ProjectName, StackRef};

use super::super::env_file;

/// Containers that were started in one way, by what Compose wrote on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunningProject {
    /// Label `com.docker.compose.project`.
    pub(crate) project: ProjectName,
    /// Label `com.docker.compose.project.working_dir`.
    pub(crate) working_dir: PathBuf,
    /// Label `com.docker.compose.project.config_files`, taken apart at its commas. v1 writes relative ones.
    pub(crate) config_files: Vec<PathBuf>,
    /// Label `com.docker.compose.project.environment_file`.
    pub(crate) environment_file: Option<PathBuf>,
    /// How many containers there are.
    pub(crate) containers: usize,
}

/// The same, as seen by an environment: paths absolute, the env file filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Started {
    pub(super) project: ProjectName,
    dir: PathBuf,
    files: Vec<PathBuf>,
    env_file: Option<PathBuf>,
    pub(super) containers: usize,
}

impl Started {
    pub(super) fn new(running: &RunningProject, environment: &EnvironmentSettings) -> Self {
        let absolute = |path: &PathBuf| running.working_dir.join(path);
        Self {
            project: running.project.clone(),
            dir: running.working_dir.clone(),
            files: running.config_files.iter().map(absolute).collect(),
            // Without a label Compose took `.env`, which is what the settings say unless they say otherwise.
            env_file: running
                .environment_file
                .as_ref()
                .map(absolute)
                .or_else(|| environment.env_file.clone()),
            containers: running.containers,
        }
    }

    /// What was started from `derived`, a file made of `files`, counts as started from those.
    pub(super) fn seen_through(mut self, derived: &Path, files: &[PathBuf]) -> Self {
        if self.has_file(derived) {
            self.files = files.to_vec();
        }
        self
    }

    pub(super) fn has_file(&self, path: &Path) -> bool {
        self.files.iter().any(|file| is_same_path(file, path))
    }

    pub(super) fn has_files(&self, paths: &[PathBuf]) -> bool {
        is_same_list(&self.files, paths)
    }

    pub(super) fn means_the_same(&self, other: &Self) -> bool {
        let env_files = match (&self.env_file, &other.env_file) {
            (Some(one), Some(two)) => is_same_path(one, two),
            (one, two) => one == two,
        };
        env_files && self.has_files(&other.files)
    }

    pub(super) fn count(&self) -> String {
        match self.containers {
            1 => "1 container runs".into(),
            many => format!("{many} containers run"),
        }
    }

    /// The stack that it is by the files of the settings. Where those do not name the env file, it is the one that it was
    /// started with.
    pub(super) fn stack_of(
        self,
        environment: &EnvironmentSettings,
        files: &[PathBuf],
    ) -> BackendResult<StackRef> {
        let stack = super::stack(environment, self.project.clone(), files.to_vec());
        if environment.env_file_choice == EnvFileChoice::Named {
            return Ok(stack);
        }
        self.require_env_file(environment)?;
        Ok(StackRef { env_file: self.env_file, ..stack })
    }

    fn require_env_file(&self, environment: &EnvironmentSettings) -> BackendResult<()> {
        let Some(path) = self.env_file.as_ref().filter(|path| !path.is_file()) else { return Ok(()) };
        if !path.to_string_lossy().contains(',') {
            return Err(env_file::missing(path));
        }
        let detail = format!(
            "project `{}` was started with several env files, which is not supported: {}",
            self.project,
            path.display()
        );
        Err(BackendError::new(BackendErrorKind::Invalid, super::what(environment), detail)
            .with_hint("put them into one, and start it with that"))
    }

    /// The stack that was started, if all that it was made from is still there.
    pub(super) fn stack(self, environment: &EnvironmentSettings) -> BackendResult<StackRef> {
        let gone = |detail: String| {
            BackendError::new(BackendErrorKind::Invalid, format!("resolve {}", environment.name), detail)
        };
        if self.files.is_empty() {
            return Err(gone(format!(
                "project `{}` runs, but its containers name no Compose file",
                self.project
            ))
            .with_hint("start it from a file, or set `files` in ala-promote.toml"));
        }
        if let Some(file) = self.files.iter().find(|file| !file.is_file()) {
            return Err(gone(format!(
                "project `{}` was started from {}, which is gone",
                self.project,
                file.display()
            ))
            .with_hint("bring the file back, or set `files` in ala-promote.toml"));
        }
        self.require_env_file(environment)?;
        Ok(StackRef {
            environment: environment.name.clone(),
            project: self.project,
            // As its labels spell it: `up` would see another spelling as another configuration.
            dir: self.dir,
            files: self.files,
            env_file: self.env_file,
            service_env_files: environment.service_env_files(),
            changes: Vec::new(),
            derived_file: None,
        })
    }
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "project `{}` from ", self.project)?;
        for (index, file) in self.files.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", file.display())?;
        }
        if let Some(env_file) = &self.env_file {
            write!(f, " with {}", env_file.display())?;
        }
        write!(f, " ({})", self.count())
    }
}

/// Whether two paths lead to the same place, links followed.
pub(super) fn is_same_path(one: &Path, two: &Path) -> bool {
    one == two || one.canonicalize().is_ok_and(|one| two.canonicalize().is_ok_and(|two| one == two))
}

/// Whether two lists of paths lead to the same places.
pub(super) fn is_same_list(one: &[PathBuf], two: &[PathBuf]) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(one, two)| is_same_path(one, two))
}
