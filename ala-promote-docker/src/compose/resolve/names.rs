//! Names that somebody or something gives: projects and files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendResult};
use ala_promote_core::config::{
    ComposeFiles, ConfigLine, ConfigValue, EnvironmentSettings, named_compose_files, other_compose_files,
};
use ala_promote_core::domain::{ProjectName, StackRef};

use super::reading::Beside;
use super::running::{Started, is_same_path};
use super::{Resolver, require_files, stack, what};
use crate::compose::convention::{default_files, is_project, listed_files, no_file, normalised};
use crate::compose::env_file::EnvFile;
use crate::compose::invalid;
use crate::compose::invocation::arguments_without_project;
use crate::compose::raw::RawFile;
use crate::compose::tool::Family;

/// A project name that somebody chose, and who.
pub(super) struct Named {
    pub(super) project: ProjectName,
    pub(super) by: String,
}

impl Resolver<'_> {
    /// The project that the settings or the env file name.
    pub(super) async fn named(&self, environment: &EnvironmentSettings) -> BackendResult<Option<Named>> {
        let (name, by) = match &environment.project {
            Some(project) => (project.to_string(), "ala-promote.toml".to_owned()),
            None => match self.variable(environment, "COMPOSE_PROJECT_NAME").await? {
                Some(name) => {
                    let file = environment.env_file.as_deref().unwrap_or(Path::new(".env"));
                    // v1 makes a name of whatever it is given; v2 refuses.
                    let family = self.compose.tool.family();
                    let name = if family == Family::One { normalised(&name, family) } else { name };
                    (name, format!("COMPOSE_PROJECT_NAME in {}", file.display()))
                }
                None => return Ok(None),
            },
        };
        Ok(Some(Named { project: project(environment, &name, &by)?, by }))
    }

    /// A variable of the environment's env file; `None` also where that is missing.
    async fn variable(&self, environment: &EnvironmentSettings, name: &str) -> BackendResult<Option<String>> {
        let Some(path) = environment.env_file.as_ref().filter(|path| path.is_file()) else { return Ok(None) };
        if !EnvFile::read(path)?.sets(name) {
            return Ok(None);
        }
        // Compose wants a project and files to say anything; which does not matter for this question.
        let asked = stack(environment, project(environment, "ala-promote", "")?, Vec::new());
        let prepared = self.compose.prepare(&asked)?;
        self.compose.variable(&asked, &prepared, name).await
    }

    /// The files that Compose would take in the folder.
    pub(super) async fn own_files(&self, environment: &EnvironmentSettings) -> BackendResult<Vec<PathBuf>> {
        if let Some(files) = self.files_of_env_file(environment).await? {
            return Ok(files);
        }
        let files = default_files(&environment.dir, self.compose.tool.family());
        let named = named_compose_files(&environment.dir, &environment.name);
        match (files.is_empty(), named.as_slice()) {
            (false, []) => Ok(files),
            (true, [_]) => Ok(named),
            (true, []) => Err(nothing_taken(environment)),
            _ => Err(ambiguous(environment, &files, &named)?),
        }
    }

    /// The files that the env file lists for Compose.
    pub(super) async fn files_of_env_file(
        &self,
        environment: &EnvironmentSettings,
    ) -> BackendResult<Option<Vec<PathBuf>>> {
        let Some(list) = self.variable(environment, "COMPOSE_FILE").await? else { return Ok(None) };
        let separator = self.variable(environment, "COMPOSE_PATH_SEPARATOR").await?;
        let files = listed_files(&environment.dir, &list, separator.as_deref().unwrap_or(":"));
        require_files(environment, &files)?;
        Ok(Some(files))
    }

    /// Leaves out what is named after the project of this environment: an environment before it, whatever files it was
    /// started from.
    pub(super) async fn leave_out_those_named_after(
        &self,
        environment: &EnvironmentSettings,
        own: Option<ProjectName>,
        candidates: &mut Vec<Started>,
    ) -> BackendResult<()> {
        let mut bases: Vec<ProjectName> = candidates.iter().map(|started| started.project.clone()).collect();
        let files = match &environment.files {
            ComposeFiles::Exactly(files) => files.clone(),
            _ => self.own_files(environment).await.unwrap_or_default(),
        };
        match own {
            Some(own) => bases.push(own),
            None => bases.extend(self.natural_project(environment, None, &files).await.ok()),
        }
        for other in self.others(environment) {
            let is_named_after = match &other.files {
                ComposeFiles::OverlayOn { base, .. } => base == &environment.name,
                ComposeFiles::Exactly(_) => {
                    environment.from.as_ref() == Some(&other.name) && other.dir == environment.dir
                }
                _ => false,
            };
            if is_named_after && self.named(other).await?.is_none() {
                let theirs: Vec<_> = bases.iter().filter_map(|base| derived(other, base).ok()).collect();
                candidates.retain(|started| !theirs.contains(&started.project));
            }
        }
        Ok(())
    }

    /// The name that Compose would give the project.
    pub(super) async fn natural_project(
        &self,
        environment: &EnvironmentSettings,
        named: Option<Named>,
        files: &[PathBuf],
    ) -> BackendResult<ProjectName> {
        if let Some(named) = named {
            return Ok(named.project);
        }
        let family = self.compose.tool.family();
        let dir = match family {
            Family::One => environment.dir.canonicalize().unwrap_or_else(|_| environment.dir.clone()),
            Family::Two => environment.dir.clone(),
        };
        let folder = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(project) = self.name_in(environment, files).await? {
            return Ok(project);
        }
        project(environment, &normalised(&folder, family), &format!("the folder {}", dir.display()))
    }

    /// The project of an environment that stands beside another one: the name that a file gives which the other has not,
    /// if that is not the other's project; else it is called after that.
    pub(super) async fn project_beside(
        &self,
        environment: &EnvironmentSettings,
        files: &[PathBuf],
        other_files: &[PathBuf],
        other: &ProjectName,
    ) -> BackendResult<ProjectName> {
        match self.name_in(environment, &files_apart(files, other_files)).await? {
            Some(name) if name != *other => Ok(name),
            _ => derived(environment, other),
        }
    }

    /// The last `name:` that files give.
    async fn name_in(
        &self,
        environment: &EnvironmentSettings,
        files: &[PathBuf],
    ) -> BackendResult<Option<ProjectName>> {
        // v1 knows none, and will refuse the file.
        for file in files.iter().rev().filter(|_| self.compose.tool.family() == Family::Two) {
            let Some(name) = RawFile::read(file)?.name().map(str::to_owned) else { continue };
            let by = format!("`name:` in {}", file.display());
            if !name.contains('$') {
                return project(environment, &name, &by).map(Some);
            }
            let asked = stack(environment, project(environment, "ala-promote", "")?, Vec::new());
            let asked = StackRef { env_file: asked.env_file.filter(|path| path.is_file()), ..asked };
            let prepared = self.compose.prepare(&asked)?;
            let filled =
                self.compose.interpolate(&asked, &prepared, &[name], arguments_without_project).await?;
            return project(environment, &filled.concat(), &by).map(Some);
        }
        Ok(None)
    }
}

