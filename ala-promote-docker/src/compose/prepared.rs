//! What a call for a stack needs, read once: files, env file, environment, and what must not be shown.

use std::path::{Path, PathBuf};

use ala_promote_core::backend::BackendResult;
use ala_promote_core::config::env_file_names;
use ala_promote_core::domain::StackRef;
use sha2::{Digest, Sha256};

use super::Compose;
use super::env_file::EnvFile;
use super::invocation::Environment;
use super::raw::RawFiles;
use crate::scrub::Scrubber;

/// The hash of all that an answer of Compose depends on.
pub(super) type Key = [u8; 32];

/// All that a call for a stack needs, read once.
pub(super) struct Prepared {
    pub(super) raw: RawFiles,
    pub(super) env_file: EnvFile,
    pub(super) environment: Environment,
    pub(super) scrub: Scrubber,
    /// The hash of all of it.
    pub(super) key: Key,
}

impl Compose {
    /// Reads it for a command of the team's own, whose output may hold any value that a service gets. What can't be
    /// rendered gives nothing away either.
    pub(super) async fn prepare_for_command(&self, stack: &StackRef) -> BackendResult<Prepared> {
        let mut prepared = self.prepare(stack)?;
        if let Ok(render) = self.render(stack).await {
            prepared.scrub = prepared.scrub.and_of_services(&render);
        }
        Ok(prepared)
    }

    /// Reads it.
    pub(super) fn prepare(&self, stack: &StackRef) -> BackendResult<Prepared> {
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
        let given = raw.env_files.values().flatten().map(Path::new);
        let of_services = given.chain(stack.service_env_files.values().map(PathBuf::as_path));
        let of_services: Vec<EnvFile> = of_services.filter_map(|path| EnvFile::read(path).ok()).collect();
        let scrub = Scrubber::of_env_files(of_services.iter().chain([&env_file]), &self.shell);
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
}

impl Prepared {
    /// What the reader of a render should know.
    pub(super) fn notes(&self, stack: &StackRef) -> Vec<String> {
        let mut notes: Vec<String> = self.environment.note().into_iter().collect();
        notes.extend(passed_over(stack));
        notes.extend(self.raw.unseen());
        notes
    }

    /// The key of what also depends on these files. One that can't be read is for Compose to complain about.
    pub(super) fn key_with<'a>(&self, paths: impl Iterator<Item = &'a PathBuf>) -> Key {
        let mut hash = Sha256::new();
        hash.update(self.key);
        for path in paths {
            hash.update(Sha256::digest(std::fs::read(path).unwrap_or_default()));
        }
        hash.finalize().into()
    }
}

/// An env file that is named after the environment, while `.env` is taken.
fn passed_over(stack: &StackRef) -> Option<String> {
    let taken = stack.env_file.as_ref().filter(|path| path.file_name().is_some_and(|name| name == ".env"))?;
    let mut named = env_file_names(&stack.environment).into_iter().map(|name| taken.with_file_name(name));
    let own = named.find(|file| file.is_file())?;
    Some(format!(
        "its env file is {}; {} is there too and is not read (to take it, set `env_file` under [environments.{}] in \
         ala-promote.toml)",
        taken.display(),
        own.display(),
        stack.environment
    ))
}
