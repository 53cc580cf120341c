//! Which project, files and env file an environment means: what runs comes first, then the settings, then what Compose
//! would take by itself. Where these disagree, both are shown and nothing is guessed.

mod running;

use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::config::{ComposeFiles, EnvironmentSettings, Settings};
use ala_promote_core::domain::{EnvironmentName, ProjectName, StackRef};
use futures_util::future::BoxFuture;

pub(crate) use self::running::RunningProject;
use self::running::{Started, is_same_path};
use super::convention::{default_files, is_project, listed_files, normalised};
use super::env_file::{self, EnvFile};
use super::invocation::arguments_without_project;
use super::raw::RawFile;
use super::tool::Family;
use super::{Compose, invalid};

/// How many environments may lie over each other.
const MAX_DEPTH: usize = 8;

impl Compose {
    /// Finds out what an environment means. `running` are all Compose projects of the engine.
    ///
    /// # Errors
    /// - `Invalid`: a file or env file is missing, or a name can't be used.
    /// - `Conflict`: what runs is not what settings or conventions say, or two environments would be one project.
    pub(crate) async fn resolve(
        &self,
        settings: &Settings,
        environment: &EnvironmentName,
        running: &[RunningProject],
    ) -> BackendResult<StackRef> {
        let resolver = Resolver { compose: self, settings, running };
        let stack = resolver.stack(environment, 0).await?;
        if let Some(path) = stack.env_file.as_ref().filter(|path| !path.is_file()) {
            return Err(env_file::missing(path));
        }
        resolver.refuse_shared_project(&stack).await?;
        resolver.refuse_foreign_project(&stack)?;
        Ok(stack)
    }
}

struct Resolver<'a> {
    compose: &'a Compose,
    settings: &'a Settings,
    running: &'a [RunningProject],
}

/// A project name that somebody chose, and who.
struct Named {
    project: ProjectName,
    by: String,
}

