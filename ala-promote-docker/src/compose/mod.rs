//! The user's own Docker Compose, v1 or v2: what a stack is, building and starting it. Contexts, caches, secrets and
//! the format of the files stay Compose's business; here is only how it is asked and what its answers mean.

mod backup;
mod build;
mod convention;
mod derived;
mod env_file;
mod failure;
mod hook;
mod invocation;
mod model;
mod places;
mod prepared;
mod pull;
mod raw;
mod read;
mod render;
mod resolve;
mod service_env_files;
mod sources;
mod tool;
mod up;
mod variables;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{Render, StackRef};
use tempfile::TempDir;

use self::failure::Explain;
use self::invocation::arguments;
use self::model::Model;
use self::prepared::{Key, Prepared};
use self::service_env_files::read_by_services;
use self::tool::{Family, Tool};
use crate::engine::ApiVersion;
use crate::process::{LockSlot, Process};

pub(crate) use self::env_file::EnvFile;
pub(crate) use self::resolve::RunningProject;

/// The first version of the Engine API that tells nothing of an image that Compose v1 needs.
const WITHOUT_CONTAINER_CONFIG: ApiVersion = ApiVersion(1, 45);
/// How long Compose may take to render.
const RENDER_LIMIT: Duration = Duration::from_secs(60);
/// The most renders that are kept; an operation needs a handful.
const MAX_CACHED: usize = 64;

/// The Docker Compose of this host, talking to one engine.
#[derive(Debug)]
pub(crate) struct Compose {
    tool: Tool,
    shell: BTreeMap<String, String>,
    docker_host: String,
    lock: LockSlot,
    cache: Mutex<Cache>,
}

/// What Compose has already said, by the hash of all that it depends on: a call of v1 costs half a second.
#[derive(Debug, Default)]
struct Cache {
    renders: HashMap<Key, Render>,
    interpolated: HashMap<Key, Vec<String>>,
}

impl Compose {
    /// Finds the Compose to use: `docker compose`, else `docker-compose`, unless `ALA_PROMOTE_COMPOSE` names one.
    ///
    /// `shell` is the environment that children get, with what would change the meaning of a stack left out.
    /// `docker_host` is the engine that they talk to, in the form of `DOCKER_HOST`.
    ///
    /// # Errors
    /// `Unavailable` when there is none, with what to install.
    pub(crate) async fn detect(
        shell: &BTreeMap<String, String>,
        docker_host: &str,
        lock: LockSlot,
    ) -> BackendResult<Self> {
        Ok(Self {
            tool: Tool::detect(shell).await?,
            shell: shell.clone(),
            docker_host: docker_host.to_owned(),
            lock,
            cache: Mutex::default(),
        })
    }

    /// What it is, with its version: `docker compose 2.40.3`.
    pub(crate) fn describe(&self) -> String {
        format!("{} {}", self.tool.name, self.tool.version)
    }

    /// Whether it would take a service down and then fail to start it on an engine of this API version.
    ///
    /// v1 reads `ContainerConfig` of an image after it has stopped the old container; API 1.45 no longer gives it.
    /// `COMPOSE_API_VERSION` makes v1 speak an older one.
    pub(crate) fn breaks_on(&self, engine: ApiVersion) -> bool {
        let asked = self.shell.get("COMPOSE_API_VERSION").and_then(|version| ApiVersion::parse(version));
        self.tool.family() == Family::One && asked.unwrap_or(engine) >= WITHOUT_CONTAINER_CONFIG
    }

