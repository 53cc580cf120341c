//! Tests of the settings as a whole: a folder in, settings or a message out.

mod docs;
mod environments;
mod errors;
mod hooks;
mod hostile;
mod schema;
mod stacks;
mod state;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::domain::EnvironmentName;

/// A folder `/…/app` with these files in it; its parent goes with it.
struct Folder {
    _keep: tempfile::TempDir,
    dir: PathBuf,
}

impl Folder {
    fn with(files: &[&str]) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let dir = keep.path().canonicalize().unwrap().join("app");
        fs::create_dir(&dir).unwrap();
        let folder = Self { _keep: keep, dir };
        for file in files {
            folder.write(file, "");
        }
        folder
    }

    /// With the Compose files of the sample stack.
    fn usual() -> Self {
        Self::with(&["docker-compose.yml", "docker-compose.staging.yml", ".env", ".env.staging"])
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn config(self, text: &str) -> Self {
        self.write(CONFIG_FILE, text);
        self
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    fn load(&self) -> Result<Settings, SettingsError> {
        Settings::load(&self.dir, &BTreeMap::new(), &Overrides::default())
    }

    fn settings(&self) -> Settings {
        self.load().unwrap()
    }

    /// The message and, after ` | `, the hint, with the folder's path cut.
    fn refusal(&self) -> String {
        self.shown(&self.load().expect_err("was taken"))
    }

    fn shown(&self, error: &SettingsError) -> String {
        let hint = error.hint().map(|hint| format!(" | {hint}")).unwrap_or_default();
        let parent = self.dir.parent().unwrap().to_str().unwrap();
        format!("{error}{hint}").replace(&format!("{parent}/app/"), "").replace(parent, "")
    }
}

fn name(text: &str) -> EnvironmentName {
    EnvironmentName::new(text).unwrap()
}

fn env<'a>(settings: &'a Settings, text: &str) -> &'a EnvironmentSettings {
    &settings.environments[text]
}

fn names(settings: &Settings) -> Vec<&str> {
    settings.environments.keys().map(EnvironmentName::as_str).collect()
}

fn file_name(path: Option<&PathBuf>) -> Option<&str> {
    path.map(|p| p.file_name().and_then(|n| n.to_str()).unwrap())
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap()
}
