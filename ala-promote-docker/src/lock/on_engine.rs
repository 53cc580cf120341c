//! Locks on the engine: containers that are never started and of which only the name matters, since of any number that
//! create one name at once, one does.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::{Acquired, BackendError, BackendErrorKind, BackendResult, LockHolder};
use ala_promote_core::domain::{OperationId, ProjectName};
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder,
};

use super::held_by;
use super::process_mark::{Life, ProcessMark};
use crate::containers::{Containers, labels_of, name_of};
use crate::engine::Engine;
use crate::error::{engine_error, is_conflict, is_not_found};
use crate::placeholder;

/// The project that a lock is for.
const LOCK_LABEL: &str = "ala-promote.lock";
/// Who holds it.
const HOLDER_LABEL: &str = "ala-promote.lock.holder";
/// Its process.
const PROCESS_LABEL: &str = "ala-promote.lock.process";
/// In the names of locks that were taken from the dead.
const TAKEN: &str = "-taken-";
/// How often a lock is asked for that is released or taken at the same moment.
const ATTEMPTS: usize = 5;

/// The locks of an engine.
#[derive(Debug, Clone)]
pub(crate) struct EngineLocks {
    engine: Arc<Engine>,
    containers: Containers,
}

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Taken {
    /// The id of the container that is ours.
    Ours(String),
    /// Who has it.
    Busy(Acquired),
}

/// A lock that was found held.
#[derive(Debug)]
pub(crate) struct Found {
    id: String,
    pub(crate) holder: LockHolder,
    process: Option<ProcessMark>,
}

impl Found {
    async fn life(&self, held: &Path) -> Life {
        match &self.process {
            Some(process) => process.life(held).await,
            None => Life::Unknown,
        }
    }

    /// What its being held means to one who asks.
    fn busy(self, life: Life) -> Acquired {
        match (life, self.process) {
            (Life::Alive, Some(process)) => held_by(Some(self.holder), process.lock_file()),
            (life, _) => Acquired::Busy { holder: Some(self.holder), alive: life != Life::Dead },
        }
    }
}

