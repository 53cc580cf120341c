//! Projects that would be shared with somebody who does not know of it.

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::StackRef;

use super::running::{Started, is_same_path};
use super::{Resolver, conflict};

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

    /// A project of that name which is somebody else's: `up` would replace its containers.
    pub(super) fn refuse_foreign_project(&self, stack: &StackRef) -> BackendResult<()> {
        let mut same = self.running.iter().filter(|running| running.project == stack.project);
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
        let mixed = same.find_map(|running| {
            let started = Started::new(running, environment);
            let other = self.others(environment).find(|other| self.is_marked(&started, other))?;
            (!started.has_files(&stack.files)).then_some((started, other))
        });
        match mixed {
            None => Ok(()),
            Some((started, other)) => Err(conflict(
                environment,
                format!("containers of its project were started from the files of {}: {started}", other.name),
            )
            .with_hint(format!("start {} again from its own files", stack.environment))),
        }
    }
}
