//! One dump, from `pg_dump` in the container to a file with a manifest.
//!
//! Names appear in this order: the dump, whole and synced, under its partial name; its manifest, likewise; the dump;
//! the manifest. So a dump under its name is whole, and one that was killed between the last two is completed by the
//! same operation when it comes again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, DatabaseTarget};
use ala_promote_core::domain::{BackupManifest, OperationId, StackRef};
use bollard::container::LogOutput;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::output::{Output, Written, write_error};
use super::{Databases, server};
use crate::connect::hex;
use crate::containers::Look;
use crate::durable::{self, with_suffix};
use crate::error::engine_error;
use crate::exec::Exec;

/// How long pg_dump waits for a lock that somebody else holds, in PostgreSQL's spelling.
const LOCK_WAIT: &str = "--lock-wait-timeout=60s";
/// The longest pause between two pieces of a dump: pg_dump sorts and waits for locks before the first.
const SILENCE: Duration = Duration::from_secs(600);
/// Most that is kept of what pg_dump complains of, in bytes.
const MAX_STDERR_BYTES: usize = 8192;
/// What the application names of our dumps begin with.
const APPLICATION: &str = "ala-promote-";
/// PostgreSQL cuts application names here.
const MAX_APPLICATION_NAME_BYTES: usize = 63;
/// How often progress is told, in bytes.
const TELL_EVERY_BYTES: u64 = 64 << 20;

/// The manifest as it is written: with the operation that made it, so that only that one takes the file for its own.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    operation: OperationId,
    #[serde(flatten)]
    manifest: BackupManifest,
}

/// The names of one backup's files.
struct Names<'a> {
    file: &'a Path,
    manifest: PathBuf,
    file_partial: PathBuf,
    manifest_partial: PathBuf,
}

impl<'a> Names<'a> {
    fn new(file: &'a Path, operation: &OperationId) -> Self {
        let manifest = with_suffix(file, ".manifest.json");
        let partial = format!(".partial-{operation}");
        Self {
            file,
            file_partial: with_suffix(file, &partial),
            manifest_partial: with_suffix(&manifest, &partial),
            manifest,
        }
    }
}

impl Databases {
    pub(super) async fn dump_to(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
        call: &Call,
    ) -> BackendResult<BackupManifest> {
        let what = format!("back up the database {} of {}", target.database, stack.project);
        let names = Names::new(file, operation);
        if file.symlink_metadata().is_ok() {
            return made_before(&names, operation, &what).await;
        }
        let look = self.running(stack, target, &what).await?;
        let application = application_name(operation);
        self.end_sessions(&look, target).await?;
        let started_at = Timestamp::now();
        let output = Output::create(names.file_partial.clone())?;
        let dumped = tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(BackendError::new(BackendErrorKind::Cancelled, &what, "stopped")),
            dumped = self.stream(&look, target, &application, output, call, &what) => dumped,
        };
        if dumped.is_err() {
            // Best effort: a session that outlives us waits for a reader, and is ended by the next try.
            if let Err(error) = self.end_sessions(&look, target).await {
                tracing::debug!(%error, "the session of a dump that was stopped may be left");
            }
        }
        let written = dumped?;
        call.line(&format!("{} bytes written to {}", written.bytes, file.display()));
        publish(&names, operation, manifest(target, file, started_at, written), &what)
    }

    async fn stream(
        &self,
        look: &Look,
        target: &DatabaseTarget,
        application: &str,
        mut output: Output,
        call: &Call,
        what: &str,
    ) -> BackendResult<Written> {
        let pg_dump = ["pg_dump", "--clean", "--if-exists", "--no-password", LOCK_WAIT];
        let whose = ["-U", &target.user, "-d", &target.database];
        let command = server::with_password(pg_dump.iter().chain(&whose).copied());
        let environment = vec![format!("PGAPPNAME={application}")];
        let mut exec = Exec::start(&self.engine, &look.container.id, command, environment, what).await?;
        let mut stderr = Vec::new();
        let mut told = 0;
        while let Some(frame) = next(&mut exec, what, output.bytes()).await? {
            match frame {
                LogOutput::StdOut { message } => output.write(&message).await?,
                LogOutput::StdErr { message } => {
                    let room = MAX_STDERR_BYTES.saturating_sub(stderr.len());
                    stderr.extend_from_slice(message.get(..room).unwrap_or(&message));
                }
                // Not a frame of either stream: the rest of one that was cut.
                LogOutput::Console { .. } | LogOutput::StdIn { .. } => {
                    return Err(cut(what, output.bytes()));
                }
            }
            if output.bytes() - told >= TELL_EVERY_BYTES {
                told = output.bytes();
                call.line(&format!("{} MiB dumped", told >> 20));
            }
        }
        match exec.exit_code().await? {
            0 => output.finish(what).await,
            code => Err(server::failure(what, code, &String::from_utf8_lossy(&stderr), look)),
        }
    }

    /// Ends the dumps of ours that run in this database, also those of operations that were killed: they hold locks on
    /// every table, and the next release's migration would wait for them. No other is at work: the project's lock is ours.
    async fn end_sessions(&self, look: &Look, target: &DatabaseTarget) -> BackendResult<()> {
        let statement = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND usename = current_user \
             AND application_name LIKE '{APPLICATION}%'"
        );
        let what = format!("reach the database {}", target.database);
        self.ask(look, target, &statement, &what).await.map(drop)
    }
}

