//! Commands of the team's own around a swap.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HookName, OperationId, ReleaseTag, ServiceName};

/// A command of the team's own, with what takes it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its name, unique in its environment.
    pub name: HookName,
    /// The service in whose image and environment it runs; `None`: on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Program and arguments; no shell reads them. No secrets: they are recorded, and seen by all users of the host.
    pub command: Vec<String>,
    /// What takes it back. It must succeed too where the command never ran, ran in part, or was taken back already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Vec<String>>,
    /// How long each of the two may take.
    pub timeout: Duration,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookMoment {
    /// After images were tagged and the database backed up, before any container is replaced.
    BeforeSwap,
    /// When all services are healthy, before the commit.
    AfterSwap,
}

/// One command of a hook, to be run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCommand {
    /// The operation that runs it.
    pub operation: OperationId,
    /// The release that the operation puts on.
    pub release: Option<ReleaseTag>,
    /// The hook.
    pub name: HookName,
    /// The service in whose image and environment it runs; `None`: on the host.
    pub service: Option<ServiceName>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// The file that its output is added to, absolute.
    pub log: PathBuf,
}

impl HookCommand {
    /// What the command is told of the operation, as environment variables of these names. No secrets.
    #[must_use]
    pub fn variables(&self, stack: &super::StackRef) -> Vec<(&'static str, String)> {
        let release = self.release.as_ref().map(ToString::to_string).unwrap_or_default();
        vec![
            ("ALA_PROMOTE_OPERATION", self.operation.to_string()),
            ("ALA_PROMOTE_ENVIRONMENT", stack.environment.to_string()),
            ("ALA_PROMOTE_RELEASE", release),
            ("ALA_PROMOTE_PROJECT", stack.project.to_string()),
        ]
    }
}
