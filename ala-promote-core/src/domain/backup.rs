//! What can be backed up, how, and what is said of a backup.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BackupName, ImageReference, ServiceName};

/// What one backup is taken of, and how. Part of plans, so that a recovery needs no config file. Each form has a key that
/// no other one has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum DatabaseTarget {
    /// A database in a container of the stack.
    Service(ServiceDatabase),
    /// A database outside of the stack.
    Url(UrlDatabase),
    /// Whatever a command of the team's own writes.
    Command(BackupCommand),
}

/// A database in a container of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDatabase {
    /// Its service.
    pub service: ServiceName,
    /// What it is.
    #[serde(default)]
    pub kind: DatabaseKind,
    /// The database's name.
    pub database: String,
    /// The role to connect as.
    pub user: String,
    /// Whether its container runs now.
    pub running: bool,
}

/// Kinds of databases that can be dumped in their container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DatabaseKind {
    /// PostgreSQL.
    #[default]
    PostgreSql,
    /// MySQL or MariaDB.
    MySql,
}

/// A PostgreSQL database outside of the stack: managed by somebody else, on the host, or in another stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlDatabase {
    /// The key of the environment's env file that holds its URL.
    pub url_env: String,
    /// The image that `pg_dump` runs in; it must be on the engine.
    pub image: ImageReference,
    /// The engine's network that it runs in; `None`: the engine's default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// A command of the team's own whose standard output is the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupCommand {
    /// What its backups are called.
    pub name: BackupName,
    /// Program and arguments; no shell reads them. No secrets: they are recorded, and seen by all users of the host.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

impl DatabaseTarget {
    /// What the config calls it: its service, its key, or its name. No two of one environment have the same.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Service(database) => database.service.as_str(),
            Self::Url(database) => &database.url_env,
            Self::Command(command) => command.name.as_str(),
        }
    }
}

impl fmt::Display for DatabaseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(database) => write!(f, "{} of {}", database.database, database.service),
            Self::Url(database) => write!(f, "the database of {}", database.url_env),
            Self::Command(command) => write!(f, "{} by command", command.name),
        }
    }
}

/// What stands beside a backup as `<file>.manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupManifest {
    /// Format version, 1.
    pub version: u32,
    /// The backup, absolute.
    pub file: PathBuf,
    /// What it is of.
    #[serde(flatten)]
    pub of: BackedUp,
    /// When the dump began.
    pub started_at: Timestamp,
    /// When the file was complete and synced.
    pub finished_at: Timestamp,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// What a backup is of, as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum BackedUp {
    /// A database in a container. The dump was looked at: it is a whole one.
    Service {
        /// The database's service.
        service: ServiceName,
        /// The database's name.
        database: String,
        /// The server's version as it gives it.
        server_version: String,
    },
    /// A database outside of the stack. The dump was looked at: it is a whole one.
    Url {
        /// The key that holds its URL.
        url_env: String,
        /// The database's name.
        database: String,
        /// The server's version as it gives it.
        server_version: String,
    },
    /// What a command wrote. It ended well and wrote something; nobody looked at the content.
    Command {
        /// What its backups are called.
        name: BackupName,
        /// Program and arguments.
        command: Vec<String>,
    },
}

impl BackedUp {
    /// Whether the content was found to be a whole dump.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        !matches!(self, Self::Command { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_before_there_were_several_kinds_is_read() {
        let old = r#"{"service":"db","database":"ala","user":"ala_user","running":true}"#;
        let DatabaseTarget::Service(target) = serde_json::from_str(old).unwrap() else { panic!() };
        assert_eq!((target.kind, target.service.as_str()), (DatabaseKind::PostgreSql, "db"));
        let old = r#"{"version":1,"file":"/b/backup.sql","service":"db","database":"ala","server_version":"15.14",
            "started_at":"2025-10-29T14:30:22Z","finished_at":"2025-10-29T14:30:23Z","bytes":5000000000,"sha256":"ab"}"#;
        let manifest: BackupManifest = serde_json::from_str(old).unwrap();
        let BackedUp::Service { service, .. } = &manifest.of else { panic!("{manifest:?}") };
        assert_eq!((service.as_str(), manifest.bytes), ("db", 5_000_000_000));
        // And it is written as it was.
        let value: serde_json::Value = serde_json::from_str(old).unwrap();
        assert_eq!(serde_json::to_value(&manifest).unwrap(), value);
    }

    #[test]
    fn each_kind_is_read_as_what_it_was() {
        let command = BackupCommand {
            name: "files.tar".parse().unwrap(),
            command: vec!["./dump.sh".into()],
            timeout: Duration::from_secs(60),
        };
        let url = UrlDatabase {
            url_env: "DATABASE_URL".into(),
            image: "postgres:16".parse().unwrap(),
            network: Some("host".into()),
        };
        for target in [DatabaseTarget::Command(command), DatabaseTarget::Url(url)] {
            let json = serde_json::to_string(&target).unwrap();
            assert_eq!(serde_json::from_str::<DatabaseTarget>(&json).unwrap(), target, "{json}");
        }
        let kinds = [
            BackedUp::Url {
                url_env: "DATABASE_URL".into(),
                database: "ala".into(),
                server_version: "16".into(),
            },
            BackedUp::Command { name: "files.tar".parse().unwrap(), command: vec!["./dump.sh".into()] },
        ];
        for of in kinds {
            let json = serde_json::to_string(&of).unwrap();
            assert_eq!(serde_json::from_str::<BackedUp>(&json).unwrap(), of, "{json}");
        }
    }
}
