//! Commands of the team's own: run, and taken back.

use std::path::Path;

use super::Executor;
use super::effects::{failed, resolve};
use crate::backend::{BackendResult, Call};
use crate::domain::{Hook, HookCommand, StackRef};
use crate::engine::Progress;
use crate::plan::{HookImage, Output, Plan};

impl Executor<'_> {
    /// Runs a hook's command, in the very image that the release has.
    pub(super) async fn run_hook(
        &self,
        known: &Progress,
        stack: &StackRef,
        hook: &Hook,
        image: Option<&HookImage>,
        log: &Path,
        call: &Call,
    ) -> BackendResult<Output> {
        if let Some(HookImage { reference, image }) = image {
            let image = resolve(known, image)?;
            let found = self.backend.images().resolve(reference).await?;
            if !found.is_some_and(|found| found.is_same(&image)) {
                let what = format!("hook {}", hook.name);
                return Err(failed(what, format!("{reference} names another image than the release has")));
            }
        }
        let command = command(known.plan(), hook, &hook.command, log);
        self.backend.hooks().run(stack, &command, call).await?;
        Ok(Output::HookRan { name: hook.name.clone(), log: log.to_owned() })
    }

    /// What a killed process left of the command is ended first: else both would be at work.
    pub(super) async fn undo_hook(
        &self,
        plan: &Plan,
        stack: &StackRef,
        hook: &Hook,
        log: &Path,
        call: &Call,
    ) -> BackendResult<()> {
        let hooks = self.backend.hooks();
        hooks.end(stack, &command(plan, hook, &hook.command, log)).await?;
        match &hook.undo {
            Some(undo) => hooks.run(stack, &command(plan, hook, undo, log), call).await,
            None => Ok(()),
        }
    }
}

fn command(plan: &Plan, hook: &Hook, words: &[String], log: &Path) -> HookCommand {
    HookCommand {
        operation: plan.operation.clone(),
        release: plan.release.as_ref().map(|release| release.tag.clone()),
        name: hook.name.clone(),
        service: hook.service.clone(),
        command: words.to_vec(),
        timeout: hook.timeout,
        log: log.to_owned(),
    }
}
