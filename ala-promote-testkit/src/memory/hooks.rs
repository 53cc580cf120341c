//! Commands of the team's own. A few programs are known, and do what they do on Linux, to files that are values:
//! `true`, `false`, `echo TEXT…`, `env`, `pwd`, `sleep SECONDS` (by the virtual clock), `touch FILE`, `rm -f FILE`,
//! `test -e FILE`. A service's files are of that service, and outlive its containers as a volume's do.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, Clock as _, Hooks};
use ala_promote_core::domain::{
    HookCommand, HookName, ImageId, OperationId, ProjectName, Secret, ServiceName, StackRef,
};
use async_trait::async_trait;
use futures_util::future::{Either, select};

use super::{MemoryBackend, cancelled};

/// Shorter values of env files are not taken for secrets, in bytes.
const SHORTEST_SECRET: usize = 8;

/// Where a file is: on the host, or a service's.
pub type FilePlace = Option<(ProjectName, ServiceName)>;

/// A command of a hook that began to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RanHook {
    /// The operation that ran it.
    pub operation: OperationId,
    /// The hook.
    pub name: HookName,
    /// The image it ran in; `None`: on the host.
    pub image: Option<ImageId>,
    /// Its words.
    pub command: Vec<String>,
}

/// What a command did.
struct Done {
    exit_code: i32,
    printed: Vec<String>,
}

#[async_trait]
impl Hooks for MemoryBackend {
    async fn run(&self, stack: &StackRef, command: &HookCommand, call: &Call) -> BackendResult<()> {
        self.step().await;
        let what = format!("run the hook {}", command.name);
        self.begin_hook(&what, stack, command)?;
        self.step().await;
        let done = self.do_hook(&what, stack, command, call).await;
        self.step().await;
        self.end_hook(command);
        let mut done = done?;
        self.scrub(&what, stack, &mut done)?;
        done.printed.iter().for_each(|line| call.line(line));
        log(command, &done).map_err(|e| BackendError::new(BackendErrorKind::Failed, &what, e.to_string()))?;
        match done.exit_code {
            0 => Ok(()),
            code => {
                let lines = done.printed.iter().map(|line| format!("\n{line}")).collect::<String>();
                let detail = format!("ended with exit code {code}{lines}");
                Err(BackendError::new(BackendErrorKind::Failed, what, detail))
            }
        }
    }

    async fn end(&self, _stack: &StackRef, command: &HookCommand) -> BackendResult<()> {
        self.step().await;
        self.end_hook(command);
        Ok(())
    }
}

impl MemoryBackend {
    /// From here on it is at work, until it is ended: a process that is killed leaves it.
    fn begin_hook(&self, what: &str, stack: &StackRef, command: &HookCommand) -> BackendResult<()> {
        let missing = |detail: String| BackendError::new(BackendErrorKind::NotFound, what, detail);
        let image = match &command.service {
            None => None,
            Some(service) => {
                let render = self.environment_model(what, &stack.environment)?.render(stack)?;
                let spec = render.services.get(service);
                let spec = spec.ok_or_else(|| missing(format!("there is no service {service}")))?;
                let state = self.state();
                let image = spec.image.as_ref().and_then(|reference| state.resolve(reference));
                let image = image.ok_or_else(|| missing(format!("the image of {service} is not there")))?;
                Some(image.id().clone())
            }
        };
        let ran = RanHook {
            operation: command.operation.clone(),
            name: command.name.clone(),
            image,
            command: command.command.clone(),
        };
        self.change(what, |state, _| {
            if !state.hooks_at_work.insert((command.operation.clone(), command.name.clone())) {
                let detail = "a command of the same hook and operation is at work";
                return Err(BackendError::new(BackendErrorKind::Conflict, what, detail));
            }
            state.hooks_ran.push(ran);
            Ok(())
        })
    }

    fn end_hook(&self, command: &HookCommand) {
        self.act_freely(&format!("end the hook {}", command.name), |state| {
            state.hooks_at_work.remove(&(command.operation.clone(), command.name.clone()));
        });
    }

