//! Containers as they were: saved to a file, and made again from it.

mod file;
mod recreate;
mod restore;
mod saved;

use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{ProjectName, ServiceName, StackRef};
use bollard::models::ContainerSummary;

use crate::containers::{Containers, is_one_off, label};
use crate::durable;
use crate::engine::Engine;
use crate::error::{engine_error, is_not_found};
use crate::images::Images;
use crate::labels;

use file::{SavedService, Snapshot};
use restore::Restore;
use saved::Saved;

/// Saves and restores containers of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots {
    engine: Arc<Engine>,
    containers: Containers,
    images: Images,
}

impl Snapshots {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            containers: Containers::new(Arc::clone(&engine)),
            images: Images::new(Arc::clone(&engine)),
            engine,
        }
    }

    /// Saves how the containers of these services are made.
    pub(crate) async fn save(
        &self,
        stack: &StackRef,
        services: &[ServiceName],
        file: &Path,
    ) -> BackendResult<()> {
        if let Some(snapshot) = Snapshot::read_if_there(file)? {
            return snapshot.must_be_of(&stack.project, file);
        }
        let listed = self.of_services(&stack.project, services).await?;
        let mut saved = Vec::new();
        for service in services {
            let mut containers = Vec::new();
            for id in listed.iter().filter(|(of, _)| of == service).map(|(_, id)| id) {
                // One that went away since it was listed is not part of what runs.
                if let Some(inspect) = self.inspect(id).await? {
                    containers.push(inspect);
                }
            }
            saved.push(SavedService { service: service.clone(), containers });
        }
        for container in saved.iter().flat_map(|service| service.containers.iter()) {
            Saved::new(container)?.refuse_unsupported()?;
        }
        Snapshot::new(stack, saved).write(file)
    }

    /// Ensures that what was saved is so again.
    pub(crate) async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        let snapshot = Snapshot::read_if_there(file)?.ok_or_else(|| {
            BackendError::new(
                BackendErrorKind::NotFound,
                format!("restore the containers of {}", stack.project),
                format!("the snapshot {} is not there", file.display()),
            )
        })?;
        snapshot.must_be_of(&stack.project, file)?;
        Restore { snapshots: self, project: &stack.project, call }.run(&snapshot).await
    }

    /// Ensures that a snapshot's file is gone.
    pub(crate) fn discard(file: &Path) -> BackendResult<()> {
        let remove = || {
            durable::ensure_removed(&file::partial(file))?;
            durable::ensure_removed(file)?;
            match file.parent() {
                Some(parent) if parent.exists() => durable::sync_parent(file),
                _ => Ok(()),
            }
        };
        remove().map_err(|error| file::file_error("remove", file, error))
    }

    /// The ids of a project's containers of these services, in their order, one-off ones left out.
    async fn of_services(
        &self,
        project: &ProjectName,
        services: &[ServiceName],
    ) -> BackendResult<Vec<(ServiceName, String)>> {
        let listed = self.containers.labelled(labels::PROJECT, project.as_str()).await?;
        let mut found: Vec<(ServiceName, String)> = listed
            .into_iter()
            .filter(|summary| !is_one_off(summary))
            .filter_map(|summary| Some((service_of(&summary, services)?, summary.id?)))
            .collect();
        let order = |service: &ServiceName| services.iter().position(|wanted| wanted == service);
        found.sort_by_cached_key(|(service, id)| (order(service), id.clone()));
        Ok(found)
    }

    /// All that the engine says of a container; `None` when it is gone.
    async fn inspect(&self, id: &str) -> BackendResult<Option<serde_json::Value>> {
        match self.engine.get_json(&format!("/containers/{id}/json")).await {
            Ok(inspect) => Ok(Some(inspect)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(engine_error("look at a container", error)),
        }
    }
}

fn service_of(summary: &ContainerSummary, services: &[ServiceName]) -> Option<ServiceName> {
    let service = label(summary, labels::SERVICE)?;
    services.iter().find(|wanted| wanted.as_str() == service).cloned()
}
