//! Which Docker engine to use, as environment variables for the commands that use it.

use std::collections::BTreeMap;
use std::process::{Command, Output};

/// The variable that lists further engines, separated by `;`, each as `docker_host|docker_config|path|address`.
const MORE_ENGINES: &str = "ALA_PROMOTE_TEST_ENGINES";

/// Whether everything is to be tried, however long it takes.
#[must_use]
pub fn is_torture() -> bool {
    std::env::var("ALA_PROMOTE_TORTURE").is_ok_and(|value| value == "1")
}

/// An engine, as environment variables.
#[derive(Debug, Clone)]
pub struct EngineEnv {
    /// The whole environment of a command that uses it.
    pub variables: BTreeMap<String, String>,
    /// Where its published ports answer.
    pub address: String,
}

impl EngineEnv {
    /// The engine that this process's environment names.
    #[must_use]
    pub fn ambient() -> Self {
        let variables: BTreeMap<String, String> = std::env::vars().collect();
        let address = variables.get("ALA_PROMOTE_ENGINE_ADDRESS").cloned();
        Self { variables, address: address.unwrap_or_else(|| "127.0.0.1".to_owned()) }
    }

    /// The ambient engine, if one answers, and those that `ALA_PROMOTE_TEST_ENGINES` lists.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let ambient = Self::ambient();
        let listed = std::env::var(MORE_ENGINES).unwrap_or_default();
        let more = listed.split(';').filter(|entry| !entry.is_empty()).map(|entry| ambient.with(entry));
        let more: Vec<Self> = more.collect();
        std::iter::once(ambient.clone()).filter(Self::answers).chain(more).collect()
    }

    /// The ambient engine and one of the further ones, which take turns: enough for what depends on how Compose is called
    /// and not on how an engine keeps its images. Where everything is to be tried, all of them.
    #[must_use]
    pub fn two(turn: usize) -> Vec<Self> {
        let mut all = Self::all();
        if is_torture() {
            return all;
        }
        let further = all.split_off(all.len().min(1));
        let count = further.len().max(1);
        all.extend(further.into_iter().nth(turn % count));
        all
    }

    /// The same environment with another engine, as `docker_host|docker_config|path|address`; empty fields stay.
    #[must_use]
    pub fn with(&self, entry: &str) -> Self {
        let mut fields = entry.split('|');
        let mut engine = self.clone();
        let mut set = |name: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                engine.variables.insert(name.to_owned(), value.to_owned());
            }
        };
        set("DOCKER_HOST", fields.next());
        set("DOCKER_CONFIG", fields.next());
        let path = fields.next().filter(|path| !path.is_empty());
        let before = self.variables.get("PATH").cloned().unwrap_or_default();
        set("PATH", path.map(|path| format!("{path}:{before}")).as_deref());
        if let Some(address) = fields.next().filter(|address| !address.is_empty()) {
            set("ALA_PROMOTE_ENGINE_ADDRESS", Some(address));
            engine.address = address.to_owned();
        }
        engine
    }

    /// Whether it answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.command("docker")
            .args(["version", "--format", "{{.Server.Version}}"])
            .output()
            .is_ok_and(|o| o.status.success())
    }

    /// A command in this environment.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        // The program is looked up in the given PATH, not in this process's.
        let path = self.variables.get("PATH").map(String::as_str).unwrap_or_default();
        let found =
            std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file());
        let mut command = Command::new(found.unwrap_or_else(|| program.into()));
        command.env_clear().envs(&self.variables).stdin(std::process::Stdio::null());
        command
    }

    /// What `docker` with these arguments prints, trimmed.
    ///
    /// # Errors
    /// It can't be run, or fails.
    pub fn docker(&self, arguments: &[&str]) -> std::io::Result<String> {
        let output = self.command("docker").args(arguments).output()?;
        text(&output, &format!("docker {}", arguments.join(" ")))
    }
}

pub(crate) fn text(output: &Output, what: &str) -> std::io::Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(std::io::Error::other(format!("{what}: {}: {}", output.status, error.trim())))
}