async fn next(exec: &mut Exec<'_>, what: &str, bytes: u64) -> BackendResult<Option<LogOutput>> {
    match timeout(SILENCE, exec.output.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(frame))) => Ok(Some(frame)),
        Ok(Some(Err(error))) => Err(engine_error(format!("{what}, {bytes} bytes so far"), error)),
        Err(_) => Err(BackendError::new(
            BackendErrorKind::TimedOut,
            what,
            format!("pg_dump gave nothing for {} s, {bytes} bytes so far", SILENCE.as_secs()),
        )),
    }
}

fn cut(what: &str, bytes: u64) -> BackendError {
    BackendError::new(
        BackendErrorKind::Failed,
        what,
        format!("the dump was cut after {bytes} bytes: the container or the engine went away"),
    )
}

fn application_name(operation: &OperationId) -> String {
    // Ids differ at their end.
    let id = operation.as_str();
    let room = MAX_APPLICATION_NAME_BYTES - APPLICATION.len();
    format!("{APPLICATION}{}", id.get(id.len().saturating_sub(room)..).unwrap_or(id))
}

fn manifest(target: &DatabaseTarget, file: &Path, started_at: Timestamp, written: Written) -> BackupManifest {
    BackupManifest {
        version: 1,
        file: file.to_owned(),
        service: target.service.clone(),
        database: target.database.clone(),
        server_version: written.server_version,
        started_at,
        finished_at: Timestamp::now(),
        bytes: written.bytes,
        sha256: written.sha256,
    }
}

fn publish(
    names: &Names<'_>,
    operation: &OperationId,
    manifest: BackupManifest,
    what: &str,
) -> BackendResult<BackupManifest> {
    let signed = Signed { operation: operation.clone(), manifest };
    let json = serde_json::to_vec_pretty(&signed).map_err(|error| {
        BackendError::new(BackendErrorKind::Failed, what, "the manifest can't be written").with_source(error)
    })?;
    let published = durable::write_partial(&names.manifest_partial, &json)
        .and_then(|()| durable::publish_new(&names.file_partial, names.file))
        .and_then(|()| durable::publish_new(&names.manifest_partial, &names.manifest));
    match published {
        Ok(()) => Ok(signed.manifest),
        Err(error) => {
            for partial in [&names.file_partial, &names.manifest_partial] {
                if let Err(error) = durable::ensure_removed(partial) {
                    tracing::warn!(%error, file = %partial.display(), "a partial file is left");
                }
            }
            Err(write_error(names.file, signed.manifest.bytes, error))
        }
    }
}

/// Takes a file for our own only if this operation signed for it and it is what it signed for.
async fn made_before(
    names: &Names<'_>,
    operation: &OperationId,
    what: &str,
) -> BackendResult<BackupManifest> {
    let conflict = |detail: &str| {
        let detail = format!("{} is there already, {detail}", names.file.display());
        BackendError::new(BackendErrorKind::Conflict, what, detail)
            .with_hint("move it away, or try again a second later under another name")
    };
    let read = |path: &Path| serde_json::from_slice::<Signed>(&std::fs::read(path).ok()?).ok();
    let is_named = names.manifest.exists();
    let signed = read(if is_named { &names.manifest } else { &names.manifest_partial });
    let Some(signed) = signed.filter(|signed| signed.operation == *operation) else {
        return Err(conflict("and another operation or program made it"));
    };
    let (bytes, sha256) =
        hash_file(names.file).await.map_err(|error| write_error(names.file, signed.manifest.bytes, error))?;
    if bytes != signed.manifest.bytes || sha256 != signed.manifest.sha256 {
        return Err(conflict("and it is not what its manifest says"));
    }
    if !is_named {
        durable::publish_new(&names.manifest_partial, &names.manifest)
            .map_err(|error| write_error(&names.manifest, 0, error))?;
    }
    Ok(signed.manifest)
}

