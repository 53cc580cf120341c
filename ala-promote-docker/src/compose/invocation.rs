//! How Compose is called: always naming project, folder, env file and files, in an environment from which nothing can
//! change what they mean.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use ala_promote_core::domain::StackRef;

use super::env_file::EnvFile;
use super::tool::Family;

/// `COMPOSE_*` variables that say how Compose talks and builds, not what a stack is. Some hosts can't do without them:
/// v1 needs `COMPOSE_API_VERSION` on new engines.
const KEPT: [&str; 5] = [
    "COMPOSE_API_VERSION",
    "COMPOSE_HTTP_TIMEOUT",
    "COMPOSE_PARALLEL_LIMIT",
    "COMPOSE_DOCKER_CLI_BUILD",
    "COMPOSE_BAKE",
];
/// Variables without which programs are not found, whatever an env file sets.
const NEEDED: [&str; 2] = ["PATH", "HOME"];

/// The environment of a call of Compose, and what was left out of the shell's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment {
    /// Exactly what the child gets.
    pub(super) variables: BTreeMap<String, String>,
    /// Names of the shell's variables that would have changed what the files mean.
    pub(super) dropped: Vec<String>,
}

impl Environment {
    /// Takes the shell's environment for a stack.
    pub(super) fn new(
        shell: &BTreeMap<String, String>,
        docker_host: &str,
        dir: &Path,
        env_file: &EnvFile,
    ) -> Self {
        let mut variables = shell.clone();
        let mut dropped = Vec::new();
        variables.retain(|key, value| {
            let compose = key.starts_with("COMPOSE_") && !KEPT.contains(&key.as_str());
            let shadows = env_file.sets(key) && !NEEDED.contains(&key.as_str());
            let same = shadows && env_file.plain(key) == Some(value);
            if (compose || shadows) && !same {
                dropped.push(key.clone());
            }
            !(compose || shadows)
        });
        // The engine that the backend is connected to, and no other.
        variables.remove("DOCKER_CONTEXT");
        variables.insert("DOCKER_HOST".into(), docker_host.to_owned());
        // As if typed in the folder: `${PWD}` in a Compose file means it.
        variables.insert("PWD".into(), dir.to_string_lossy().into_owned());
        // v2 takes these from the env file unless they are set.
        variables.insert("COMPOSE_REMOVE_ORPHANS".into(), "false".into());
        // v1 is Python, which else holds its lines back when they go to a file.
        variables.insert("PYTHONUNBUFFERED".into(), "1".into());
        Self { variables, dropped }
    }

    /// What the reader should know of it.
    pub(super) fn note(&self) -> Option<String> {
        (!self.dropped.is_empty()).then(|| {
            format!(
                "not passed on to Compose from the shell, since they would change what the files mean: {}",
                self.dropped.join(", ")
            )
        })
    }
}

/// The arguments that come before Compose's own command.
///
/// Paths inside the folder are given to v1 as a person would type them there, since it writes them into labels as they
/// are given; v2 makes them absolute by itself.
pub(super) fn arguments(stack: &StackRef, family: Family) -> Vec<OsString> {
    let project = ["-p".into(), stack.project.as_str().into()];
    project.into_iter().chain(arguments_without_project(stack, family)).collect()
}

/// The same for a question whose answer may be the project: with `-p`, v2 takes `COMPOSE_PROJECT_NAME` for that.
pub(super) fn arguments_without_project(stack: &StackRef, family: Family) -> Vec<OsString> {
    let path = |path: &Path| -> OsString {
        match path.strip_prefix(&stack.dir) {
            Ok(inner) if family == Family::One => inner.into(),
            _ => path.into(),
        }
    };
    let mut args: Vec<OsString> = vec!["--project-directory".into(), stack.dir.clone().into()];
    if let Some(env_file) = &stack.env_file {
        args.extend(["--env-file".into(), path(env_file)]);
    }
    for file in &stack.files {
        args.extend(["-f".into(), path(file)]);
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_shell_changes_what_files_mean() {
        let shell: BTreeMap<String, String> = [
            ("PATH", "/bin"),
            ("HOME", "/root"),
            ("TAG", "from-shell"),
            ("SAME", "x"),
            ("OTHER", "kept"),
            ("COMPOSE_PROJECT_NAME", "evil"),
            ("COMPOSE_API_VERSION", "1.41"),
            ("DOCKER_CONTEXT", "elsewhere"),
            ("DOCKER_HOST", "tcp://elsewhere"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        let env_file = EnvFile::parse("TAG=from-file\nSAME=x\nPATH=/x\n");
        let made = Environment::new(&shell, "unix:///run/docker.sock", Path::new("/srv/app"), &env_file);
        assert_eq!(made.dropped, ["COMPOSE_PROJECT_NAME", "TAG"]);
        assert!(made.note().unwrap().contains("COMPOSE_PROJECT_NAME, TAG"));
        let variable = |key: &str| made.variables.get(key).map(String::as_str);
        assert_eq!(variable("TAG"), None);
        assert_eq!(variable("SAME"), None);
        assert_eq!(variable("OTHER"), Some("kept"));
        assert_eq!(variable("PATH"), Some("/bin"));
        assert_eq!(variable("COMPOSE_API_VERSION"), Some("1.41"));
        assert_eq!(variable("DOCKER_CONTEXT"), None);
        assert_eq!(variable("DOCKER_HOST"), Some("unix:///run/docker.sock"));
        assert_eq!(variable("COMPOSE_REMOVE_ORPHANS"), Some("false"));
    }

    #[test]
    fn everything_is_named() {
        let stack = StackRef {
            environment: "staging".parse().unwrap(),
            project: "app-staging".parse().unwrap(),
            dir: "/srv/app".into(),
            files: vec!["/srv/app/docker-compose.yml".into(), "/etc/extra.yml".into()],
            env_file: Some("/srv/app/.env.staging".into()),
            service_env_files: BTreeMap::new(),
            changes: Vec::new(),
            derived_file: None,
        };
        let text = |family| {
            let args = arguments(&stack, family);
            args.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            text(Family::One),
            "-p app-staging --project-directory /srv/app --env-file .env.staging -f docker-compose.yml \
             -f /etc/extra.yml"
        );
        assert_eq!(
            text(Family::Two),
            "-p app-staging --project-directory /srv/app --env-file /srv/app/.env.staging \
             -f /srv/app/docker-compose.yml -f /etc/extra.yml"
        );
    }
}
