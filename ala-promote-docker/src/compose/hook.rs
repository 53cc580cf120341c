//! Commands of the team's own: on the host, or by Compose's own `run` in a container of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{HookCommand, ServiceName, StackRef};

use super::invocation::arguments;
use super::prepared::Prepared;
use super::tool::Family;
use super::{Compose, failed, write_private};
use crate::labels;
use crate::process::{Finished, Process, find_program};

/// How many of the last lines are shown of a command that failed.
const SHOWN_LINES: usize = 20;
/// Variables of the shell that a command on the host gets: programs and their settings are found by them.
const HOST_VARIABLES: [&str; 2] = ["PATH", "HOME"];

impl Compose {
    /// Runs a command on the host, in the stack's folder. It gets our variables, `PATH`, `HOME`, and `DOCKER_HOST`, so
    /// that a `docker` in it means the same engine.
    pub(crate) async fn run_on_host(
        &self,
        stack: &StackRef,
        command: &HookCommand,
        call: &Call,
    ) -> BackendResult<()> {
        let what = what(command);
        let prepared = self.prepare_for_command(stack).await?;
        let environment = self.host_environment(command.variables(stack));
        let program = host_program(stack, &command.command, &environment, &what)?;
        let args = command.command.iter().skip(1).map(OsString::from).collect();
        let log = Log::open(command, &what)?;
        let sink = |line: &str| log.line(&prepared.scrub.scrub(line), call);
        let process = Process {
            what: what.clone(),
            program: &program,
            args,
            dir: &stack.dir,
            environment: &environment,
            limit: command.timeout,
            cancel: Some(&call.cancel),
            lines: Some(&sink),
            into: None,
        };
        let done = process.run_alone(&self.lock).await;
        outcome(done, &prepared, command, log, call)
    }

    /// Runs a command in a container of its own, of the image that the service's reference names now. Labels name the
    /// operation and the hook, since the container can outlive Compose.
    pub(crate) async fn run_in_service(
        &self,
        stack: &StackRef,
        service: &ServiceName,
        command: &HookCommand,
        call: &Call,
    ) -> BackendResult<()> {
        let what = what(command);
        let mut prepared = self.prepare(stack)?;
        let known = self.render(stack).await?;
        prepared.scrub = prepared.scrub.and_of_services(&known);
        if !known.services.contains_key(service) {
            let detail = format!("{} has no service `{service}`", stack.environment);
            return Err(BackendError::new(BackendErrorKind::NotFound, what, detail));
        }
        let derived = self.derived(stack, &prepared).await?;
        let mut started = derived.unwrap_or_else(|| stack.clone());
        let folder = self.scratch()?;
        if self.tool.family() == Family::Two {
            // `pull_policy: always` would run another image than the one that is being promoted. The name is checked, and
            // needs no quotes but to stay a text.
            let text = format!("services:\n  \"{service}\":\n    pull_policy: never\n");
            started.files.push(write_private(&folder, "hook.yml", &text)?);
        }
        let mut args = arguments(&started, self.tool.family());
        args.extend(["run", "--rm", "--no-deps", "-T"].map(Into::into));
        args.extend(["--name".into(), container_name(stack, command).into()]);
        for (key, value) in
            [(labels::OPERATION, command.operation.as_str()), (labels::HOOK, command.name.as_str())]
        {
            args.extend(["--label".into(), format!("{key}={value}").into()]);
        }
        for (name, value) in command.variables(stack) {
            args.extend(["-e".into(), format!("{name}={value}").into()]);
        }
        args.push(service.as_str().into());
        args.extend(command.command.iter().map(OsString::from));
        let log = Log::open(command, &what)?;
        let sink = |line: &str| log.line(&prepared.scrub.scrub(line), call);
        let mut process = self.process(what, args, &stack.dir, &prepared);
        process.limit = command.timeout;
        process.cancel = Some(&call.cancel);
        process.lines = Some(&sink);
        let done = process.run_alone(&self.lock).await;
        outcome(done, &prepared, command, log, call)
    }

