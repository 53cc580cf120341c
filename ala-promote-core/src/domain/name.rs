//! Names that people type and tools print. Each is a checked string: it can be used as a path component, a tag or a
//! label value without further escaping.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest accepted name, in bytes. Container names and tags are cut by engines at 128; ours stay well below.
pub const MAX_NAME_BYTES: usize = 100;

/// Why a string is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} `{value}` {problem}")]
#[non_exhaustive]
pub struct NameError {
    /// What the string was meant to name, such as `environment`.
    pub what: &'static str,
    /// The string, shortened to [`MAX_NAME_BYTES`] characters.
    pub value: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

fn check(what: &'static str, value: &str) -> Result<(), NameError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let problem = if value.is_empty() {
        "is empty"
    } else if value.len() > MAX_NAME_BYTES {
        "is longer than 100 bytes"
    } else if !value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        "does not start with a letter, a digit or `_`"
    } else if !value.chars().all(allowed) {
        "has characters other than letters, digits, `-`, `_` and `.`"
    } else {
        return Ok(());
    };
    Err(NameError { what, value: value.chars().take(MAX_NAME_BYTES).collect(), problem })
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the string: 1 to [`MAX_NAME_BYTES`] bytes of ASCII letters, digits, `-`, `_`, `.`.
            ///
            /// # Errors
            /// [`NameError`] says which rule is broken.
            pub fn new(value: impl Into<String>) -> Result<Self, NameError> {
                let value = value.into();
                check($what, &value)?;
                Ok(Self(value))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(value: String) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(value: &str) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(value: &str) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

names! {
    /// Where a stack runs: `staging`, `production` or any other.
    EnvironmentName = "environment";
    /// A service of a Compose file.
    ServiceName = "service";
    /// A Compose project.
    ProjectName = "project";
    /// The name of a release: `staging-tested-20251029-143022`.
    ReleaseTag = "release";
    /// One run of a command that changes something.
    OperationId = "operation";
    /// A hook of an environment.
    HookName = "hook";
    /// A backup that a command of the team's own writes.
    BackupName = "backup";
    /// A step within its plan.
    StepId = "step";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_compose_accepts_and_refuses_the_rest() {
        for good in ["staging", "a", "my_app-1.2", "0", "_x"] {
            assert!(ServiceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", ".x", "a b", "a/b", "é", "a\0", &"x".repeat(101)] {
            assert!(ServiceName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn is_checked_when_read_back() {
        assert!(serde_json::from_str::<EnvironmentName>("\"../etc\"").is_err());
        assert_eq!(serde_json::from_str::<EnvironmentName>("\"qa\"").unwrap().as_str(), "qa");
    }
}
