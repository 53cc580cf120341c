//! What backups need of a stack's files: a key of the env file, and commands of the team's own that write a backup.

use std::ffi::OsString;
use std::fs::File;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{BackupCommand, OperationId, Secret, StackRef};

use super::Compose;
use super::hook::{ended, host_program, last_lines};
use crate::process::Process;

impl Compose {
    /// What the env file sets a key to, as Compose reads it; `None` where it does not, or to nothing.
    pub(crate) async fn env_value(&self, stack: &StackRef, key: &str) -> BackendResult<Option<Secret>> {
        let prepared = self.prepare(stack)?;
        Ok(self.variable(stack, &prepared, key).await?.map(Secret::new))
    }

    /// Runs a command on the host, in the stack's folder, as hooks are run, with its standard output in a file. Nothing
    /// of its process group is at work afterwards. It writes to the file itself, and holds the lock: a kill of ours
    /// neither breaks it nor lets another operation begin beside it.
    pub(crate) async fn run_into(
        &self,
        stack: &StackRef,
        command: &BackupCommand,
        operation: &OperationId,
        into: &File,
        call: &Call,
    ) -> BackendResult<()> {
        let what = format!("run the command that backs up {}", command.name);
        let prepared = self.prepare_for_command(stack).await?;
        let environment = self.host_environment(variables(stack, command, operation));
        let program = host_program(stack, &command.command, &environment, &what)?;
        let sink = |line: &str| call.line(&prepared.scrub.scrub(line));
        let process = Process {
            what: what.clone(),
            program: &program,
            args: command.command.iter().skip(1).map(OsString::from).collect(),
            dir: &stack.dir,
            environment: &environment,
            limit: command.timeout,
            cancel: Some(&call.cancel),
            lines: Some(&sink),
            into: Some(into),
        };
        let done = process.run_alone(&self.lock).await?;
        if done.status.success() {
            return Ok(());
        }
        let detail = format!("it {}{}", ended(&done), last_lines(&done, &prepared));
        Err(BackendError::new(BackendErrorKind::Failed, what, detail)
            .with_hint("run it by hand in the environment's folder to see what is wrong"))
    }
}

/// What the command is told of the operation. No secrets.
fn variables(
    stack: &StackRef,
    command: &BackupCommand,
    operation: &OperationId,
) -> Vec<(&'static str, String)> {
    vec![
        ("ALA_PROMOTE_OPERATION", operation.to_string()),
        ("ALA_PROMOTE_ENVIRONMENT", stack.environment.to_string()),
        ("ALA_PROMOTE_PROJECT", stack.project.to_string()),
        ("ALA_PROMOTE_BACKUP", command.name.to_string()),
    ]
}
