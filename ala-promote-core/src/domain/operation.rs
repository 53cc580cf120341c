//! What users ask for, and how it ended.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{EnvironmentName, OperationId, ReleaseTag, StepId};

/// What a user asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The environment that is to change.
    pub environment: EnvironmentName,
    /// In what way.
    pub verb: Verb,
}

/// The kinds of operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum Verb {
    /// Bring the source up to its upstream.
    Fetch,
    /// Put a release on the environment that builds it.
    Deploy {
        /// Whether to build; else the images that are tagged now are taken.
        build: bool,
        /// Whether a failed release is left running, to be looked at.
        keep_failed: bool,
    },
    /// Move the tested release of the environment before this one to it.
    Promote,
    /// Go back to an earlier release.
    Rollback {
        /// Which; `None` for the one before.
        to: Option<ReleaseTag>,
    },
}

impl Verb {
    /// One word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Deploy { .. } => "deploy",
            Self::Promote => "promote",
            Self::Rollback { .. } => "rollback",
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.environment)
    }
}

impl OperationId {
    /// An id that sorts by time and tells what it was: `20251029-143022-promote-1f3a`. `salt` keeps two of one second
    /// apart.
    #[must_use]
    pub fn generate(verb: &Verb, at: Timestamp, salt: u16) -> Self {
        let text = format!("{}-{}-{salt:04x}", at.strftime("%Y%m%d-%H%M%S"), verb.name());
        match Self::new(text) {
            Ok(id) => id,
            Err(_) => unreachable!("digits, dashes and a verb are a name"),
        }
    }
}

impl StepId {
    /// The id of the step with this number within its plan.
    #[must_use]
    pub fn numbered(number: usize) -> Self {
        match Self::new(format!("step-{number}")) {
            Ok(id) => id,
            Err(_) => unreachable!("a word and a number are a name"),
        }
    }
}

/// Who asked, as far as the machine can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The user's login name.
    pub user: String,
    /// The host.
    pub host: String,
    /// The process.
    pub pid: u32,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} (process {})", self.user, self.host, self.pid)
    }
}

/// How an operation ended. Each is said after looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
#[non_exhaustive]
pub enum Outcome {
    /// The new release runs.
    Committed {
        /// Things left undone after the commit that harm nothing, such as an old tag that could not be removed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// It failed or was stopped, and all is as it was.
    RolledBack {
        /// Why.
        reason: String,
    },
    /// It failed, and the failed release was left running to be looked at, as was asked for.
    Kept {
        /// Why it failed.
        reason: String,
    },
    /// Neither the old state nor the new one could be reached.
    NeedsAttention {
        /// Why.
        reason: String,
        /// What is what now, a line each.
        state: Vec<String>,
        /// What to type, a command each.
        commands: Vec<String>,
    },
}
