//! Hooks: Compose runs them, and what it leaves on the engine is looked for by our labels.

use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, Hooks};
use ala_promote_core::domain::{HookCommand, StackRef};
use async_trait::async_trait;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, StopContainerOptionsBuilder};
use tokio::time::{Instant, sleep};

use super::DockerStacks;
use crate::error::{engine_error, is_conflict, is_not_found};
use crate::labels;

/// How long a command in a container may take to end by itself after SIGTERM, in seconds.
const GRACE_SECONDS: i32 = 10;
/// What a stop may take beyond the grace.
const STOP_MARGIN: Duration = Duration::from_secs(60);
/// How long until nothing of a hook may be left on the engine.
const GONE: Duration = Duration::from_secs(120);
/// Pause between two looks at that.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[async_trait]
impl Hooks for DockerStacks {
    async fn run(&self, stack: &StackRef, command: &HookCommand, call: &Call) -> BackendResult<()> {
        let Some(service) = &command.service else {
            return self.compose.run_on_host(stack, command, call).await;
        };
        let done = self.compose.run_in_service(stack, service, command, call).await;
        // Ending Compose does not end the container that it made; and who was killed may have left one.
        let ended = self.end(stack, command).await;
        done.and(ended)
    }

    async fn end(&self, stack: &StackRef, command: &HookCommand) -> BackendResult<()> {
        let deadline = Instant::now() + GONE;
        let filters = [
            format!("{}={}", labels::PROJECT, stack.project),
            format!("{}={}", labels::OPERATION, command.operation),
            format!("{}={}", labels::HOOK, command.name),
        ];
        loop {
            let mut left = self.containers.labelled_all(&filters).await?;
            if left.is_empty() {
                return Ok(());
            }
            for id in left.drain(..).filter_map(|summary| summary.id) {
                self.end_container(&id, command).await?;
            }
            // The engine may still have been making one when Compose ended, or be removing it.
            if Instant::now() >= deadline {
                return Err(BackendError::new(
                    BackendErrorKind::TimedOut,
                    format!("end the hook {}", command.name),
                    format!("its container is not gone after {} s", GONE.as_secs()),
                ));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

impl DockerStacks {
    /// Stops and removes a container of a hook, with the anonymous volumes that only it has.
    async fn end_container(&self, id: &str, command: &HookCommand) -> BackendResult<()> {
        let what = format!("end the hook {}", command.name);
        let grace = Duration::from_secs(u64::try_from(GRACE_SECONDS).unwrap_or_default());
        let stop = StopContainerOptionsBuilder::default().t(GRACE_SECONDS).build();
        match self.engine.patient(grace + STOP_MARGIN).stop_container(id, Some(stop)).await {
            Err(error) if !is_not_found(&error) => return Err(engine_error(what, error)),
            _ => {}
        }
        let remove = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.engine.docker().remove_container(id, Some(remove)).await {
            // Gone, or somebody else is at it: `--rm` of a Compose that was just stopped.
            Err(error) if !is_not_found(&error) && !is_conflict(&error) => Err(engine_error(what, error)),
            _ => Ok(()),
        }
    }
}
