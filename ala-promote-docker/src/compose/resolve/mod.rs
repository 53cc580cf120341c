//! Which project, files and env file an environment means: what runs comes first, then the settings, then what Compose
//! would take by itself. Where these disagree, both are shown and nothing is guessed.

mod names;
mod overlay;
mod reading;
mod refusals;
mod running;

use std::path::PathBuf;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::config::{ComposeFiles, EnvironmentSettings, Settings};
use ala_promote_core::domain::{EnvironmentName, ProjectName, StackRef};
use futures_util::future::BoxFuture;

use self::names::Named;
pub(crate) use self::running::RunningProject;
use self::running::{Started, is_same_list, is_same_path};
use super::env_file;
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
        resolver.refuse_rival_env_files(&stack)?;
        resolver.refuse_shared_project(&stack).await?;
        resolver.refuse_foreign_project(&stack).await?;
        Ok(stack)
    }
}

struct Resolver<'a> {
    compose: &'a Compose,
    settings: &'a Settings,
    running: &'a [RunningProject],
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
        let written = self.settings.derived_file(&environment.name);
        let candidates = self.started_here(environment).into_iter();
        let mut candidates: Vec<_> =
            candidates.map(|started| started.seen_through(&written, files)).collect();
        candidates.retain(|started| started.has_files(files));
        let named = self.named(environment).await?;
        self.leave_out_those_of_others(environment, files, named.as_ref(), &mut candidates).await?;
        if let Some(started) = self.chosen(environment, named.as_ref(), &candidates)? {
            return started.stack_of(environment, files);
        }
        // What another environment is promoted from is named after that one.
        let is_over_this = |next: &EnvironmentSettings| matches!(&next.files, ComposeFiles::OverlayOn { base, .. } if *base == environment.name);
        let mut next = self.settings.promoted_from(&environment.name);
        let next = next.find(|next| next.dir == environment.dir && !is_over_this(next));
        let project = match (named, next) {
            (None, Some(next)) => {
                let next = self.stack(&next.name, depth + 1).await?;
                self.project_beside(environment, files, &next.files, &next.project).await?
            }
            (named, _) => self.natural_project(environment, named, files).await?,
        };
        self.refuse_second(environment, &project, files).await?;
        Ok(stack(environment, project, files.to_vec()))
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
                    "if that is {}, set its `project` in ala-promote.toml to what runs; if it is another \
                     environment, set that one's; else take it down",
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
        let own = self.named(environment).await?.map(|named| named.project);
        for other in self.others(environment) {
            let claim = self.named(other).await?;
            let marks = self.marks(other, environment, claim.as_ref()).await;
            candidates.retain(|started| !marks(started));
            if let Some(claim) = &claim {
                candidates.retain(|s| own.as_ref() == Some(&claim.project) || s.project != claim.project);
            }
        }
        self.leave_out_those_named_after(environment, own, &mut candidates).await?;
        Ok(candidates)
    }

    /// Tells what was started from files that only `owner` has, as `asker` sees it: its overlay, its own list, or what was
    /// written to start it without inherited ports. Of a list that both may have, its project tells, where that is named.
    async fn marks<'s>(
        &'s self,
        owner: &'s EnvironmentSettings,
        asker: &EnvironmentSettings,
        claim: Option<&'s Named>,
    ) -> impl Fn(&Started) -> bool + use<'s> {
        let is_shared = match &owner.files {
            ComposeFiles::Exactly(files) => self.may_have(asker, files).await,
            _ => false,
        };
        let is_claimed = move |started: &Started| claim.is_some_and(|claim| claim.project == started.project);
        let written = self.settings.derived_file(&owner.name);
        move |started| {
            started.has_file(&written)
                || match &owner.files {
                    ComposeFiles::OverlayOn { overlay, .. } => started.has_file(overlay),
                    ComposeFiles::Exactly(files) => {
                        started.has_files(files) && (!is_shared || is_claimed(started))
                    }
                    _ => false,
                }
        }
    }

    /// Whether an environment may be started from just these files.
    async fn may_have(&self, environment: &EnvironmentSettings, files: &[PathBuf]) -> bool {
        match &environment.files {
            ComposeFiles::Exactly(own) => is_same_list(own, files),
            ComposeFiles::AsRunning => {
                self.own_files(environment).await.is_ok_and(|own| is_same_list(&own, files))
            }
            _ => false,
        }
    }

    /// Of what was started from files that another environment has too, leaves out what is that one's by its project.
    async fn leave_out_those_of_others(
        &self,
        environment: &EnvironmentSettings,
        files: &[PathBuf],
        named: Option<&Named>,
        candidates: &mut Vec<Started>,
    ) -> BackendResult<()> {
        let own = named.map(|named| named.project.clone());
        for other in self.others(environment) {
            let claim = self.named(other).await?;
            // Without a name, what comes before this environment is named after it: below.
            let is_named_after = claim.is_none() && environment.from.as_ref() == Some(&other.name);
            if !is_named_after && self.may_have(other, files).await {
                let theirs = self.natural_project(other, claim, files).await?;
                candidates.retain(|started| own.as_ref() == Some(&theirs) || started.project != theirs);
            }
        }
        self.leave_out_those_named_after(environment, own, candidates).await
    }

    fn others(&self, environment: &EnvironmentSettings) -> impl Iterator<Item = &'a EnvironmentSettings> {
        let name = environment.name.clone();
        self.settings.environments.values().filter(move |other| other.name != name)
    }

    fn started_here(&self, environment: &EnvironmentSettings) -> Vec<Started> {
        let here = self.running.iter().filter(|running| is_same_path(&running.working_dir, &environment.dir));
        here.map(|running| Started::new(running, environment)).collect()
    }
}

fn stack(environment: &EnvironmentSettings, project: ProjectName, files: Vec<PathBuf>) -> StackRef {
    StackRef {
        environment: environment.name.clone(),
        project,
        dir: environment.dir.clone(),
        files,
        env_file: environment.env_file.clone(),
        service_env_files: environment.service_env_files(),
        changes: Vec::new(),
        derived_file: None,
    }
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
