//! Databases: their rows are values, their backups are real files. Of commands that write backups two are known:
//! `echo TEXT…` and `false`.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, Database, Room};
use ala_promote_core::domain::{
    BackedUp, BackupCommand, BackupManifest, Container, DatabaseKind, DatabaseTarget, OperationId, Render,
    Secret, ServiceDatabase, ServiceName, StackRef, UrlDatabase,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::image::hex;
use super::snapshot::write_whole;
use super::{MemoryBackend, cancelled};

const FIRST_LINE: &str = "-- dump of an in-memory database";
const SERVER_VERSION: &str = "15.0 (in memory)";
const LAST_LINE: &str = "-- in-memory database dump complete";

/// What stands beside a dump: the manifest, and which operation made it.
#[derive(Debug, Serialize, Deserialize)]
struct Beside {
    operation: OperationId,
    #[serde(flatten)]
    manifest: BackupManifest,
}

#[async_trait]
impl Database for MemoryBackend {
    async fn detect(&self, render: &Render, containers: &[Container]) -> BackendResult<Vec<ServiceDatabase>> {
        self.step().await;
        let state = self.state();
        let is_database = |c: &&Container| state.images.get(&c.image.id).is_some_and(|i| i.postgres);
        let target = |container: &Container| {
            let spec = render.services.get(&container.service);
            let variable = |name: &str| {
                spec.and_then(|s| s.environment.get(name)).map(|value| value.reveal().to_owned())
            };
            let user = variable("POSTGRES_USER").unwrap_or_else(|| "postgres".to_owned());
            ServiceDatabase {
                service: container.service.clone(),
                kind: DatabaseKind::PostgreSql,
                database: variable("POSTGRES_DB").unwrap_or_else(|| user.clone()),
                user,
                running: container.is_running(),
            }
        };
        Ok(containers.iter().filter(is_database).map(target).collect())
    }

    async fn url(&self, stack: &StackRef, key: &str) -> BackendResult<Option<Secret>> {
        self.step().await;
        let model = self.environment_model("read the env file", &stack.environment)?;
        let url = model.variables.and_then(|variables| variables.get(key).cloned());
        Ok(url.filter(|url| !url.reveal().is_empty()))
    }

    async fn room(&self, stack: &StackRef, target: &DatabaseTarget, _file: &Path) -> BackendResult<Room> {
        self.step().await;
        let what = format!("look how large {target} is");
        let bytes = match target {
            DatabaseTarget::Service(database) => {
                let key = (stack.project.clone(), database.service.clone());
                self.state().databases.get(&key).map(|rows| text_of(rows).len()).unwrap_or_default()
            }
            DatabaseTarget::Url(database) => text_of(&self.rows_outside(&what, stack, database).await?).len(),
            _ => 0,
        };
        let database_bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Ok(Room { free_bytes: self.state().free_bytes, database_bytes })
    }

    async fn dump(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
        call: &Call,
    ) -> BackendResult<BackupManifest> {
        self.step().await;
        let what = format!("back up {target} to {}", file.display());
        if file.exists() {
            return made_before(&what, operation, file);
        }
        let started_at = self.now();
        let (text, of) = self.content(&what, stack, target).await?;
        let partial = partial_of(file, operation);
        let written = self.write_dump(&what, &partial, &text, call).await;
        let manifest = written.and_then(|()| {
            // What a command writes can't be told whole from cut.
            if of.is_checked() {
                is_whole(&what, &partial)?;
            }
            let manifest = BackupManifest {
                version: 1,
                file: file.to_owned(),
                of,
                started_at,
                finished_at: self.now(),
                bytes: u64::try_from(text.len()).unwrap_or(u64::MAX),
                sha256: hex(&Sha256::digest(text.as_bytes())),
            };
            publish(&what, &partial, file, Beside { operation: operation.clone(), manifest })
        });
        if manifest.is_err() {
            // Best effort: what is left under this name is never taken for a backup.
            let _ = std::fs::remove_file(&partial);
        }
        manifest
    }

    async fn discard_partial(
        &self,
        _stack: &StackRef,
        _target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
    ) -> BackendResult<()> {
        self.step().await;
        match std::fs::remove_file(partial_of(file, operation)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let what = format!("remove the incomplete backup of {}", file.display());
                Err(BackendError::new(BackendErrorKind::Failed, what, error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

impl MemoryBackend {
    /// What a backup of this will hold.
    async fn content(
        &self,
        what: &str,
        stack: &StackRef,
        target: &DatabaseTarget,
    ) -> BackendResult<(String, BackedUp)> {
        let server_version = SERVER_VERSION.to_owned();
        match target {
            DatabaseTarget::Service(ServiceDatabase { service, database, .. }) => {
                let rows = self.rows_for_dump(what, stack, service)?;
                let (service, database) = (service.clone(), database.clone());
                Ok((text_of(&rows), BackedUp::Service { service, database, server_version }))
            }
            DatabaseTarget::Url(outside) => {
                let rows = self.rows_outside(what, stack, outside).await?;
                let (url_env, database) = (outside.url_env.clone(), "outside".to_owned());
                Ok((text_of(&rows), BackedUp::Url { url_env, database, server_version }))
            }
            DatabaseTarget::Command(BackupCommand { name, command, .. }) => {
                let text = printed(what, command)?;
                Ok((text, BackedUp::Command { name: name.clone(), command: command.clone() }))
            }
            _ => Err(BackendError::new(BackendErrorKind::Unsupported, what, "it is of an unknown kind")),
        }
    }

    async fn rows_outside(
        &self,
        what: &str,
        stack: &StackRef,
        database: &UrlDatabase,
    ) -> BackendResult<Vec<String>> {
        let url = self.url(stack, &database.url_env).await?.ok_or_else(|| {
            let detail = format!("the env file does not set {}", database.url_env);
            BackendError::new(BackendErrorKind::Invalid, what, detail)
        })?;
        self.state()
            .outside
            .get(url.reveal())
            .cloned()
            .ok_or_else(|| BackendError::new(BackendErrorKind::Failed, what, "the database does not answer"))
    }

    fn rows_for_dump(
        &self,
        what: &str,
        stack: &StackRef,
        service: &ServiceName,
    ) -> BackendResult<Vec<String>> {
        let (state, now) = (self.state(), self.now());
        if !state.containers_of(&stack.project, service).any(|c| state.runs(c, now)) {
            let detail = format!("the database does not answer: service {service} does not run");
            return Err(BackendError::new(BackendErrorKind::Unavailable, what, detail)
                .with_hint(format!("start it: docker compose up -d {service}")));
        }
        state.databases.get(&(stack.project.clone(), service.clone())).cloned().ok_or_else(|| {
            let detail = format!("service {service} is no database");
            BackendError::new(BackendErrorKind::Invalid, what, detail)
        })
    }

    /// Streams the dump to a file of another name, line by line, within the disk's free space.
    async fn write_dump(&self, what: &str, partial: &Path, text: &str, call: &Call) -> BackendResult<()> {
        let failed = |e: std::io::Error| BackendError::new(BackendErrorKind::Failed, what, e.to_string());
        if let Some(folder) = partial.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        // What a killed one left.
        match std::fs::remove_file(partial) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let options = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        let mut out = options.open(partial).map_err(failed)?;
        let state = self.state();
        let mut room = state.free_bytes;
        let cut = state.dumps_end_after.and_then(|bytes| text.get(..usize::try_from(bytes).ok()?));
        let text = cut.unwrap_or(text);
        for line in text.split_inclusive('\n') {
            self.step().await;
            room = room.checked_sub(u64::try_from(line.len()).unwrap_or(u64::MAX)).ok_or_else(|| {
                let detail = "no space left on the device";
                BackendError::new(BackendErrorKind::Failed, what, detail)
            })?;
            out.write_all(line.as_bytes()).map_err(failed)?;
            call.line(&format!("dumped {} bytes", line.len()));
            if call.cancel.is_cancelled() {
                return Err(cancelled(what));
            }
        }
        out.sync_all().map_err(failed)
    }
}

/// What a command prints, which must be something.
fn printed(what: &str, command: &[String]) -> BackendResult<String> {
    let failed = |detail: String| Err(BackendError::new(BackendErrorKind::Failed, what, detail));
    match command.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["echo", text @ ..] => Ok(text.join(" ") + "\n"),
        ["false"] => failed("ended with exit code 1".to_owned()),
        words => failed(format!("there is no program {} that can be run", words.join(" "))),
    }
}

/// Gives the dump its name, which nothing may have, after its manifest is there.
fn publish(what: &str, partial: &Path, file: &Path, beside: Beside) -> BackendResult<BackupManifest> {
    let failed = |e: std::io::Error| {
        let kind = match e.kind() {
            std::io::ErrorKind::AlreadyExists => BackendErrorKind::Conflict,
            _ => BackendErrorKind::Failed,
        };
        BackendError::new(kind, what, e.to_string())
    };
    let json = serde_json::to_vec_pretty(&beside).map_err(|e| failed(std::io::Error::other(e)))?;
    write_whole(&manifest_of(file), &json).map_err(failed)?;
    std::fs::hard_link(partial, file).map_err(failed)?;
    std::fs::remove_file(partial).map_err(failed)?;
    Ok(beside.manifest)
}

/// Fails when the dump was cut.
fn is_whole(what: &str, partial: &Path) -> BackendResult<()> {
    match std::fs::read_to_string(partial) {
        Ok(text) if text.lines().last() == Some(LAST_LINE) => Ok(()),
        _ => {
            let detail = "the dump is no whole one: its last line is missing";
            Err(BackendError::new(BackendErrorKind::Failed, what, detail))
        }
    }
}

/// The manifest of a file that is there already, if this very operation made it.
fn made_before(what: &str, operation: &OperationId, file: &Path) -> BackendResult<BackupManifest> {
    let conflict = |detail: &str| Err(BackendError::new(BackendErrorKind::Conflict, what, detail));
    let Some(beside) =
        std::fs::read(manifest_of(file)).ok().and_then(|text| serde_json::from_slice::<Beside>(&text).ok())
    else {
        return conflict("there is a file of that name, without a manifest");
    };
    let bytes =
        std::fs::read(file).map_err(|e| BackendError::new(BackendErrorKind::Failed, what, e.to_string()))?;
    if beside.operation != *operation {
        return conflict("there is a backup of that name, which another operation made");
    }
    if hex(&Sha256::digest(&bytes)) != beside.manifest.sha256 {
        return conflict("there is a backup of that name, which is not what its manifest says");
    }
    Ok(beside.manifest)
}

fn manifest_of(file: &Path) -> PathBuf {
    with_suffix(file, ".manifest.json")
}

fn partial_of(file: &Path, operation: &OperationId) -> PathBuf {
    with_suffix(file, &format!(".partial-{operation}"))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn text_of(rows: &[String]) -> String {
    let lines = rows.iter().map(|row| format!("INSERT INTO data VALUES ({});\n", serde_json::json!(row)));
    format!("{FIRST_LINE}\n{}{LAST_LINE}\n", lines.collect::<String>())
}

/// The rows in a dump that the in-memory backend made.
///
/// # Errors
/// When the file can't be read, or is no complete dump.
pub fn rows_of_dump(file: &Path) -> std::io::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let body = text
        .strip_prefix(&format!("{FIRST_LINE}\n"))
        .and_then(|rest| rest.strip_suffix(&format!("{LAST_LINE}\n")))
        .ok_or_else(|| invalid("no complete dump of an in-memory database"))?;
    let row = |line: &str| {
        let json = line.strip_prefix("INSERT INTO data VALUES (").and_then(|l| l.strip_suffix(");"));
        json.and_then(|json| serde_json::from_str(json).ok()).ok_or_else(|| invalid("a line is no row"))
    };
    body.lines().map(row).collect()
}