    async fn do_hook(
        &self,
        what: &str,
        stack: &StackRef,
        command: &HookCommand,
        call: &Call,
    ) -> BackendResult<Done> {
        let words: Vec<&str> = command.command.iter().map(String::as_str).collect();
        let place = |file: &str| {
            let place: FilePlace =
                command.service.as_ref().map(|service| (stack.project.clone(), service.clone()));
            (place, file.to_owned())
        };
        let ended = |exit_code: i32| Done { exit_code, printed: Vec::new() };
        match words.as_slice() {
            ["true"] => Ok(ended(0)),
            ["false"] => Ok(ended(1)),
            ["echo", text @ ..] => Ok(Done { exit_code: 0, printed: vec![text.join(" ")] }),
            ["env"] => {
                let of_service = self.environment_of(what, stack, command)?;
                let shown = |value: &Secret| value.reveal().to_owned();
                let own = of_service.iter().map(|(name, value)| (name.clone(), shown(value)));
                let all = command.variables(stack).into_iter().map(|(n, v)| (n.to_owned(), v)).chain(own);
                Ok(Done {
                    exit_code: 0,
                    printed: all.map(|(name, value)| format!("{name}={value}")).collect(),
                })
            }
            ["pwd"] => {
                let folder = command.service.as_ref().map_or(stack.dir.as_path(), |_| Path::new("/"));
                Ok(Done { exit_code: 0, printed: vec![folder.display().to_string()] })
            }
            ["touch", file] => {
                self.change(what, |state, _| {
                    state.files.insert(place(file));
                    Ok(())
                })?;
                Ok(ended(0))
            }
            ["rm", "-f", file] => {
                self.change(what, |state, _| {
                    state.files.remove(&place(file));
                    Ok(())
                })?;
                Ok(ended(0))
            }
            ["test", "-e", file] => Ok(ended(i32::from(!self.state().files.contains(&place(file))))),
            ["sleep", seconds] => {
                let wanted = Duration::from_secs(seconds.parse().unwrap_or(u64::MAX));
                self.sleep_in_hook(what, wanted, command.timeout, call).await?;
                Ok(ended(0))
            }
            _ => {
                let detail = format!("there is no program {} that can be run", words.join(" "));
                Err(BackendError::new(BackendErrorKind::Failed, what, detail))
            }
        }
    }

    /// What the environment of a command's service is, which it finds besides its own.
    fn environment_of(
        &self,
        what: &str,
        stack: &StackRef,
        command: &HookCommand,
    ) -> BackendResult<BTreeMap<String, Secret>> {
        let Some(service) = &command.service else { return Ok(BTreeMap::new()) };
        let mut render = self.environment_model(what, &stack.environment)?.render(stack)?;
        Ok(render.services.remove(service).map(|spec| spec.environment).unwrap_or_default())
    }

    /// Takes the env file's values out of what a command printed; short ones occur everywhere by chance.
    fn scrub(&self, what: &str, stack: &StackRef, done: &mut Done) -> BackendResult<()> {
        let model = self.environment_model(what, &stack.environment)?;
        let secrets = model.variables.iter().flatten().map(|(name, value)| (name, value.reveal()));
        for (name, secret) in secrets.filter(|(_, secret)| secret.len() >= SHORTEST_SECRET) {
            for line in &mut done.printed {
                *line = line.replace(secret, &format!("<{name}>"));
            }
        }
        Ok(())
    }

    async fn sleep_in_hook(
        &self,
        what: &str,
        wanted: Duration,
        limit: Duration,
        call: &Call,
    ) -> BackendResult<()> {
        let sleep = self.clock.sleep(wanted.min(limit));
        match select(Box::pin(call.cancel.cancelled()), sleep).await {
            Either::Left(_) => Err(cancelled(what)),
            Either::Right(_) if wanted <= limit => Ok(()),
            Either::Right(_) => {
                let detail = format!("not done after {} s; stopped", limit.as_secs());
                Err(BackendError::new(BackendErrorKind::TimedOut, what, detail))
            }
        }
    }
}

/// The output, in a real file.
fn log(command: &HookCommand, done: &Done) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(&command.log)?;
    writeln!(file, "== {}", command.command.join(" "))?;
    done.printed.iter().try_for_each(|line| writeln!(file, "{line}"))
}