impl EngineLocks {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { containers: Containers::new(Arc::clone(&engine)), engine }
    }

    /// Takes the lock of a project for one who holds the lock on its file (`mark`).
    pub(crate) async fn take(
        &self,
        project: &ProjectName,
        holder: &LockHolder,
        mark: &ProcessMark,
        take_over: Option<&OperationId>,
    ) -> BackendResult<Taken> {
        for _ in 0..ATTEMPTS {
            if let Some(id) = self.create(project, holder, mark).await? {
                self.sweep(project).await;
                return Ok(Taken::Ours(id));
            }
            // Released in between: ask again.
            let Some(found) = self.read(project).await? else { continue };
            let life = found.life(mark.lock_file()).await;
            let may_take = take_over == Some(&found.holder.operation) && life != Life::Alive;
            if !may_take {
                return Ok(Taken::Busy(found.busy(life)));
            }
            self.move_aside(project, &found.id).await?;
        }
        Ok(Taken::Busy(Acquired::Busy { holder: None, alive: true }))
    }

    /// The lock of a project, if somebody has it.
    pub(crate) async fn read(&self, project: &ProjectName) -> BackendResult<Option<Found>> {
        let name = name(project);
        let Some(inspect) = self.containers.inspect(&name).await? else { return Ok(None) };
        let labels = labels_of(&inspect);
        let holder = labels.get(HOLDER_LABEL).and_then(|json| serde_json::from_str(json).ok());
        let (Some(id), Some(holder)) = (inspect.id.clone(), holder) else {
            return Err(BackendError::new(
                BackendErrorKind::Conflict,
                format!("lock {project} on the engine"),
                format!("a container named {name} is in the way that is no lock of this version"),
            )
            .with_hint(format!("look at it with `docker inspect {name}`; if nothing works on {project}, remove it with `docker rm {name}`")));
        };
        let process = labels.get(PROCESS_LABEL).and_then(|json| serde_json::from_str(json).ok());
        Ok(Some(Found { id, holder, process }))
    }

    /// Whether the lock with this id still stands under the project's name.
    pub(crate) async fn check(&self, project: &ProjectName, id: &str) -> BackendResult<()> {
        let lost = |detail: &str| {
            BackendError::new(
                BackendErrorKind::Conflict,
                format!("look at the lock of {project} on the engine"),
                detail,
            )
            .with_hint("see who works on it with `ala-promote status`, then run `ala-promote recover`")
        };
        match self.containers.inspect(id).await? {
            None => Err(lost("it was removed, as `docker container prune` would")),
            Some(inspect) if has_name(&inspect, &name(project)) => Ok(()),
            Some(_) => Err(lost("another operation took it over")),
        }
    }

    /// Ensures that the container is gone.
    pub(crate) async fn remove(&self, id: &str) -> BackendResult<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(false).build();
        match self.engine.docker().remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            // Gone, or just being removed by another.
            Err(error) if is_not_found(&error) || is_conflict(&error) => Ok(()),
            Err(error) => Err(engine_error("release the lock on the engine", error)),
        }
    }

    /// `None` when the name is taken.
    async fn create(
        &self,
        project: &ProjectName,
        holder: &LockHolder,
        mark: &ProcessMark,
    ) -> BackendResult<Option<String>> {
        let what = format!("lock {project} on the engine");
        let labels = [
            (LOCK_LABEL, project.to_string()),
            (HOLDER_LABEL, to_json(holder, &what)?),
            (PROCESS_LABEL, to_json(mark, &what)?),
        ];
        let labels: HashMap<String, String> = labels.map(|(key, value)| (key.to_owned(), value)).into();
        match self.create_container(project, labels.clone()).await {
            Err(error) if is_not_found(&error) => {
                placeholder::ensure(&self.engine).await?;
                settle(self.create_container(project, labels).await, what)
            }
            outcome => settle(outcome, what),
        }
    }

    async fn create_container(
        &self,
        project: &ProjectName,
        labels: HashMap<String, String>,
    ) -> Result<String, Error> {
        let body = ContainerCreateBody {
            image: Some(placeholder::reference()),
            // The engine wants a command; nothing ever runs it.
            cmd: Some(vec!["-".to_owned()]),
            labels: Some(labels),
            network_disabled: Some(true),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&name(project)).build();
        Ok(self.engine.docker().create_container(Some(options), body).await?.id)
    }

    /// Frees the name of a dead holder's lock. Of any number that do it at once one succeeds: the others rename what
    /// has the new name already, or is gone. Who succeeded is settled by who creates the name next.
    async fn move_aside(&self, project: &ProjectName, id: &str) -> BackendResult<()> {
        let aside = format!("{}{}", aside(project), id.get(..12).unwrap_or(id));
        let options = RenameContainerOptionsBuilder::default().name(&aside).build();
        match self.engine.docker().rename_container(id, options).await {
            Ok(()) | Err(Error::DockerResponseServerError { .. }) => Ok(()),
            Err(error) => Err(engine_error(format!("take over the lock of {project}"), error)),
        }
    }

    /// Removes what takeovers left, also those that were killed. Harmless if it fails: nobody looks at those names.
    async fn sweep(&self, project: &ProjectName) {
        let Ok(locks) = self.containers.labelled(LOCK_LABEL, project.as_str()).await else { return };
        let taken = locks.iter().filter(|lock| is_aside(&name_of(lock), project));
        for id in taken.filter_map(|lock| lock.id.as_deref()) {
            if let Err(error) = self.remove(id).await {
                tracing::debug!(%error, "a lock that was taken over is left");
            }
        }
    }
}

fn settle(outcome: Result<String, Error>, what: String) -> BackendResult<Option<String>> {
    match outcome {
        Ok(id) => Ok(Some(id)),
        Err(error) if is_conflict(&error) => Ok(None),
        Err(error) => Err(engine_error(what, error)),
    }
}

fn name(project: &ProjectName) -> String {
    format!("ala-promote-lock-{project}")
}

/// What the names of locks begin with that were taken from the dead.
fn aside(project: &ProjectName) -> String {
    format!("{}{TAKEN}", name(project))
}

/// Projects may be called anything: the lock of `x-taken-y` is none that was taken.
fn is_aside(container: &str, project: &ProjectName) -> bool {
    container.starts_with(&aside(project))
}

fn has_name(inspect: &ContainerInspectResponse, name: &str) -> bool {
    inspect.name.as_deref().is_some_and(|found| found.trim_start_matches('/') == name)
}

fn to_json(value: &impl serde::Serialize, what: &str) -> BackendResult<String> {
    serde_json::to_string(value).map_err(|error| {
        BackendError::new(BackendErrorKind::Failed, what, "the holder's note can't be written")
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_s_own_lock_is_never_taken_for_one_that_was_taken() {
        let project = ProjectName::new("ala-taken-over").unwrap();
        assert!(!is_aside(&name(&project), &project));
        assert!(is_aside(&format!("{}{TAKEN}0123456789ab", name(&project)), &project));
    }
}
