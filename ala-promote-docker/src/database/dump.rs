//! One backup, from whatever gives it to a file with a manifest.

use std::path::Path;
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{
    BackedUp, BackupCommand, BackupManifest, DatabaseTarget, OperationId, ServiceDatabase, StackRef,
    UrlDatabase,
};
use bollard::container::LogOutput;
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::time::timeout;

use super::client::Client;
use super::files::{Names, discard, made_before, publish};
use super::output::{Output, Written};
use super::{Databases, unknown_kind};
use crate::error::engine_error;
use crate::exec::Exec;

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

impl Databases {
    pub(super) async fn dump_to(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
        call: &Call,
    ) -> BackendResult<BackupManifest> {
        let what = format!("back up {target} in {}", stack.project);
        let names = Names::new(file, operation);
        if file.symlink_metadata().is_ok() {
            return made_before(&names, operation, &what).await;
        }
        if call.cancel.is_cancelled() {
            return Err(BackendError::new(BackendErrorKind::Cancelled, &what, "stopped"));
        }
        let started_at = Timestamp::now();
        let job = Job { stack, operation, names: &names, call, what: &what };
        let (written, of) = match target {
            DatabaseTarget::Service(database) => self.dump_service(&job, database).await?,
            DatabaseTarget::Url(database) => self.dump_outside(&job, database).await?,
            DatabaseTarget::Command(command) => self.run_command(&job, command).await?,
            _ => return Err(unknown_kind(&what)),
        };
        call.line(&format!("{} bytes written to {}", written.bytes, file.display()));
        let manifest = BackupManifest {
            version: 1,
            file: file.to_owned(),
            of,
            started_at,
            finished_at: Timestamp::now(),
            bytes: written.bytes,
            sha256: written.sha256,
        };
        publish(&names, operation, manifest, &what)
    }

    async fn dump_service(
        &self,
        job: &Job<'_>,
        target: &ServiceDatabase,
    ) -> BackendResult<(Written, BackedUp)> {
        let client = self.inside(job.stack, target, job.what).await?;
        client.check_content(job.what).await?;
        // Also those of operations that were killed: they hold locks on every table, and the next release's migration
        // would wait for them. No other is at work: the project's lock is ours.
        client.end_sessions(&format!("{APPLICATION}%")).await?;
        let (written, server_version) = job.dump(&client).await?;
        let (service, database) = (target.service.clone(), target.database.clone());
        Ok((written, BackedUp::Service { service, database, server_version }))
    }

    async fn dump_outside(&self, job: &Job<'_>, target: &UrlDatabase) -> BackendResult<(Written, BackedUp)> {
        // Of an earlier try of this operation, which is over: its lock is ours.
        self.remove_left(target, job.operation).await?;
        let client = self.open(job.stack, target, Some(job.operation), job.what).await?;
        let dumped = async {
            client.check_version(job.what).await?;
            client.end_sessions(&job.application()).await?;
            job.dump(&client).await
        };
        let dumped = dumped.await;
        self.remove(&client.container).await;
        let (written, server_version) = dumped?;
        let (url_env, database) = (target.url_env.clone(), client.database);
        Ok((written, BackedUp::Url { url_env, database, server_version }))
    }

    async fn run_command(&self, job: &Job<'_>, target: &BackupCommand) -> BackendResult<(Written, BackedUp)> {
        let output = Output::create(job.names.file_partial.clone())?;
        let into = output.for_a_child().await?;
        self.compose.run_into(job.stack, target, job.operation, &into, job.call).await?;
        let written = output.finish_of_a_child(job.what).await?;
        let (name, command) = (target.name.clone(), target.command.clone());
        Ok((written, BackedUp::Command { name, command }))
    }

    /// Ensures that nothing is left of a backup but a complete one.
    pub(super) async fn discard_all(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
    ) -> BackendResult<()> {
        let names = Names::new(file, operation);
        let is_complete = file.symlink_metadata().is_ok();
        let was_begun = names.file_partial.symlink_metadata().is_ok();
        let ended = match target {
            // Where the server was stopped, the session is gone with it.
            DatabaseTarget::Service(database) if !is_complete => {
                self.end_inside(stack, database, operation).await
            }
            DatabaseTarget::Url(database) => {
                let was_at_work = self.remove_left(database, operation).await?;
                match was_at_work || was_begun {
                    true => self.end_outside(stack, database, operation).await,
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "the session of a dump that was stopped may be left");
        }
        discard(&names, operation).await
    }

    async fn end_inside(
        &self,
        stack: &StackRef,
        target: &ServiceDatabase,
        operation: &OperationId,
    ) -> BackendResult<()> {
        let client = self.inside(stack, target, "end a dump").await?;
        client.end_sessions(&application_name(operation)).await
    }

    async fn end_outside(
        &self,
        stack: &StackRef,
        target: &UrlDatabase,
        operation: &OperationId,
    ) -> BackendResult<()> {
        let client = self.open(stack, target, None, "end a dump").await?;
        let ended = client.end_sessions(&application_name(operation)).await;
        self.remove(&client.container).await;
        ended
    }
}

/// What all kinds of backups need to know.
struct Job<'a> {
    stack: &'a StackRef,
    operation: &'a OperationId,
    names: &'a Names<'a>,
    call: &'a Call,
    what: &'a str,
}

impl Job<'_> {
    fn application(&self) -> String {
        application_name(self.operation)
    }

    /// Dumps to the partial file, and ends what is left in the server of a dump that failed; gives the server's version.
    async fn dump(&self, client: &Client<'_>) -> BackendResult<(Written, String)> {
        let output = Output::create(self.names.file_partial.clone())?;
        let dumped = tokio::select! {
            biased;
            () = self.call.cancel.cancelled() => {
                Err(BackendError::new(BackendErrorKind::Cancelled, self.what, "stopped"))
            }
            dumped = self.stream(client, output) => dumped,
        };
        if dumped.is_err() {
            // Best effort: a session that outlives us waits for a reader, and is ended by the next try.
            if let Err(error) = client.end_sessions(&self.application()).await {
                tracing::debug!(%error, "the session of a dump that was stopped may be left");
            }
        }
        dumped
    }

    async fn stream(&self, client: &Client<'_>, mut output: Output) -> BackendResult<(Written, String)> {
        let what = self.what;
        let mut exec = client.dump(&self.application(), what).await?;
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
                self.call.line(&format!("{} MiB dumped", told >> 20));
            }
        }
        match exec.exit_code().await? {
            0 => output.finish(client.kind, what).await,
            code => Err(client.failure(what, code, &String::from_utf8_lossy(&stderr))),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_names_fit_and_differ_at_their_end() {
        assert_eq!(
            application_name(&"20251029-143022-promote-1f3a".parse().unwrap()),
            "ala-promote-20251029-143022-promote-1f3a"
        );
        let long = application_name(&format!("{}-1f3a", "x".repeat(95)).parse().unwrap());
        assert!(long.len() == 63 && long.ends_with("-1f3a"), "{long}");
    }
}