    /// What a command of the team's own finds on the host: programs, our engine, and what we tell it.
    pub(super) fn host_environment(&self, own: Vec<(&'static str, String)>) -> BTreeMap<String, String> {
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        for name in HOST_VARIABLES {
            environment.extend(self.shell.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        environment.insert("DOCKER_HOST".to_owned(), self.docker_host.clone());
        environment.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        environment
    }
}

/// The program of a command, as a shell in the stack's folder would find it.
pub(super) fn host_program(
    stack: &StackRef,
    command: &[String],
    environment: &BTreeMap<String, String>,
    what: &str,
) -> BackendResult<PathBuf> {
    let name = command.first().map_or("", String::as_str);
    let found = match name.contains('/') {
        true => find_program(environment, &stack.dir.join(name).to_string_lossy()),
        false => find_program(environment, name),
    };
    found.ok_or_else(|| {
        let detail = format!("there is no program {name} that can be run");
        BackendError::new(BackendErrorKind::Failed, what, detail)
            .with_hint("a program with a `/` in its name is looked for from the environment's folder")
    })
}

fn what(command: &HookCommand) -> String {
    format!("run the hook {}", command.name)
}

/// A name that no two hooks of an engine share; of one hook only one command runs at a time.
fn container_name(stack: &StackRef, command: &HookCommand) -> String {
    format!("{}-hook-{}-{}", stack.project, command.name, command.operation)
}

/// Tells how it ended, in the log too.
fn outcome(
    done: BackendResult<Finished>,
    prepared: &Prepared,
    command: &HookCommand,
    log: Log,
    call: &Call,
) -> BackendResult<()> {
    let hint = format!("all that it printed: {}", command.log.display());
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            log.note(&error.to_string());
            return Err(error.with_hint(hint));
        }
    };
    let ended = ended(&done);
    log.note(&ended);
    if done.status.success() {
        // What the command did is done, whether or not its output could be kept.
        if let Err(error) = log.close() {
            call.line(&format!("its output could not be kept: {error}"));
        }
        return Ok(());
    }
    let detail = format!("{ended}{}", last_lines(&done, prepared));
    Err(BackendError::new(BackendErrorKind::Failed, what(command), detail).with_hint(hint))
}

/// The last lines of a command that failed, each on a line of its own, without secrets.
pub(super) fn last_lines(done: &Finished, prepared: &Prepared) -> String {
    let surplus = done.last_lines.len().saturating_sub(SHOWN_LINES);
    let last = done.last_lines.iter().skip(surplus);
    last.map(|line| format!("\n{}", prepared.scrub.scrub(line))).collect()
}

/// How a command ended, for people.
pub(super) fn ended(done: &Finished) -> String {
    match done.status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => format!("was ended by {}", done.status),
    }
}

/// The file that a hook's output is added to. Only its owner can read it: what a program prints is its own affair.
struct Log {
    path: PathBuf,
    /// The first failure is what counts.
    state: Mutex<(File, std::io::Result<()>)>,
}

impl Log {
    fn open(command: &HookCommand, what: &str) -> BackendResult<Self> {
        let path: &Path = &command.log;
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|error| failed(what, path, error))?;
        let log = Self { path: path.to_owned(), state: Mutex::new((file, Ok(()))) };
        log.note(&command.command.join(" "));
        Ok(log)
    }

    /// A line of the command's: kept and passed on.
    fn line(&self, line: &str, call: &Call) {
        self.write(line);
        call.line(line);
    }

    /// A line of ours.
    fn note(&self, text: &str) {
        self.write(&format!("== {text}"));
    }

    fn write(&self, line: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.1.is_ok() {
            let written = writeln!(state.0, "{line}");
            state.1 = written;
        }
    }

    /// Whether all was kept.
    fn close(self) -> BackendResult<()> {
        let (_, written) = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        written.map_err(|error| failed("keep the output of a hook", &self.path, error))
    }
}
