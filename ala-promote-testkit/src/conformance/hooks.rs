//! Commands of the team's own.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ala_promote_core::backend::{BackendErrorKind, BackendResult, Call, CancelToken};
use ala_promote_core::domain::{HookCommand, HookName, OperationId, ReleaseTag, ServiceName};

use super::Fixture;
use super::case::{CaseResult, Miss, hold, refused};
use super::locks::killed;

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

fn in_service(f: &Fixture) -> Option<&ServiceName> {
    Some(&f.service.service)
}

/// Succeeds when the command exited with 0; its output is in the log, which only its owner can read. No shell reads the
/// words.
pub async fn output_is_kept_for_its_owner(f: &Fixture) -> CaseResult {
    keeps_output(f, None).await
}

/// As on the host.
pub async fn in_a_service_output_is_kept_for_its_owner(f: &Fixture) -> CaseResult {
    keeps_output(f, in_service(f)).await
}

async fn keeps_output(f: &Fixture, place: Option<&ServiceName>) -> CaseResult {
    for text in ["one  two", "three"] {
        run(f, &command(f, place, &["echo", text, "$HOME;"])?).await?;
    }
    let file = command(f, place, &[])?.log;
    let log = std::fs::read_to_string(&file)?;
    for line in ["one  two $HOME;", "three $HOME;"] {
        hold(log.lines().any(|l| l == line), &format!("the log is {log:?}"))?;
    }
    let mode = std::fs::metadata(&file)?.permissions().mode();
    hold(mode & 0o077 == 0, "others can read the log")
}

/// Another exit code than 0 is a failure.
pub async fn a_command_that_fails_is_a_failure(f: &Fixture) -> CaseResult {
    refused(run(f, &command(f, None, &["false"])?).await, BackendErrorKind::Failed, "false")?;
    let unknown = command(f, None, &["/no/such/program"])?;
    refused(run(f, &unknown).await, BackendErrorKind::Failed, "a program that is not there")
}

/// As on the host.
pub async fn in_a_service_a_command_that_fails_is_a_failure(f: &Fixture) -> CaseResult {
    refused(run(f, &command(f, in_service(f), &["false"])?).await, BackendErrorKind::Failed, "false")
}

/// The command finds operation, release, environment and project in its environment, and besides them only what
/// programs are found by.
pub async fn a_command_is_told_of_the_operation(f: &Fixture) -> CaseResult {
    let log = told(f, None).await?;
    let variables = command(f, None, &["env"])?.variables(&f.stack);
    let ours = |name: &str| variables.iter().any(|(n, _)| *n == name) || FOUND_BY.contains(&name);
    let names = log.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let more: Vec<&str> = names.filter(|name| is_a_name(name) && !ours(name)).collect();
    hold(more.is_empty(), &format!("it finds more in its environment: {more:?}"))
}

/// As on the host.
pub async fn in_a_service_a_command_is_told_of_the_operation(f: &Fixture) -> CaseResult {
    told(f, in_service(f)).await.map(drop)
}

/// Variables that programs, engines, home folders and languages are found by.
const FOUND_BY: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PWD",
    "SHLVL",
    "_",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
];

fn is_a_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The log of `env`, which has all that the command is to be told.
async fn told(f: &Fixture, place: Option<&ServiceName>) -> Result<String, Miss> {
    let command = command(f, place, &["env"])?;
    run(f, &command).await?;
    let log = std::fs::read_to_string(&command.log)?;
    for (name, value) in command.variables(&f.stack) {
        let is_told = log.lines().any(|line| line == format!("{name}={value}"));
        hold(is_told, &format!("no {name} in {log:?}"))?;
    }
    Ok(log)
}

/// On the host in the stack's folder.
pub async fn a_command_on_the_host_runs_in_the_stack_s_folder(f: &Fixture) -> CaseResult {
    let command = command(f, None, &["pwd"])?;
    run(f, &command).await?;
    let log = std::fs::read_to_string(&command.log)?;
    let dir = f.stack.dir.display().to_string();
    hold(log.lines().any(|line| line == dir), &format!("{dir} is not in {log:?}"))
}

