//! Which Compose there is: `docker compose` (v2, v5) or `docker-compose` (v1, or v2 under the old name).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};

use crate::process::{LockSlot, Process, find_program};

/// The environment variable that names the Compose to use: `docker compose`, or a path.
const OVERRIDE: &str = "ALA_PROMOTE_COMPOSE";
/// How long a Compose may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);
/// The oldest v1 that reads files without `version:` and `--env-file`.
const OLDEST: (u32, u32) = (1, 27);
/// The oldest v2 that knows `up --pull missing`: an older one pulls what says `pull_policy: always`, whatever is being
/// promoted. v1 never does.
const OLDEST_TWO: (u32, u32) = (2, 8);

/// The two families of Compose, which differ in nearly all they print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// 1.x, written in Python.
    One,
    /// 2.x and later.
    Two,
}

/// A Compose that can be called.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    /// The program.
    pub(super) program: PathBuf,
    /// What goes before all other arguments.
    pub(super) prefix: Vec<OsString>,
    /// What people type.
    pub(super) name: String,
    /// Its version as it prints it.
    pub(super) version: String,
    /// Its version as numbers.
    pub(super) number: (u32, u32),
}

impl Tool {
    /// Its family.
    pub(super) fn family(&self) -> Family {
        if self.number.0 < 2 { Family::One } else { Family::Two }
    }

    /// Finds the Compose to use.
    ///
    /// # Errors
    /// `Unavailable` when there is none that can be used, with what to install.
    pub(super) async fn detect(environment: &BTreeMap<String, String>) -> BackendResult<Self> {
        let given = environment.get(OVERRIDE).map(|text| text.trim()).filter(|text| !text.is_empty());
        let candidates = given.map_or_else(|| vec!["docker compose", "docker-compose"], |given| vec![given]);
        for candidate in candidates {
            if let Some(tool) = Self::ask(environment, candidate).await? {
                return tool.new_enough();
            }
        }
        let error =
            |detail: String| BackendError::new(BackendErrorKind::Unavailable, "find Docker Compose", detail);
        Err(match given {
            Some(given) => error(format!("`{given}` is no Docker Compose that runs"))
                .with_hint(format!("correct {OVERRIDE}, or unset it")),
            None => error("neither `docker compose` nor `docker-compose` runs".into()).with_hint(
                "install it: the package docker-compose-plugin of Docker, or docker-compose or \
                 docker-compose-v2 of your distribution",
            ),
        })
    }

    /// Asks a candidate for its version; `None` when there is no such Compose.
    async fn ask(environment: &BTreeMap<String, String>, name: &str) -> BackendResult<Option<Self>> {
        // A path may hold spaces; `docker compose` is a program and an argument.
        let (program, prefix) = match find_program(environment, name) {
            Some(program) => (program, vec![]),
            None => {
                let mut words = name.split_whitespace();
                let Some(program) = words.next().and_then(|word| find_program(environment, word)) else {
                    return Ok(None);
                };
                (program, words.map(OsString::from).collect())
            }
        };
        let args = prefix.iter().cloned().chain(["version".into(), "--short".into()]).collect();
        let process = Process {
            what: format!("ask `{name}` for its version"),
            program: &program,
            args,
            dir: Path::new("/"),
            environment,
            limit: VERSION_LIMIT,
            cancel: None,
            lines: None,
            into: None,
        };
        let done = process.run(&LockSlot::default()).await?;
        let version = String::from_utf8_lossy(&done.stdout).trim().trim_start_matches('v').to_owned();
        let Some(number) = number(&version).filter(|_| done.status.success()) else { return Ok(None) };
        Ok(Some(Self { program, prefix, name: name.to_owned(), version, number }))
    }

    fn new_enough(self) -> BackendResult<Self> {
        let oldest = match self.family() {
            Family::One => OLDEST,
            Family::Two => OLDEST_TWO,
        };
        if self.number >= oldest {
            return Ok(self);
        }
        Err(BackendError::new(
            BackendErrorKind::Unavailable,
            "find Docker Compose",
            format!("`{}` is {}, older than {}.{}", self.name, self.version, oldest.0, oldest.1),
        )
        .with_hint("install Docker Compose 2.8 or later, or 1.29"))
    }
}

/// The first two numbers of a version.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    let major = parts.next()?.parse().ok()?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    Some((major, digits(parts.next()?).parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_as_they_are_printed() {
        assert_eq!(number("1.29.2"), Some((1, 29)));
        assert_eq!(number("2.40.3-3"), Some((2, 40)));
        assert_eq!(number("5.0"), Some((5, 0)));
        assert_eq!(number("2.24-desktop.1"), Some((2, 24)));
        assert_eq!(number("docker: 'compose' is not a docker command."), None);
        assert_eq!(number(""), None);
    }

    #[tokio::test]
    async fn says_what_to_install_and_what_to_correct() {
        let empty = BTreeMap::from([("PATH".to_owned(), "/nonexistent".to_owned())]);
        let error = Tool::detect(&empty).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
        assert!(error.hint().unwrap().contains("docker-compose-plugin"));
        let given = BTreeMap::from([(OVERRIDE.to_owned(), "/bin/false".to_owned())]);
        let error = Tool::detect(&given).await.unwrap_err();
        assert!(error.hint().unwrap().contains(OVERRIDE));
    }

    #[tokio::test]
    async fn takes_the_first_that_answers_unless_one_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, script: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("docker", "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1");
        write("docker-compose", "echo 1.29.2");
        write("my compose", "echo 2.8.0");
        let path = format!("{}:/bin:/usr/bin", folder.path().display());
        let mut environment = BTreeMap::from([("PATH".to_owned(), path)]);
        let tool = Tool::detect(&environment).await.unwrap();
        assert_eq!((tool.name.as_str(), tool.family()), ("docker-compose", Family::One));
        write("docker", "[ \"$1 $2\" = 'compose version' ] && echo v2.40.3");
        let tool = Tool::detect(&environment).await.unwrap();
        assert_eq!((tool.name.as_str(), tool.family()), ("docker compose", Family::Two));
        environment.insert(OVERRIDE.into(), folder.path().join("my compose").display().to_string());
        assert_eq!(Tool::detect(&environment).await.unwrap().version, "2.8.0");
        for (version, refused) in [("1.25.0", "older than 1.27"), ("2.7.0", "older than 2.8")] {
            write("my compose", &format!("echo {version}"));
            let error = Tool::detect(&environment).await.unwrap_err();
            assert!(error.to_string().contains(refused), "{error}");
            assert!(error.hint().unwrap().contains("2.8"));
        }
    }
}
