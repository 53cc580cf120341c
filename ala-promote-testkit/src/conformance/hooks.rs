//! Commands of the team's own.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use ala_promote_core::backend::{BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{HookCommand, HookName, OperationId, ReleaseTag, ServiceName};

use super::Fixture;
use super::case::{CaseResult, Miss, hold, refused};

/// A command on the host, or in a service's image.
fn command(f: &Fixture, service: Option<&ServiceName>, words: &[&str]) -> Result<HookCommand, Miss> {
    Ok(HookCommand {
        operation: OperationId::new("conformance-1")?,
        release: Some(ReleaseTag::new("conformance-release")?),
        name: HookName::new("migrate")?,
        service: service.cloned(),
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        timeout: Duration::from_secs(60),
        log: f.scratch.join("hook.log"),
    })
}

async fn run(f: &Fixture, command: &HookCommand) -> BackendResult<()> {
    f.backend.hooks().run(&f.stack, command, &Call::silent()).await
}

/// On the host, and in a service.
fn places(f: &Fixture) -> [Option<&ServiceName>; 2] {
    [None, Some(&f.service.service)]
}

/// Succeeds when the command exited with 0; its output is in the log, which only its owner can read.
pub async fn output_is_kept_for_its_owner(f: &Fixture) -> CaseResult {
    for place in places(f) {
        let command = command(f, place, &["echo", "one  two", "$HOME;"])?;
        run(f, &command).await?;
        let log = std::fs::read_to_string(&command.log)?;
        hold(log.lines().any(|line| line == "one  two $HOME;"), &format!("the log is {log:?}"))?;
        let mode = std::fs::metadata(&command.log)?.permissions().mode();
        hold(mode & 0o077 == 0, "others can read the log")?;
        std::fs::remove_file(&command.log)?;
    }
    Ok(())
}

/// Another exit code than 0 is a failure.
pub async fn a_command_that_fails_is_a_failure(f: &Fixture) -> CaseResult {
    for place in places(f) {
        refused(run(f, &command(f, place, &["false"])?).await, BackendErrorKind::Failed, "false")?;
    }
    let unknown = command(f, None, &["/no/such/program"])?;
    refused(run(f, &unknown).await, BackendErrorKind::Failed, "a program that is not there")
}

/// The command finds operation, release, environment and project in its environment.
pub async fn a_command_is_told_of_the_operation(f: &Fixture) -> CaseResult {
    for place in places(f) {
        let command = command(f, place, &["env"])?;
        run(f, &command).await?;
        let log = std::fs::read_to_string(&command.log)?;
        for (name, value) in command.variables(&f.stack) {
            hold(
                log.lines().any(|line| line == format!("{name}={value}")),
                &format!("no {name} in {log:?}"),
            )?;
        }
        std::fs::remove_file(&command.log)?;
    }
    Ok(())
}

/// One that takes longer than its time is ended.
pub async fn a_command_that_takes_too_long_is_ended(f: &Fixture) -> CaseResult {
    for place in places(f) {
        let mut slow = command(f, place, &["sleep", "600"])?;
        slow.timeout = Duration::from_secs(1);
        refused(run(f, &slow).await, BackendErrorKind::TimedOut, "a slow command")?;
        // Nothing of it is at work: another command of the same hook can run.
        run(f, &command(f, place, &["true"])?).await?;
    }
    Ok(())
}

/// One that is cancelled is ended.
pub async fn a_cancelled_command_is_ended(f: &Fixture) -> CaseResult {
    for place in places(f) {
        let (slow, call) = (command(f, place, &["sleep", "600"])?, Call::silent());
        call.cancel.cancel();
        let ended = f.backend.hooks().run(&f.stack, &slow, &call).await;
        refused(ended, BackendErrorKind::Cancelled, "a cancelled command")?;
        run(f, &command(f, place, &["true"])?).await?;
    }
    Ok(())
}

/// A service that the stack has not.
pub async fn a_command_in_no_service_is_not_found(f: &Fixture) -> CaseResult {
    let nowhere = ServiceName::new("no-such-service")?;
    refused(run(f, &command(f, Some(&nowhere), &["true"])?).await, BackendErrorKind::NotFound, "no service")
}

/// Ensures that nothing is at work: also where there is nothing.
pub async fn end_of_nothing_succeeds(f: &Fixture) -> CaseResult {
    for place in places(f) {
        f.backend.hooks().end(&f.stack, &command(f, place, &["true"])?).await?;
    }
    Ok(())
}
