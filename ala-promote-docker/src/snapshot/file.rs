//! The file of a snapshot. It holds secrets, as containers do: it is its owner's alone, and is removed when the
//! operation that made it is over.

use std::io;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{ProjectName, ServiceName, StackRef};
use serde::{Deserialize, Serialize};

use crate::durable;

/// The format's version.
const VERSION: u32 = 1;

/// What was saved.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Snapshot {
    version: u32,
    project: ProjectName,
    /// In the order in which they were named.
    pub(super) services: Vec<SavedService>,
}

/// One service of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedService {
    pub(super) service: ServiceName,
    /// What the engine said of each container, to the letter.
    pub(super) containers: Vec<serde_json::Value>,
}

impl Snapshot {
    pub(super) fn new(stack: &StackRef, services: Vec<SavedService>) -> Self {
        Self { version: VERSION, project: stack.project.clone(), services }
    }

    /// Reads it; `None` when there is no file.
    pub(super) fn read_if_there(file: &Path) -> BackendResult<Option<Self>> {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error("read", file, error)),
        };
        let what = || format!("read the snapshot {}", file.display());
        // A file has its name only when it is complete, so this one was changed by somebody.
        let snapshot: Self = serde_json::from_slice(&bytes).map_err(|error| {
            let problem = format!("it is no snapshot, at line {} column {}", error.line(), error.column());
            BackendError::new(BackendErrorKind::Invalid, what(), problem)
        })?;
        if snapshot.version != VERSION {
            return Err(BackendError::new(
                BackendErrorKind::Unsupported,
                what(),
                format!("its format {} is not {VERSION}, which this version knows", snapshot.version),
            )
            .with_hint("use the version of ala-promote that made it"));
        }
        Ok(Some(snapshot))
    }

    /// Refuses the snapshot of another project.
    pub(super) fn must_be_of(&self, project: &ProjectName, file: &Path) -> BackendResult<()> {
        if self.project == *project {
            return Ok(());
        }
        Err(BackendError::new(
            BackendErrorKind::Conflict,
            format!("use the snapshot {}", file.display()),
            format!("it is of the project {}, not of {project}", self.project),
        ))
    }

    /// Writes it, complete or not at all.
    pub(super) fn write(&self, file: &Path) -> BackendResult<()> {
        let bytes = serde_json::to_vec(self).map_err(|error| {
            BackendError::new(BackendErrorKind::Failed, "write a snapshot", "it can't be put into a file")
                .with_source(error)
        })?;
        let write = || {
            if let Some(folder) = file.parent() {
                durable::ensure_private_dir(folder)?;
            }
            durable::write_partial(&partial(file), &bytes)?;
            durable::publish_new(&partial(file), file)
        };
        write().map_err(|error| file_error("write", file, error))
    }
}

/// The name that it has until it is complete.
pub(super) fn partial(file: &Path) -> PathBuf {
    durable::with_suffix(file, ".partial")
}

pub(super) fn file_error(verb: &str, file: &Path, error: io::Error) -> BackendError {
    BackendError::new(
        BackendErrorKind::Failed,
        format!("{verb} the snapshot {}", file.display()),
        "the file system refused",
    )
    .with_source(error)
}
