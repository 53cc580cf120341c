//! What an overlay is laid over, or that it stands alone.

use std::iter;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendResult};
use ala_promote_core::config::{EnvironmentSettings, named_compose_files};
use ala_promote_core::domain::{EnvironmentName, ProjectName, StackRef};

use super::names::{derived, one_of_files, quoted};
use super::reading::Beside;
use super::running::{Started, is_same_list, is_same_path};
use super::{Resolver, conflict, require_files, stack};
use crate::compose::convention::{default_files, is_override, is_taken_by_itself};

impl Resolver<'_> {
    /// Takes the overlay, alone or over the files of its base; where its own env file lists files, takes those.
    pub(super) async fn overlay(
        &self,
        environment: &EnvironmentSettings,
        overlay: &Path,
        base: &EnvironmentName,
        depth: usize,
    ) -> BackendResult<StackRef> {
        require_files(environment, &[overlay.to_owned()])?;
        let base = self.stack(base, depth + 1).await?;
        let listed = self.files_of_env_file(environment).await?;
        let mut others = self.started_here(environment);
        let marks = self.marks(environment, environment, None).await;
        let is_listed = |started: &Started| {
            listed.as_ref().is_some_and(|files| started.has_files(files) && !is_same_list(files, &base.files))
        };
        others.retain(|started| marks(started) || is_listed(started));
        let project = match self.named(environment).await? {
            Some(named) => named.project,
            None => {
                let overlay = [overlay.to_owned()];
                let files = listed.as_deref().unwrap_or(&overlay);
                let own = self.project_beside(environment, files, &base.files, &base.project).await?;
                // What was started before names in files counted.
                let after_base = derived(environment, &base.project)?;
                let runs = |project: &ProjectName| others.iter().any(|started| started.project == *project);
                if runs(&after_base) && !runs(&own) { after_base } else { own }
            }
        };
        others.retain(|started| started.project != project);
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
        let files = match listed {
            Some(files) => files,
            None => self.laid_over(environment, overlay, &base)?,
        };
        Ok(stack(environment, project, files))
    }

    /// The files with what the overlay lies over, or the overlay alone. Where that can be told in several ways, or another
    /// file could be the overlay, what runs of it tells.
    fn laid_over(
        &self,
        environment: &EnvironmentSettings,
        overlay: &Path,
        base: &StackRef,
    ) -> BackendResult<Vec<PathBuf>> {
        let runs = self.started_here(environment);
        let ways = self.ways(overlay, base)?;
        // Over all of the base's files, and alone, also where nobody would be told so.
        let whole = over(&base.files, overlay);
        let is_running = |way: &&Vec<PathBuf>| runs.iter().any(|started| started.has_files(way));
        let alone = vec![overlay.to_owned()];
        if let Some(way) = ways.iter().chain([&whole, &alone]).find(is_running) {
            return Ok(way.clone());
        }
        let mut rivals = named_compose_files(&environment.dir, &environment.name);
        rivals.retain(|file| !is_same_path(file, overlay));
        if !rivals.is_empty() && !runs.iter().any(|started| started.has_file(overlay)) {
            return Err(self.rival_overlays(environment, overlay, &rivals, base)?);
        }
        if let [way] = ways.as_slice() {
            return Ok(way.clone());
        }
        let own = base.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        let error = conflict(
            environment,
            format!(
                "{} is {}: it can't be told which of these, if any, {} is meant to have below {}",
                base.environment,
                own.join(" with "),
                environment.name,
                overlay.display()
            ),
        );
        Err(one_of_files(error, environment, &ways))
    }

    /// Several files that could each be the overlay, where nothing runs that tells.
    fn rival_overlays(
        &self,
        environment: &EnvironmentSettings,
        overlay: &Path,
        rivals: &[PathBuf],
        base: &StackRef,
    ) -> BackendResult<BackendError> {
        let all = || iter::once(overlay).chain(rivals.iter().map(PathBuf::as_path));
        let names: Vec<String> = all().map(|path| quoted(environment, path)).collect();
        let mut ways = Vec::new();
        for file in all() {
            ways.extend(self.ways(file, base)?);
        }
        let error = conflict(
            environment,
            format!(
                "{} could each be of {}, and no container runs that tells which is",
                names.join(", "),
                environment.name
            ),
        );
        Ok(one_of_files(error, environment, &ways))
    }

    /// The lists of files that an overlay could mean, each once.
    fn ways(&self, overlay: &Path, base: &StackRef) -> BackendResult<Vec<Vec<PathBuf>>> {
        let mut ways: Vec<Vec<PathBuf>> = Vec::new();
        for below in self.ways_below(base) {
            let beside = Beside::read(overlay, &below)?;
            let alone = beside.may_stand_alone().then(|| vec![overlay.to_owned()]);
            let over = (!beside.stands_alone()).then(|| over(&below, overlay));
            for way in alone.into_iter().chain(over) {
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        Ok(ways)
    }

    /// What of a base an overlay may lie over: its files without those that are named after it, such as
    /// `docker-compose.prod.yml`, and without the override file, which Compose takes in by itself only where no files are
    /// named. Of others that Compose does not take by itself nobody can tell whether they are the base's own.
    fn ways_below(&self, base: &StackRef) -> Vec<Vec<PathBuf>> {
        let named = named_compose_files(&base.dir, &base.environment);
        let is_named = |file: &PathBuf| named.iter().any(|named| is_same_path(named, file));
        let mut without_named = without_override(&base.files);
        if !without_named.iter().all(is_named) {
            without_named.retain(|file| !is_named(file));
        }
        let (shared, unclear): (Vec<PathBuf>, Vec<PathBuf>) =
            without_named.iter().cloned().partition(|file| is_taken_by_itself(file));
        if unclear.is_empty() {
            return vec![without_named];
        }
        let common = if shared.is_empty() {
            without_override(&default_files(&base.dir, self.compose.tool.family()))
        } else {
            shared
        };
        let common = match (common.is_empty(), without_named.as_slice()) {
            // The first one is what the others are laid over.
            (true, [first, _, ..]) => vec![first.clone()],
            (true, _) => return vec![without_named],
            (false, _) => common,
        };
        if is_same_list(&common, &without_named) { vec![common] } else { vec![common, without_named] }
    }
}

/// The files without the override file, if any others are left.
fn without_override(files: &[PathBuf]) -> Vec<PathBuf> {
    let others: Vec<PathBuf> = files.iter().filter(|file| !is_override(file)).cloned().collect();
    if others.is_empty() { files.to_vec() } else { others }
}

fn over(below: &[PathBuf], overlay: &Path) -> Vec<PathBuf> {
    below.iter().filter(|file| *file != overlay).cloned().chain([overlay.to_owned()]).collect()
}
