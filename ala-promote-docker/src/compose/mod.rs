//! The user's own Docker Compose, v1 or v2: what a stack is, building and starting it. Contexts, caches, secrets and
//! the format of the files stay Compose's business; here is only how it is asked and what its answers mean.

mod build;
mod convention;
mod derived;
mod env_file;
mod failure;
mod invocation;
mod model;
mod raw;
mod render;
mod resolve;
mod scrub;
mod tool;
mod up;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{Render, StackRef};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use self::env_file::EnvFile;
use self::failure::Explain;
use self::invocation::{Environment, arguments, arguments_without_project};
use self::model::Model;
use self::raw::RawFiles;
use self::scrub::Scrubber;
use self::tool::{Family, Tool};
use crate::process::{Finished, LockSlot, Process};

pub(crate) use self::resolve::RunningProject;

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

type Key = [u8; 32];

/// All that a call for a stack needs, read once.
struct Prepared {
    raw: RawFiles,
    env_file: EnvFile,
    environment: Environment,
    scrub: Scrubber,
    key: Key,
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

    /// Renders a stack.
    ///
    /// # Errors
    /// `Invalid`, naming file and line, variable, service or env file as far as Compose tells them.
    pub(crate) async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        let prepared = self.prepare(stack)?;
        let env_files = self.env_files(stack, &prepared).await?;
        let key = with_contents(prepared.key, env_files.values().flatten());
        if let Some(render) = self.cache(|cache| cache.renders.get(&key).cloned()) {
            return Ok(render);
        }
        let profiles = self.profiles(stack, &prepared).await?;
        let model = self.config(stack, &prepared).await?;
        let context = render::Context {
            stack,
            family: self.tool.family(),
            profiles: &profiles,
            separator: self.separator(stack, &prepared).await?,
            env_files: &env_files,
            scrub: &prepared.scrub,
        };
        let render = context.render(&model, prepared.notes())?;
        self.cache(|cache| {
            if cache.renders.len() >= MAX_CACHED {
                cache.renders.clear();
            }
            cache.renders.insert(key, render.clone());
        });
        Ok(render)
    }

    /// Asks for the merged files, with variables filled in.
    async fn config(&self, stack: &StackRef, prepared: &Prepared) -> BackendResult<Model> {
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
        self.parse(&done)
    }

    fn config_command(&self) -> Vec<OsString> {
        match self.tool.family() {
            Family::One => vec!["config".into()],
            Family::Two => vec!["config".into(), "--format".into(), "json".into()],
        }
    }

    fn parse(&self, done: &Finished) -> BackendResult<Model> {
        let unexpected = |at: String| {
            BackendError::new(
                BackendErrorKind::Failed,
                "read what Compose rendered",
                format!("{} printed something unexpected{at}", self.describe()),
            )
        };
        // The readers' own messages may quote values, so only the place is told.
        match self.tool.family() {
            Family::One => {
                let text = String::from_utf8_lossy(&done.stdout);
                serde_saphyr::from_str(&text).map_err(|error| {
                    unexpected(error.location().map(|l| format!(" in line {}", l.line())).unwrap_or_default())
                })
            }
            Family::Two => serde_json::from_slice(&done.stdout)
                .map_err(|error| unexpected(format!(" in line {}", error.line()))),
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
        }
    }

    fn prepare(&self, stack: &StackRef) -> BackendResult<Prepared> {
        let raw = RawFiles::read(&stack.dir, &stack.files)?;
        let implicit = stack.dir.join(".env");
        let env_file = match &stack.env_file {
            Some(path) => EnvFile::read(path)?,
            // Compose takes it by itself.
            None if implicit.exists() => EnvFile::read(&implicit)?,
            None => EnvFile::default(),
        };
        let environment = Environment::new(&self.shell, &self.docker_host, &stack.dir, &env_file);
        // One that can't be read is for Compose to complain about.
        let of_services: Vec<EnvFile> =
            raw.env_files.values().flatten().filter_map(|path| EnvFile::read(Path::new(path)).ok()).collect();
        let scrub = Scrubber::new(of_services.iter().chain([&env_file]), &self.shell);
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        add(&format!("{stack:?}"));
        raw.read.iter().for_each(|file| add(&file.text));
        add(&env_file.text);
        for (key, value) in &environment.variables {
            add(key);
            add(value);
        }
        Ok(Prepared { raw, env_file, environment, scrub, key: hash.finalize().into() })
    }

    /// The env files of each service, with variables in their paths filled in.
    async fn env_files(
        &self,
        stack: &StackRef,
        prepared: &Prepared,
    ) -> BackendResult<BTreeMap<String, Vec<PathBuf>>> {
        let mut texts: Vec<String> = prepared.raw.env_files.values().flatten().cloned().collect();
        texts.retain(|text| text.contains('$'));
        let filled = self.interpolate(stack, prepared, &texts, arguments).await?;
        let filled: BTreeMap<_, _> = texts.iter().zip(filled).collect();
        let path = |text: &String| PathBuf::from(filled.get(text).unwrap_or(text));
        let paths = prepared.raw.env_files.iter();
        Ok(paths.map(|(service, texts)| (service.clone(), texts.iter().map(path).collect())).collect())
    }

    /// The profiles that the env file switches on. v1 renders services of all of them.
    async fn profiles(&self, stack: &StackRef, prepared: &Prepared) -> BackendResult<Vec<String>> {
        let value = self.variable(stack, prepared, "COMPOSE_PROFILES").await?.unwrap_or_default();
        Ok(value.split(',').map(|profile| profile.trim().to_owned()).filter(|p| !p.is_empty()).collect())
    }

    /// What stands between project and service in the name of an image that only Compose names.
    async fn separator(&self, stack: &StackRef, prepared: &Prepared) -> BackendResult<char> {
        let compatible = self.variable(stack, prepared, "COMPOSE_COMPATIBILITY").await?;
        let compatible =
            compatible.is_some_and(|value| matches!(value.as_str(), "1" | "t" | "true" | "TRUE"));
        Ok(if self.tool.family() == Family::One || compatible { '_' } else { '-' })
    }

    /// The value of a variable of the env file, as Compose reads it.
    async fn variable(
        &self,
        stack: &StackRef,
        prepared: &Prepared,
        name: &str,
    ) -> BackendResult<Option<String>> {
        if let Some(value) = prepared.env_file.plain(name) {
            return Ok(Some(value.to_owned()).filter(|value| !value.is_empty()));
        }
        if !prepared.env_file.sets(name) {
            return Ok(None);
        }
        let text = format!("${{{name}-}}");
        let value = self.interpolate(stack, prepared, &[text], arguments_without_project).await?.pop();
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// Has Compose fill variables into texts: no other reader of env files follows all of its rules.
    async fn interpolate(
        &self,
        stack: &StackRef,
        prepared: &Prepared,
        texts: &[String],
        arguments: fn(&StackRef, Family) -> Vec<OsString>,
    ) -> BackendResult<Vec<String>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let mut hash = Sha256::new();
        hash.update(prepared.key);
        texts.iter().for_each(|text| hash.update(format!("{text:?}")));
        let key: Key = hash.finalize().into();
        if let Some(values) = self.cache(|cache| cache.interpolated.get(&key).cloned()) {
            return Ok(values);
        }
        let name = |index: usize| format!("V{index}");
        let variables: BTreeMap<_, _> = texts.iter().enumerate().map(|(i, text)| (name(i), text)).collect();
        let file = serde_json::json!({"services": {"a": {"image": "a", "environment": variables}}});
        let folder = self.scratch()?;
        let path = write_private(&folder, "variables.yml", &file.to_string())?;
        let asked = StackRef { files: vec![path], ..stack.clone() };
        let mut args = arguments(&asked, self.tool.family());
        args.extend(self.config_command());
        let what = format!("fill in variables for {}", stack.environment);
        let done = self.process(what, args, &stack.dir, prepared).run(&self.lock).await?;
        if !done.status.success() {
            let explain =
                Explain { stack, raw: &prepared.raw, scrub: &prepared.scrub, lines: &done.last_lines };
            return Err(explain.render_failure());
        }
        let mut model = self.parse(&done)?;
        let mut service = model.services.remove("a").unwrap_or_default();
        let mut value = |i| service.environment.remove(&name(i)).flatten().map(|t| t.0).unwrap_or_default();
        let values: Vec<String> = (0..texts.len()).map(&mut value).collect();
        self.cache(|cache| cache.interpolated.insert(key, values.clone()));
        Ok(values)
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

impl Prepared {
    /// What the reader of a render should know.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.environment.note().into_iter().collect();
        for file in self.raw.read.iter().filter(|file| !file.understood) {
            notes.push(format!("{}: its `env_file` entries could not be read", file.path.display()));
        }
        for path in &self.raw.not_followed {
            notes.push(format!("{path}: its `env_file` entries were not looked at"));
        }
        notes
    }
}

/// The key of what also depends on these files. One that can't be read is for Compose to complain about.
fn with_contents<'a>(key: Key, paths: impl Iterator<Item = &'a PathBuf>) -> Key {
    let mut hash = Sha256::new();
    hash.update(key);
    for path in paths {
        hash.update(Sha256::digest(std::fs::read(path).unwrap_or_default()));
    }
    hash.finalize().into()
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
