//! Saving how containers are made, and making them again.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{ProjectName, ServiceName, StackRef};
use serde::{Deserialize, Serialize};

use super::container::{MemoryContainer, Told};
use super::{MemoryBackend, State};

/// A snapshot's file.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    project: ProjectName,
    services: BTreeMap<ServiceName, Vec<Saved>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    container: MemoryContainer,
    ran: bool,
}

impl MemoryBackend {
    pub(super) fn save_snapshot(
        &self,
        stack: &StackRef,
        services: &[ServiceName],
        file: &Path,
    ) -> BackendResult<()> {
        let what = format!("save how services of {} are made to {}", stack.environment, file.display());
        if read(&what, file).is_ok() {
            return Ok(());
        }
        let (state, now) = (self.state(), self.now());
        let saved = |service: &ServiceName| {
            let containers = state.containers_of(&stack.project, service);
            containers.map(|c| Saved { container: c.clone(), ran: state.runs(c, now) }).collect()
        };
        let services = services.iter().map(|service| (service.clone(), saved(service))).collect();
        let snapshot = Snapshot { version: 1, project: stack.project.clone(), services };
        let failed = |e: String| BackendError::new(BackendErrorKind::Failed, &what, e);
        let text = serde_json::to_vec_pretty(&snapshot).map_err(|e| failed(e.to_string()))?;
        write_whole(file, &text).map_err(|e| failed(e.to_string()))
    }

    pub(super) async fn restore_snapshot(
        &self,
        stack: &StackRef,
        file: &Path,
        call: &Call,
    ) -> BackendResult<()> {
        let what = format!("restore services of {} from {}", stack.environment, file.display());
        let snapshot = read(&what, file)?;
        check(&what, &self.state(), stack, &snapshot)?;
        for (service, saved) in &snapshot.services {
            self.remove_others(stack, service, saved).await?;
        }
        for saved in snapshot.services.values().flatten() {
            self.bring_back(saved).await?;
            call.line(&format!("Container {}  Restored", saved.container.name));
        }
        Ok(())
    }

    /// Removes what is not as it was saved: first of all services, so that host ports are free.
    async fn remove_others(
        &self,
        stack: &StackRef,
        service: &ServiceName,
        saved: &[Saved],
    ) -> BackendResult<()> {
        let state = self.state();
        for container in state.containers_of(&stack.project, service) {
            if !saved.iter().any(|s| s.container.is_made_like(container)) {
                self.step().await;
                self.remove(&container.id)?;
            }
        }
        Ok(())
    }

    async fn bring_back(&self, saved: &Saved) -> BackendResult<()> {
        let name = &saved.container.name;
        self.step().await;
        if !self.state().containers.values().any(|c| saved.container.is_made_like(c)) {
            self.create(saved.container.clone())?;
            self.step().await;
        }
        match (saved.ran, saved.container.told) {
            (true, _) => self.start(name),
            (false, Told::Nothing) => Ok(()),
            (false, Told::Stop(code)) => self.stop(name, code),
            // It had ended by itself: a job, which is not run again, since what it did stays done, or a crash.
            (false, Told::Run(_)) => self.stop(name, saved.container.config.exits.unwrap_or(1)),
        }
    }
}

/// Fails, before anything changes, when the snapshot is of another project or its images are gone.
fn check(what: &str, state: &State, stack: &StackRef, snapshot: &Snapshot) -> BackendResult<()> {
    if snapshot.project != stack.project {
        let detail = format!("it is of project {}, not of {}", snapshot.project, stack.project);
        return Err(BackendError::new(BackendErrorKind::Conflict, what, detail));
    }
    for saved in snapshot.services.values().flatten() {
        let container = &saved.container;
        if !state.images.contains_key(&container.image) {
            let detail = format!("the image {} of {} is gone", container.image.short(), container.name);
            return Err(BackendError::new(BackendErrorKind::NotFound, what, detail));
        }
    }
    Ok(())
}

fn read(what: &str, file: &Path) -> BackendResult<Snapshot> {
    let text = std::fs::read(file).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => BackendErrorKind::NotFound,
            _ => BackendErrorKind::Failed,
        };
        BackendError::new(kind, what, error.to_string())
    })?;
    let invalid = |detail: String| BackendError::new(BackendErrorKind::Invalid, what, detail);
    // The parser's message may quote the file, which is secret; line and column tell enough.
    let snapshot: Snapshot = serde_json::from_slice(&text)
        .map_err(|e| invalid(format!("no snapshot: line {}, column {}", e.line(), e.column())))?;
    match snapshot.version {
        1 => Ok(snapshot),
        other => Err(invalid(format!("format {other} is newer than this program"))),
    }
}

/// Writes a file that others can't read, and that is there as a whole or not at all.
pub(super) fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    // What a killed one left.
    match std::fs::remove_file(partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(partial, file)
}
