//! A database's backup.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ServiceName;

/// What stands beside a backup as `<file>.manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupManifest {
    /// Format version, 1.
    pub version: u32,
    /// The backup, absolute.
    pub file: PathBuf,
    /// The database's service.
    pub service: ServiceName,
    /// The database's name.
    pub database: String,
    /// The server's version as it gives it.
    pub server_version: String,
    /// When the dump began.
    pub started_at: Timestamp,
    /// When the file was complete and synced.
    pub finished_at: Timestamp,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}