/// Those of an environment's files that another one has not.
fn files_apart(files: &[PathBuf], others: &[PathBuf]) -> Vec<PathBuf> {
    let is_shared = |file: &PathBuf| others.iter().any(|other| is_same_path(file, other));
    files.iter().filter(|file| !is_shared(file)).cloned().collect()
}

/// There is no file that Compose takes by itself: why, and what is there.
fn nothing_taken(environment: &EnvironmentSettings) -> BackendError {
    let dir = &environment.dir;
    if let Some(path) = no_file(dir) {
        return invalid(&what(environment), format!("{} is no file", path.display()))
            .with_hint("a link must lead to a file; put the file there, or set `files` in ala-promote.toml");
    }
    let others: Vec<Vec<PathBuf>> = other_compose_files(dir).into_iter().map(|file| vec![file]).collect();
    if others.is_empty() {
        return invalid(&what(environment), format!("there is no Compose file in {}", dir.display()))
            .with_hint("change to the folder with your docker-compose.yml, or name it with --dir");
    }
    let detail = format!(
        "no Compose file in {} has a name that Compose takes by itself, and no container runs that tells which is {}'s",
        dir.display(),
        environment.name
    );
    one_of_files(invalid(&what(environment), detail), environment, &others)
}

/// Several lists of files could be the environment, and nothing runs that tells: the lines to choose from.
fn ambiguous(
    environment: &EnvironmentSettings,
    own: &[PathBuf],
    named: &[PathBuf],
) -> BackendResult<BackendError> {
    let mut choices: Vec<Vec<&PathBuf>> = Vec::new();
    for file in named {
        let beside = Beside::read(file, own)?;
        // What people lay over by hand does not take the override file in.
        if let Some(base) = own.first().filter(|_| !beside.stands_alone()) {
            choices.push(vec![base, file]);
        }
        if own.is_empty() || beside.is_complete() {
            choices.push(vec![file]);
        }
    }
    if !own.is_empty() {
        choices.push(own.iter().collect());
    }
    let choices: Vec<Vec<PathBuf>> =
        choices.into_iter().map(|choice| choice.into_iter().cloned().collect()).collect();
    let all: BTreeSet<String> = choices.iter().flatten().map(|path| quoted(environment, path)).collect();
    let error = invalid(
        &what(environment),
        format!(
            "{} could each be of {}, and no container runs that tells which are",
            all.into_iter().collect::<Vec<_>>().join(", "),
            environment.name
        ),
    );
    Ok(one_of_files(error, environment, &choices))
}

