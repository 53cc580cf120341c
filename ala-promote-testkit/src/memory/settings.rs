//! The settings that a config would come to for what there is.

use std::path::{Path, PathBuf};

use ala_promote_core::config::{
    BackupSettings, ComposeFiles, DatabaseChoice, EnvFileChoice, EnvironmentSettings, HealthSettings,
    IsolationSettings, Retention, Settings,
};

use super::MemoryBackend;
use super::model::EnvironmentModel;

impl MemoryBackend {
    /// Settings for all environments: their files named exactly, the database found by itself, the state in
    /// `deployment/.ala-promote`, backups in `backups`.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let dir = self.root().join("deployment");
        Settings {
            stack: None,
            state_dir: dir.join(".ala-promote"),
            dir,
            environments: self
                .model()
                .iter()
                .map(|(name, model)| (name.clone(), settings_of(model)))
                .collect(),
            services: std::collections::BTreeMap::new(),
            health: HealthSettings::default(),
            isolation: IsolationSettings::default(),
            backup: BackupSettings { dir: self.backup_dir(), database: DatabaseChoice::Detect },
            retention: Retention::default(),
            hooks: Vec::new(),
            engine_address: None,
        }
    }

    /// Where [`settings`](Self::settings) lets backups go.
    #[must_use]
    pub fn backup_dir(&self) -> PathBuf {
        Path::join(&self.root(), "backups")
    }
}

fn settings_of(model: &EnvironmentModel) -> EnvironmentSettings {
    EnvironmentSettings {
        name: model.name.clone(),
        from: model.from.clone(),
        dir: model.dir.clone(),
        files: ComposeFiles::Exactly(model.files.clone()),
        env_file: Some(model.env_file.clone()),
        env_file_choice: EnvFileChoice::Named,
        project: None,
        map: std::collections::BTreeMap::new(),
        protected: model.protected,
        beside: None,
    }
}