impl<'a> Resolver<'a> {
    /// What an environment means. Whether its env file exists is left to the caller: for what lies over it, it need
    /// not.
    fn stack<'s>(
        &'s self,
        name: &'s EnvironmentName,
        depth: usize,
    ) -> BoxFuture<'s, BackendResult<StackRef>> {
        Box::pin(async move {
            let environment = self.settings.environments.get(name).ok_or_else(|| {
                BackendError::new(
                    BackendErrorKind::NotFound,
                    "find the environment",
                    format!("there is no environment `{name}`"),
                )
            })?;
            if depth > MAX_DEPTH {
                return Err(invalid(&what(environment), "its files are based on themselves"));
            }
            match &environment.files {
                ComposeFiles::AsRunning => self.as_running(environment).await,
                ComposeFiles::Exactly(files) => self.exactly(environment, files, depth).await,
                ComposeFiles::OverlayOn { overlay, base } => {
                    self.overlay(environment, overlay, base, depth).await
                }
                _ => Err(BackendError::new(
                    BackendErrorKind::Unsupported,
                    what(environment),
                    "this way of finding Compose files is not known here",
                )),
            }
        })
    }

    /// Adopts what runs in the folder; where nothing does, takes what Compose would.
    async fn as_running(&self, environment: &EnvironmentSettings) -> BackendResult<StackRef> {
        let candidates = self.candidates(environment).await?;
        let named = self.named(environment).await?;
        if let Some(started) = self.chosen(environment, named.as_ref(), &candidates)? {
            return started.stack(environment);
        }
        let files = self.own_files(environment).await?;
        let project = self.natural_project(environment, named, &files).await?;
        Ok(stack(environment, project, files))
    }

    /// Takes the files that are named; what runs of just these tells the project.
    async fn exactly(
        &self,
        environment: &EnvironmentSettings,
        files: &[PathBuf],
        depth: usize,
    ) -> BackendResult<StackRef> {
        require_files(environment, files)?;
        let mut candidates = self.started_here(environment);
        candidates.retain(|started| started.has_files(files));
        let named = self.named(environment).await?;
        if let Some(started) = self.chosen(environment, named.as_ref(), &candidates)? {
            return Ok(stack(environment, started.project, files.to_vec()));
        }
        // What another environment is promoted from is named after that one.
        let next = self.settings.promoted_from(&environment.name).find(|next| next.dir == environment.dir);
        let project = match (named, next) {
            (None, Some(next)) => derived(environment, &self.stack(&next.name, depth + 1).await?)?,
            (named, _) => self.natural_project(environment, named, files).await?,
        };
        Ok(stack(environment, project, files.to_vec()))
    }

    /// Takes the overlay, alone or over the files of its base.
    async fn overlay(
        &self,
        environment: &EnvironmentSettings,
        overlay: &Path,
        base: &EnvironmentName,
        depth: usize,
    ) -> BackendResult<StackRef> {
        require_files(environment, &[overlay.to_owned()])?;
        let base = self.stack(base, depth + 1).await?;
        let files = if stands_alone(overlay, &base.files)? {
            vec![overlay.to_owned()]
        } else {
            base.files.iter().filter(|file| *file != overlay).cloned().chain([overlay.to_owned()]).collect()
        };
        let project = match self.named(environment).await? {
            Some(named) => named.project,
            None => derived(environment, &base)?,
        };
        let mut others = self.started_here(environment);
        others.retain(|started| started.has_file(overlay) && started.project != project);
        if let Some(other) = others.first() {
            return Err(conflict(
                environment,
                format!(
                    "it is project `{project}` by its settings, but {} with {} as project `{}`",
                    other.count(),
                    overlay.display(),
                    other.project
                ),
            )
            .with_hint(if other.project == base.project {
                format!(
                    "they were started over those of {}: start that one again from its own files, as project `{}`",
                    base.environment, base.project
                )
            } else {
                format!(
                    "if they are {}, set `project = \"{}\"` for it in ala-promote.toml; else take them down",
                    environment.name, other.project
                )
            }));
        }
        Ok(stack(environment, project, files))
    }

    /// The one that runs and is meant; `None` when none runs.
    fn chosen(
        &self,
        environment: &EnvironmentSettings,
        named: Option<&Named>,
        candidates: &[Started],
    ) -> BackendResult<Option<Started>> {
        let mut projects: Vec<_> = candidates.iter().map(|started| started.project.clone()).collect();
        projects.sort();
        projects.dedup();
        let shown = || candidates.iter().map(Started::to_string).collect::<Vec<_>>().join("; ");
        let project = match (named, projects.as_slice()) {
            (_, []) => return Ok(None),
            (Some(named), projects) if projects.contains(&named.project) => named.project.clone(),
            (Some(named), _) => {
                return Err(conflict(
                    environment,
                    format!("{} names project `{}`, but what runs is: {}", named.by, named.project, shown()),
                )
                .with_hint(format!(
                    "if that is {}, set its `project` in ala-promote.toml to what runs; else take it down",
                    environment.name
                )));
            }
            (None, [project]) => project.clone(),
            (None, _) => {
                return Err(conflict(
                    environment,
                    format!("several projects run in its folder: {}", shown()),
                )
                .with_hint(format!("set `project` for {} in ala-promote.toml", environment.name)));
            }
        };
        let mut ways: Vec<&Started> =
            candidates.iter().filter(|started| started.project == project).collect();
        ways.sort_by_key(|started| std::cmp::Reverse(started.containers));
        let Some((first, rest)) = ways.split_first() else { return Ok(None) };
        if rest.iter().any(|other| !other.means_the_same(first)) {
            return Err(conflict(
                environment,
                format!("its containers were started from different files: {}", shown()),
            )
            .with_hint("start all of them from the same files once, or set `files` in ala-promote.toml"));
        }
        Ok(Some((*first).clone()))
    }

    /// What runs in the folder and belongs to no other environment.
    async fn candidates(&self, environment: &EnvironmentSettings) -> BackendResult<Vec<Started>> {
        let mut candidates = self.started_here(environment);
        for other in self.others(environment) {
            candidates.retain(|started| match &other.files {
                ComposeFiles::OverlayOn { overlay, .. } => !started.has_file(overlay),
                ComposeFiles::Exactly(files) => !started.has_files(files),
                _ => true,
            });
            let own = self.named(environment).await?;
            // Started without inherited ports, its containers name that file instead of its own.
            let derived = self.settings.derived_file(&other.name);
            candidates.retain(|started| !started.has_file(&derived));
            if let Some(claim) = self.named(other).await?
                && own.is_none_or(|own| own.project != claim.project)
            {
                candidates.retain(|started| started.project != claim.project);
            }
        }
        Ok(candidates)
    }

    fn others(&self, environment: &EnvironmentSettings) -> impl Iterator<Item = &'a EnvironmentSettings> {
        let name = environment.name.clone();
        self.settings.environments.values().filter(move |other| other.name != name)
    }

    fn started_here(&self, environment: &EnvironmentSettings) -> Vec<Started> {
        let here = self.running.iter().filter(|running| is_same_path(&running.working_dir, &environment.dir));
        here.map(|running| Started::new(running, environment)).collect()
    }

    /// The project that the settings or the env file name.
    async fn named(&self, environment: &EnvironmentSettings) -> BackendResult<Option<Named>> {
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
    async fn own_files(&self, environment: &EnvironmentSettings) -> BackendResult<Vec<PathBuf>> {
        if let Some(list) = self.variable(environment, "COMPOSE_FILE").await? {
            let separator = self.variable(environment, "COMPOSE_PATH_SEPARATOR").await?;
            let files = listed_files(&environment.dir, &list, separator.as_deref().unwrap_or(":"));
            require_files(environment, &files)?;
            return Ok(files);
        }
        let files = default_files(&environment.dir, self.compose.tool.family());
        if files.is_empty() {
            return Err(invalid(
                &what(environment),
                format!("there is no Compose file in {}", environment.dir.display()),
            )
            .with_hint("change to the folder with your docker-compose.yml, or name it with --dir"));
        }
        Ok(files)
    }

    /// The name that Compose would give the project.
    async fn natural_project(
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
        // v1 knows no `name:`, and will refuse the file.
        for file in files.iter().rev().filter(|_| family == Family::Two) {
            let Some(name) = RawFile::read(file)?.name().map(str::to_owned) else { continue };
            let by = format!("`name:` in {}", file.display());
            if !name.contains('$') {
                return project(environment, &name, &by);
            }
            let asked = stack(environment, project(environment, "ala-promote", "")?, Vec::new());
            let asked = StackRef { env_file: asked.env_file.filter(|path| path.is_file()), ..asked };
            let prepared = self.compose.prepare(&asked)?;
            let filled =
                self.compose.interpolate(&asked, &prepared, &[name], arguments_without_project).await?;
            return project(environment, &filled.concat(), &by);
        }
        project(environment, &normalised(&folder, family), &format!("the folder {}", dir.display()))
    }

    /// Two environments in one project: each start would replace the other's containers.
    async fn refuse_shared_project(&self, stack: &StackRef) -> BackendResult<()> {
        for other in self.settings.environments.keys().filter(|name| **name != stack.environment) {
            // What is wrong with the other one is said when it is asked for.
            let Ok(other) = self.stack(other, 0).await else { continue };
            if other.project == stack.project {
                return Err(BackendError::new(
                    BackendErrorKind::Conflict,
                    format!("resolve {}", stack.environment),
                    format!(
                        "{} and {} would both be Compose project `{}`, so that each start replaces the other's \
                         containers",
                        stack.environment, other.environment, stack.project
                    ),
                )
                .with_hint(
                    "give one of them another COMPOSE_PROJECT_NAME in its env file, or `project` in \
                     ala-promote.toml",
                ));
            }
        }
        Ok(())
    }

    /// A project of that name which is somebody else's: `up` would replace its containers.
    fn refuse_foreign_project(&self, stack: &StackRef) -> BackendResult<()> {
        let mut same = self.running.iter().filter(|running| running.project == stack.project);
        let Some(environment) = self.settings.environments.get(&stack.environment) else { return Ok(()) };
        if let Some(foreign) = same.clone().find(|running| !is_same_path(&running.working_dir, &stack.dir)) {
            return Err(conflict(
                environment,
                format!(
                    "it is project `{}` in {}, but that project runs from {}",
                    stack.project,
                    stack.dir.display(),
                    foreign.working_dir.display()
                ),
            )
            .with_hint(
                "set COMPOSE_PROJECT_NAME in the env file, or `project` in ala-promote.toml, to a name of its own; \
                 if the folder was moved here, recreate its containers once with Compose",
            ));
        }
        let overlay_of = |other: &EnvironmentSettings| match &other.files {
            ComposeFiles::OverlayOn { overlay, .. } => Some(overlay.clone()),
            _ => None,
        };
        let overlays: Vec<_> = self.others(environment).filter_map(overlay_of).collect();
        let mixed = same.find_map(|running| {
            let started = Started::new(running, environment);
            overlays
                .iter()
                .find(|overlay| started.has_file(overlay) && !stack.files.contains(overlay))
                .cloned()
        });
        match mixed {
            None => Ok(()),
            Some(overlay) => Err(conflict(
                environment,
                format!(
                    "containers of its project `{}` were started with {}",
                    stack.project,
                    overlay.display()
                ),
            )
            .with_hint(format!("start {} again from its own files", stack.environment))),
        }
    }
}