/// Adds what to write where one of several lists of files is meant.
pub(super) fn one_of_files(
    error: BackendError,
    environment: &EnvironmentSettings,
    choices: &[Vec<PathBuf>],
) -> BackendError {
    let line = |choice: &Vec<PathBuf>| {
        let names: Vec<String> = choice.iter().map(|path| as_named(environment, path)).collect();
        line_of(environment, "files", names)
    };
    one_of(error, environment, choices.iter().map(line).collect())
}

/// A line of the config's table of the environment.
pub(super) fn line_of(
    environment: &EnvironmentSettings,
    key: &str,
    value: impl Into<ConfigValue>,
) -> ConfigLine {
    ConfigLine::new(&["environments", environment.name.as_str()], key, value)
}

/// Adds lines of the config of which one is meant.
pub(super) fn one_of(
    error: BackendError,
    environment: &EnvironmentSettings,
    lines: Vec<ConfigLine>,
) -> BackendError {
    let shown: Vec<String> = lines.iter().map(ConfigLine::as_choice).collect();
    error
        .with_hint(format!(
            "add to ala-promote.toml, with the one of these lines that is meant:\n[environments.{}]\n{}",
            environment.name,
            shown.join("\n")
        ))
        .with_choices(lines)
}

/// A path as the config names it.
pub(super) fn as_named(environment: &EnvironmentSettings, path: &Path) -> String {
    path.strip_prefix(&environment.dir).unwrap_or(path).display().to_string()
}

/// The same, in quotes.
pub(super) fn quoted(environment: &EnvironmentSettings, path: &Path) -> String {
    format!("\"{}\"", as_named(environment, path))
}

/// The project of what lies over another environment.
pub(super) fn derived(environment: &EnvironmentSettings, base: &ProjectName) -> BackendResult<ProjectName> {
    let name = normalised(environment.name.as_str(), Family::One);
    project(environment, &format!("{base}-{name}"), "the convention")
}

fn project(environment: &EnvironmentSettings, name: &str, by: &str) -> BackendResult<ProjectName> {
    let checked = ProjectName::new(name).ok().filter(|_| is_project(name));
    checked.ok_or_else(|| {
        invalid(&what(environment), format!("{by} gives `{name}`, which is no Compose project name")).with_hint(
            "set `project` in ala-promote.toml: lower-case letters, digits, `-` and `_`, a letter or digit first",
        )
    })
}