/// Removes what a dump that was killed left under its partial names; a whole one whose manifest alone has not got its
/// name yet gets it.
pub(super) async fn discard_partial(operation: &OperationId, file: &Path) -> BackendResult<()> {
    let names = Names::new(file, operation);
    let is_whole = file.symlink_metadata().is_ok() && names.manifest_partial.symlink_metadata().is_ok();
    if is_whole {
        match made_before(&names, operation, "complete a backup").await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != BackendErrorKind::Conflict => return Err(error),
            // The file is somebody else's.
            Err(_) => {}
        }
    }
    for partial in [&names.file_partial, &names.manifest_partial] {
        durable::ensure_removed(partial).map_err(|error| {
            let what = format!("remove the incomplete backup {}", partial.display());
            BackendError::new(BackendErrorKind::Failed, what, "the file can't be removed")
                .with_hint("remove it by hand, then: ala-promote recover")
                .with_source(error)
        })?;
    }
    Ok(())
}

async fn hash_file(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = tokio::fs::File::open(path).await?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 256 << 10]);
    loop {
        match file.read(&mut piece).await? {
            0 => return Ok((bytes, hex(&hash.finalize()))),
            count => {
                hash.update(piece.get(..count).unwrap_or_default());
                bytes += count as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ala_promote_core::domain::ServiceName;

    fn operation(id: &str) -> OperationId {
        OperationId::new(id).unwrap()
    }

    fn a_manifest(file: &Path, content: &[u8]) -> BackupManifest {
        BackupManifest {
            version: 1,
            file: file.to_owned(),
            service: ServiceName::new("db").unwrap(),
            database: "ala".into(),
            server_version: "15.14".into(),
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: Timestamp::UNIX_EPOCH,
            bytes: content.len() as u64,
            sha256: hex(&Sha256::digest(content)),
        }
    }

    #[test]
    fn application_names_fit_and_differ_at_their_end() {
        assert_eq!(
            application_name(&operation("20251029-143022-promote-1f3a")),
            "ala-promote-20251029-143022-promote-1f3a"
        );
        let long = application_name(&operation(&format!("{}-1f3a", "x".repeat(95))));
        assert!(long.len() == 63 && long.ends_with("-1f3a"), "{long}");
    }

    #[tokio::test]
    async fn a_dump_killed_before_its_manifest_is_completed_by_its_operation_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup.sql");
        let (ours, others) = (operation("op-1"), operation("op-2"));
        let names = Names::new(&file, &ours);
        let manifest = a_manifest(&file, b"dump");
        durable::write_partial(&names.file_partial, b"dump").unwrap();
        publish(&names, &ours, manifest.clone(), "test").unwrap();
        // As a kill between the last two names leaves it.
        std::fs::rename(&names.manifest, &names.manifest_partial).unwrap();
        let conflict = made_before(&Names::new(&file, &others), &others, "test").await.unwrap_err();
        assert_eq!(conflict.kind(), BackendErrorKind::Conflict);
        assert_eq!(made_before(&names, &ours, "test").await.unwrap(), manifest);
        assert!(names.manifest.exists() && !names.manifest_partial.exists());
        let read: BackupManifest = serde_json::from_slice(&std::fs::read(&names.manifest).unwrap()).unwrap();
        assert_eq!(read, manifest);

        std::fs::write(&file, b"dumq").unwrap();
        let changed = made_before(&names, &ours, "test").await.unwrap_err();
        assert_eq!(changed.kind(), BackendErrorKind::Conflict);
    }

    #[tokio::test]
    async fn only_what_is_incomplete_and_ours_is_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup.sql");
        let (ours, others) = (operation("op-1"), operation("op-2"));
        discard_partial(&ours, &dir.path().join("no/such/folder/backup.sql")).await.unwrap();
        let [names, foreign] = [&ours, &others].map(|operation| Names::new(&file, operation));
        durable::write_partial(&foreign.file_partial, b"theirs").unwrap();
        durable::write_partial(&names.file_partial, b"du").unwrap();
        durable::write_partial(&names.manifest_partial, b"{").unwrap();
        discard_partial(&ours, &file).await.unwrap();
        assert!(!names.file_partial.exists() && !names.manifest_partial.exists());
        assert!(foreign.file_partial.exists());

        // Whole, but for the last name.
        durable::write_partial(&names.file_partial, b"dump").unwrap();
        publish(&names, &ours, a_manifest(&file, b"dump"), "test").unwrap();
        std::fs::rename(&names.manifest, &names.manifest_partial).unwrap();
        discard_partial(&others, &file).await.unwrap();
        discard_partial(&ours, &file).await.unwrap();
        assert!(file.exists() && names.manifest.exists() && !names.manifest_partial.exists());
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup.sql");
        let ours = operation("op-1");
        let names = Names::new(&file, &ours);
        durable::write_partial(&names.file_partial, b"dump").unwrap();
        std::fs::write(&file, b"theirs").unwrap();
        assert!(publish(&names, &ours, a_manifest(&file, b"dump"), "test").is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"theirs");
        assert!(!names.file_partial.exists() && !names.manifest_partial.exists());
    }
}
