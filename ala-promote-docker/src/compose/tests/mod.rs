//! Tests with the Composes of this machine: each that is found is asked, v1 and v2.

mod engine;
mod errors;
mod renders;
mod resolving;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ala_promote_core::domain::StackRef;
use tempfile::TempDir;

use super::raw::RawFiles;
use super::tool::Family;
use super::{Compose, LockSlot};

/// This process's environment, without what would choose a Compose.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars().filter(|(key, _)| key != "ALA_PROMOTE_COMPOSE").collect()
}

fn docker_host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into())
}

/// The Compose that is used by default here, as the engine of this environment goes with it. None is a loud skip, but
/// not in CI.
async fn default_compose(environment: &BTreeMap<String, String>) -> Option<Compose> {
    match Compose::detect(environment, &docker_host(), LockSlot::default()).await {
        Ok(compose) => Some(compose),
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}");
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}

/// Every Compose that can be found, one of each family.
async fn composes() -> Vec<Compose> {
    let mut found: Vec<Compose> = default_compose(&environment()).await.into_iter().collect();
    // Where `docker compose` is there, an older `docker-compose` may be as well, further back in the path.
    for folder in environment().get("PATH").map(String::as_str).unwrap_or_default().split(':') {
        let mut environment = environment();
        environment.insert("ALA_PROMOTE_COMPOSE".into(), format!("{folder}/docker-compose"));
        if let Ok(compose) = Compose::detect(&environment, &docker_host(), LockSlot::default()).await
            && found.iter().all(|known| known.tool.family() != compose.tool.family())
        {
            found.push(compose);
        }
    }
    found
}

/// A folder with files in it.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn stack(&self, project: &str, files: &[&str], env_file: &str) -> StackRef {
        StackRef {
            environment: "staging".parse().unwrap(),
            project: project.parse().unwrap(),
            dir: self.dir().to_owned(),
            files: files.iter().map(|name| self.path(name)).collect(),
            env_file: Some(self.path(env_file)),
            service_env_files: BTreeMap::new(),
            changes: Vec::new(),
            derived_file: None,
        }
    }
}

fn is_v1(compose: &Compose) -> bool {
    compose.tool.family() == Family::One
}