/// Whether an overlay is a stack of its own: each of its services has `image` or `build`, and it leaves out none of the
/// base's services and none of the base's builds. A file that only names other images is an overlay.
fn stands_alone(overlay: &Path, base: &[PathBuf]) -> BackendResult<bool> {
    let overlay = RawFile::read(overlay)?;
    let own: Vec<_> = overlay.services().collect();
    if own.is_empty() || own.iter().any(|(_, defined, _)| !defined) {
        return Ok(false);
    }
    for file in base {
        let file = RawFile::read(file)?;
        let lost = file.services().any(|(name, _, build)| {
            !own.iter().any(|(own_name, _, own_build)| *own_name == name && (*own_build || !build))
        });
        if lost {
            return Ok(false);
        }
    }
    Ok(true)
}

fn stack(environment: &EnvironmentSettings, project: ProjectName, files: Vec<PathBuf>) -> StackRef {
    StackRef {
        environment: environment.name.clone(),
        project,
        dir: environment.dir.clone(),
        files,
        env_file: environment.env_file.clone(),
        dropped_ports: Vec::new(),
        derived_file: None,
    }
}

/// The project of what lies over another environment.
fn derived(environment: &EnvironmentSettings, base: &StackRef) -> BackendResult<ProjectName> {
    let name = normalised(environment.name.as_str(), Family::One);
    project(environment, &format!("{}-{name}", base.project), "the convention")
}

fn project(environment: &EnvironmentSettings, name: &str, by: &str) -> BackendResult<ProjectName> {
    let checked = ProjectName::new(name).ok().filter(|_| is_project(name));
    checked.ok_or_else(|| {
        invalid(&what(environment), format!("{by} gives `{name}`, which is no Compose project name")).with_hint(
            "set `project` in ala-promote.toml: lower-case letters, digits, `-` and `_`, a letter or digit first",
        )
    })
}

fn require_files(environment: &EnvironmentSettings, files: &[PathBuf]) -> BackendResult<()> {
    match files.iter().find(|path| !path.is_file()) {
        None => Ok(()),
        Some(path) => {
            Err(invalid(&what(environment), format!("Compose file {} does not exist", path.display()))
                .with_hint("write it, or name another one as `files` in ala-promote.toml"))
        }
    }
}

fn what(environment: &EnvironmentSettings) -> String {
    format!("resolve {}", environment.name)
}

fn conflict(environment: &EnvironmentSettings, detail: String) -> BackendError {
    BackendError::new(BackendErrorKind::Conflict, what(environment), detail)
}