    /// Renders a stack.
    ///
    /// # Errors
    /// `Invalid`, naming file and line, variable, service or env file as far as Compose tells them.
    pub(crate) async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        let prepared = self.prepare(stack)?;
        let env_files = read_by_services(stack, &self.env_files(stack, &prepared).await?);
        let key = prepared.key_with(env_files.values().flatten());
        if let Some(render) = self.cache(|cache| cache.renders.get(&key).cloned()) {
            return Ok(render);
        }
        let profiles = self.profiles(stack, &prepared).await?;
        let model = self.parse(&self.rendered(stack, &prepared).await?)?;
        let context = render::Context {
            stack,
            family: self.tool.family(),
            profiles: &profiles,
            separator: self.separator(stack, &prepared).await?,
            env_files: &env_files,
            raw: &prepared.raw,
            scrub: &prepared.scrub,
        };
        let render = context.render(&model, prepared.notes(stack))?;
        self.cache(|cache| {
            if cache.renders.len() >= MAX_CACHED {
                cache.renders.clear();
            }
            cache.renders.insert(key, render.clone());
        });
        Ok(render)
    }

    /// Asks for the merged files, with variables filled in.
    async fn config(&self, stack: &StackRef, prepared: &Prepared) -> BackendResult<String> {
        let mut args = arguments(stack, self.tool.family());
        args.extend(self.config_command());
        let process = self.process(format!("render {}", stack.environment), args, &stack.dir, prepared);
        let done = process.run(&self.lock).await?;
        let explain = Explain { stack, raw: &prepared.raw, scrub: &prepared.scrub, lines: &done.last_lines };
        if !done.status.success() {
            return Err(explain.render_failure());
        }
        if let Some(error) = explain.warnings() {
            return Err(error);
        }
        if let Some(old) = prepared.raw.files.iter().find(|file| file.understood && !file.has_services()) {
            return Err(invalid(
                &format!("render {}", stack.environment),
                format!("{} has no `services:`", old.path.display()),
            )
            .with_hint("files of the first format are not supported: put the services below `services:`"));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    fn config_command(&self) -> Vec<OsString> {
        match self.tool.family() {
            Family::One => vec!["config".into()],
            Family::Two => vec!["config".into(), "--format".into(), "json".into()],
        }
    }

    fn parse(&self, text: &str) -> BackendResult<Model> {
        let unexpected = |at: String| {
            BackendError::new(
                BackendErrorKind::Failed,
                "read what Compose rendered",
                format!("{} printed something unexpected{at}", self.describe()),
            )
        };
        // The readers' own messages may quote values, so only the place is told.
        match self.tool.family() {
            Family::One => serde_saphyr::from_str(text).map_err(|error| {
                unexpected(error.location().map(|l| format!(" in line {}", l.line())).unwrap_or_default())
            }),
            Family::Two => {
                serde_json::from_str(text).map_err(|error| unexpected(format!(" in line {}", error.line())))
            }
        }
    }

    /// The process of a call whose standard output is its result.
    fn process<'a>(
        &'a self,
        what: String,
        args: Vec<OsString>,
        dir: &'a Path,
        prepared: &'a Prepared,
    ) -> Process<'a> {
        Process {
            what,
            program: &self.tool.program,
            args: self.tool.prefix.iter().cloned().chain(args).collect(),
            dir,
            environment: &prepared.environment.variables,
            limit: RENDER_LIMIT,
            cancel: None,
            lines: None,
            into: None,
        }
    }

    /// Carries out a call that changes something: its lines are passed on without secrets, and a failure is explained.
    async fn carry_out(
        &self,
        mut process: Process<'_>,
        stack: &StackRef,
        prepared: &Prepared,
        call: &Call,
        explained: impl FnOnce(&Explain<'_>) -> BackendError,
    ) -> BackendResult<()> {
        let sink = |line: &str| call.line(&prepared.scrub.scrub(line));
        process.lines = Some(&sink);
        let done = process.run(&self.lock).await?;
        if done.status.success() {
            return Ok(());
        }
        let lines = &done.last_lines;
        Err(explained(&Explain { stack, raw: &prepared.raw, scrub: &prepared.scrub, lines }))
    }

    /// A folder for files that live no longer than a call.
    fn scratch(&self) -> BackendResult<TempDir> {
        let parent = self.shell.get("TMPDIR").map_or("/tmp", String::as_str);
        tempfile::tempdir_in(parent).map_err(|error| failed("make a temporary folder", parent, error))
    }

    fn cache<T>(&self, use_it: impl FnOnce(&mut Cache) -> T) -> T {
        use_it(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn invalid(what: &str, detail: impl Into<String>) -> BackendError {
    BackendError::new(BackendErrorKind::Invalid, what, detail)
}

fn failed(what: &str, path: impl AsRef<Path>, error: std::io::Error) -> BackendError {
    BackendError::new(BackendErrorKind::Failed, what, path.as_ref().display().to_string()).with_source(error)
}

/// Writes a file that only this user can read.
fn write_private(folder: &TempDir, name: &str, text: &str) -> BackendResult<PathBuf> {
    let path = folder.path().join(name);
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| failed("write a temporary file", &path, error))?;
    Ok(path)
}

#[cfg(test)]
mod tests;
