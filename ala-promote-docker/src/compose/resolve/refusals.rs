//! Projects that would be shared with somebody who does not know of it.

use std::path::PathBuf;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::config::{ComposeFiles, EnvFileChoice, EnvironmentSettings};
use ala_promote_core::domain::{ProjectName, StackRef};

use super::names::{as_named, line_of, one_of, quoted};
use super::running::{RunningProject, Started, is_same_path};
use super::{Resolver, conflict, what};
use crate::compose::invalid;

impl Resolver<'_> {
    /// Two environments in one project: each start would replace the other's containers.
    pub(super) async fn refuse_shared_project(&self, stack: &StackRef) -> BackendResult<()> {
        for other in self.settings.environments.keys().filter(|name| **name != stack.environment) {
            // What is wrong with the other one is said when it is asked for.
            let Ok(other) = self.stack(other, 0).await else { continue };
            if other.project == stack.project {
                return Err(BackendError::new(
                    BackendErrorKind::Conflict,
                    format!("resolve {}", stack.environment),
                    format!(
                        "{} and {} would both be Compose project `{}`, so that each start replaces the other's \
                         containers",
                        stack.environment, other.environment, stack.project
                    ),
                )
                .with_hint(
                    "give one of them another COMPOSE_PROJECT_NAME in its env file, or `project` in \
                     ala-promote.toml",
                ));
            }
        }
        Ok(())
    }

    /// Two files that could be its env file, where nothing runs that tells.
    pub(super) fn refuse_rival_env_files(&self, stack: &StackRef) -> BackendResult<()> {
        let Some(environment) = self.settings.environments.get(&stack.environment) else { return Ok(()) };
        let (EnvFileChoice::Convention { rivals }, Some(taken)) =
            (&environment.env_file_choice, &environment.env_file)
        else {
            return Ok(());
        };
        let runs = |running: &RunningProject| {
            running.project == stack.project && is_same_path(&running.working_dir, &stack.dir)
        };
        if rivals.is_empty() || self.running.iter().any(runs) {
            return Ok(());
        }
        let both = [taken].into_iter().chain(rivals);
        let all: Vec<String> = both.clone().map(|path| quoted(environment, path)).collect();
        let error = invalid(
            &what(environment),
            format!(
                "{} could each be the env file of {}, and no container runs that tells which is",
                all.join(", "),
                environment.name
            ),
        );
        let line = |path: &PathBuf| line_of(environment, "env_file", as_named(environment, path));
        Err(one_of(error, environment, both.map(line).collect()))
    }

    /// Something else that runs in the folder, started from other files as another project, which may well be this
    /// environment: a start would make a second one beside it. What the config names a project is that and no other.
    pub(super) async fn refuse_second(
        &self,
        environment: &EnvironmentSettings,
        project: &ProjectName,
        files: &[PathBuf],
    ) -> BackendResult<()> {
        if environment.project.is_some() {
            return Ok(());
        }
        let mut strangers = self.candidates(environment).await?;
        strangers.retain(|started| &started.project != project);
        for other in self.others(environment) {
            let theirs = match &other.files {
                ComposeFiles::AsRunning => self.as_running(other).await.ok().map(|stack| stack.project),
                ComposeFiles::Exactly(files) => self.natural_project(other, None, files).await.ok(),
                _ => None,
            };
            strangers.retain(|started| Some(&started.project) != theirs.as_ref());
        }
        if strangers.is_empty() {
            return Ok(());
        }
        let shown: Vec<String> = strangers.iter().map(Started::to_string).collect();
        let names: Vec<String> = files.iter().map(|path| quoted(environment, path)).collect();
        let line = |project: &ProjectName| line_of(environment, "project", project.as_str());
        let running = strangers
            .iter()
            .map(|started| line(&started.project).if_so(format!("if that is {}", environment.name)));
        let lines = running.chain([line(project).if_so("if it is something else")]).collect();
        let error = conflict(
            environment,
            format!(
                "it would be project `{project}` from {}, but what runs in its folder is {}",
                names.join(", "),
                shown.join("; ")
            ),
        );
        Err(one_of(error, environment, lines))
    }

    /// A project of that name which is somebody else's: `up` would replace its containers.
    pub(super) async fn refuse_foreign_project(&self, stack: &StackRef) -> BackendResult<()> {
        let same = self.running.iter().filter(|running| running.project == stack.project);
        let Some(environment) = self.settings.environments.get(&stack.environment) else { return Ok(()) };
        if let Some(foreign) = same.clone().find(|running| !is_same_path(&running.working_dir, &stack.dir)) {
            return Err(conflict(
                environment,
                format!(
                    "it is project `{}` in {}, but that project runs from {}",
                    stack.project,
                    stack.dir.display(),
                    foreign.working_dir.display()
                ),
            )
            .with_hint(
                "set COMPOSE_PROJECT_NAME in the env file, or `project` in ala-promote.toml, to a name of its own; \
                 if the folder was moved here, recreate its containers once with Compose",
            ));
        }
        let same: Vec<Started> = same.map(|running| Started::new(running, environment)).collect();
        for other in self.others(environment) {
            let claim = self.named(other).await?;
            let marks = self.marks(other, environment, claim.as_ref()).await;
            if let Some(started) =
                same.iter().find(|started| marks(started) && !started.has_files(&stack.files))
            {
                return Err(conflict(
                    environment,
                    format!(
                        "containers of its project were started from the files of {}: {started}",
                        other.name
                    ),
                )
                .with_hint(format!("start {} again from its own files", stack.environment)));
            }
        }
        Ok(())
    }
}