/// It finds the service's environment; values of env files are not in the log.
pub async fn a_command_has_the_service_s_environment_and_logs_no_secret(f: &Fixture) -> CaseResult {
    let (variable, secret) = f.secret()?;
    let command = command(f, in_service(f), &["env"])?;
    let lines = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&lines);
    let call = Call::new(CancelToken::new(), move |line| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push_str(line);
    });
    f.backend.hooks().run(&f.stack, &command, &call).await?;
    let log = std::fs::read_to_string(&command.log)?;
    hold(log.contains(&format!("{variable}=")), &format!("{variable} is not in its environment: {log:?}"))?;
    let told = lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
    hold(!log.contains(&secret) && !told.contains(&secret), "the log or a line of progress holds the secret")
}

/// One that takes longer than its time is ended, and nothing of it is at work any more.
pub async fn a_command_that_takes_too_long_is_ended(f: &Fixture) -> CaseResult {
    is_ended_in_time(f, None).await
}

/// As on the host.
pub async fn in_a_service_a_command_that_takes_too_long_is_ended(f: &Fixture) -> CaseResult {
    is_ended_in_time(f, in_service(f)).await
}

async fn is_ended_in_time(f: &Fixture, place: Option<&ServiceName>) -> CaseResult {
    let mut slow = command(f, place, &["sleep", "600"])?;
    slow.timeout = Duration::from_secs(1);
    refused(run(f, &slow).await, BackendErrorKind::TimedOut, "a slow command")?;
    Ok(run(f, &command(f, place, &["true"])?).await?)
}

/// One that is cancelled is ended too.
pub async fn a_cancelled_command_is_ended(f: &Fixture) -> CaseResult {
    is_ended_when_cancelled(f, None).await
}

/// As on the host.
pub async fn in_a_service_a_cancelled_command_is_ended(f: &Fixture) -> CaseResult {
    is_ended_when_cancelled(f, in_service(f)).await
}

async fn is_ended_when_cancelled(f: &Fixture, place: Option<&ServiceName>) -> CaseResult {
    let (slow, call) = (command(f, place, &["sleep", "600"])?, Call::silent());
    call.cancel.cancel();
    let ended = f.backend.hooks().run(&f.stack, &slow, &call).await;
    refused(ended, BackendErrorKind::Cancelled, "a cancelled command")?;
    Ok(run(f, &command(f, place, &["true"])?).await?)
}

/// Ensures that nothing is at work that `run` began, also where its process was killed: here its future is dropped.
pub async fn what_a_killed_run_left_is_ended(f: &Fixture) -> CaseResult {
    is_ended_after_a_kill(f, None).await
}

/// As on the host.
pub async fn in_a_service_what_a_killed_run_left_is_ended(f: &Fixture) -> CaseResult {
    is_ended_after_a_kill(f, in_service(f)).await
}

async fn is_ended_after_a_kill(f: &Fixture, place: Option<&ServiceName>) -> CaseResult {
    let slow = command(f, place, &["sleep", "1"])?;
    let call = Call::silent();
    killed(f, 3, f.backend.hooks().run(&f.stack, &slow, &call)).await?;
    f.backend.hooks().end(&f.stack, &slow).await?;
    Ok(run(f, &command(f, place, &["true"])?).await?)
}

/// A service that the stack has not.
pub async fn a_command_in_no_service_is_not_found(f: &Fixture) -> CaseResult {
    let nowhere = ServiceName::new("no-such-service")?;
    refused(run(f, &command(f, Some(&nowhere), &["true"])?).await, BackendErrorKind::NotFound, "no service")
}

/// Ensures that nothing is at work: also where there is nothing.
pub async fn end_of_nothing_succeeds(f: &Fixture) -> CaseResult {
    Ok(f.backend.hooks().end(&f.stack, &command(f, None, &["true"])?).await?)
}

/// As on the host.
pub async fn in_a_service_end_of_nothing_succeeds(f: &Fixture) -> CaseResult {
    Ok(f.backend.hooks().end(&f.stack, &command(f, in_service(f), &["true"])?).await?)
}
