//! What an overlay is laid over, or that it stands alone.

use std::path::{Path, PathBuf};

use ala_promote_core::backend::BackendResult;
use ala_promote_core::config::{EnvironmentSettings, named_compose_files};
use ala_promote_core::domain::{EnvironmentName, StackRef};

use super::names::{derived, one_of_files};
use super::running::{is_same_list, is_same_path};
use super::{Resolver, conflict, require_files, stack};
use crate::compose::convention::{default_files, is_taken_by_itself};
use crate::compose::raw::RawFile;

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
        let project = match self.named(environment).await? {
            Some(named) => named.project,
            None => derived(environment, &base.project)?,
        };
        let mut others = self.started_here(environment);
        let marks = self.marks(environment, environment, None).await;
        others.retain(|started| marks(started) && started.project != project);
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
        let files = match self.files_of_env_file(environment).await? {
            Some(files) => files,
            None => self.laid_over(environment, overlay, &base)?,
        };
        Ok(stack(environment, project, files))
    }

    /// The files with what the overlay lies over. Where that can be told in several ways, what runs of it tells.
    fn laid_over(
        &self,
        environment: &EnvironmentSettings,
        overlay: &Path,
        base: &StackRef,
    ) -> BackendResult<Vec<PathBuf>> {
        let mut ways: Vec<Vec<PathBuf>> = Vec::new();
        for below in self.ways_below(base) {
            let alone = vec![overlay.to_owned()];
            let stands_alone = stands_alone(overlay, &below)?;
            let may_stand_alone = stands_alone || has_other_names(overlay, &below)?;
            let over: Vec<_> =
                below.into_iter().filter(|file| file != overlay).chain(alone.clone()).collect();
            for way in may_stand_alone.then_some(alone).into_iter().chain((!stands_alone).then_some(over)) {
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        let runs = self.started_here(environment);
        let as_running = ways.iter().find(|way| runs.iter().any(|started| started.has_files(way)));
        match (ways.as_slice(), as_running) {
            ([way], _) | (_, Some(way)) => Ok(way.clone()),
            _ => {
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
        }
    }

    /// What of a base an overlay may lie over: its files without those that are named after it, such as
    /// `docker-compose.prod.yml`. Of others that Compose does not take by itself nobody can tell whether they are the
    /// base's own.
    fn ways_below(&self, base: &StackRef) -> Vec<Vec<PathBuf>> {
        let named = named_compose_files(&base.dir, &base.environment);
        let is_named = |file: &PathBuf| named.iter().any(|named| is_same_path(named, file));
        let mut without_named = base.files.clone();
        if !base.files.iter().all(is_named) {
            without_named.retain(|file| !is_named(file));
        }
        let (shared, unclear): (Vec<PathBuf>, Vec<PathBuf>) =
            without_named.iter().cloned().partition(|file| is_taken_by_itself(file));
        if unclear.is_empty() {
            return vec![without_named];
        }
        let common =
            if shared.is_empty() { default_files(&base.dir, self.compose.tool.family()) } else { shared };
        let common = match (common.is_empty(), without_named.as_slice()) {
            // The first one is what the others are laid over.
            (true, [first, _, ..]) => vec![first.clone()],
            (true, _) => return vec![without_named],
            (false, _) => common,
        };
        if is_same_list(&common, &without_named) { vec![common] } else { vec![common, without_named] }
    }
}

/// Whether an overlay could be a stack of its own whose services have other names: each of them has `image` or `build`,
/// and none is one of the base's, or one of another name is made of the same thing as one of the base's that it does not
/// name. Over the base it would start the base's services beside its own.
fn has_other_names(overlay: &Path, base: &[PathBuf]) -> BackendResult<bool> {
    let overlay = RawFile::read(overlay)?;
    if overlay.services().next().is_none() || overlay.services().any(|(_, defined, _)| !defined) {
        return Ok(false);
    }
    let base = base.iter().map(|file| RawFile::read(file)).collect::<BackendResult<Vec<_>>>()?;
    // Compose says better what is wrong with a file that can't be read.
    if base.iter().any(|file| !file.understood) {
        return Ok(false);
    }
    let has = |file: &RawFile, name: &str| file.services().any(|(own, ..)| own == name);
    let is_of_the_base = |name: &str| base.iter().any(|file| has(file, name));
    let is_renamed = |name: &str| {
        let is_like =
            |file: &RawFile, other: &str| !has(&overlay, other) && overlay.is_made_alike(name, file, other);
        base.iter().any(|file| file.services().any(|(other, ..)| is_like(file, other)))
    };
    let (shared, others): (Vec<&str>, Vec<&str>) =
        overlay.services().map(|(name, ..)| name).partition(|name: &&str| is_of_the_base(name));
    Ok(shared.is_empty() || others.into_iter().any(is_renamed))
}

/// Whether an overlay is a stack of its own: each of its services has `image` or `build`, and it leaves out none of the
/// base's services and none of the base's builds. A file that only names other images is an overlay.
pub(super) fn stands_alone(overlay: &Path, base: &[PathBuf]) -> BackendResult<bool> {
    let overlay = RawFile::read(overlay)?;
    let own: Vec<_> = overlay.services().collect();
    if own.is_empty() || own.iter().any(|(_, defined, _)| !defined) {
        return Ok(false);
    }
    for file in base {
        let file = RawFile::read(file)?;
        // Compose will say what is wrong with it; that must not be lost by leaving it out.
        if !file.understood {
            return Ok(false);
        }
        let lost = file.services().any(|(name, _, build)| {
            !own.iter().any(|(own_name, _, own_build)| *own_name == name && (*own_build || !build))
        });
        if lost {
            return Ok(false);
        }
    }
    Ok(true)
}
