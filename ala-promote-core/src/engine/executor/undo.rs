//! How each kind of step is taken back. Uses nothing but what the plan holds, and tolerates what never happened or
//! happened in part.

use super::Executor;
use crate::backend::{BackendResult, CancelToken};
use crate::domain::{ImageId, ImageReference, PullSource};
use crate::plan::{Action, Plan, Step};

impl Executor<'_> {
    /// Ensures that a step's effect is gone. Can't be cancelled: the way back is always gone to its end.
    pub(super) async fn undo_effect(&self, plan: &Plan, step: &Step) -> BackendResult<()> {
        let call = self.call(&step.id, CancelToken::new());
        match &step.action {
            Action::Snapshot { file, .. } => self.backend.stacks().discard_snapshot(file).await,
            Action::Build { targets, .. } => {
                for reference in targets.values() {
                    self.backend.images().untag(reference).await?;
                }
                Ok(())
            }
            Action::Pull { targets, .. } => {
                // One that can't be moved back leaves the others no less to be done.
                let mut undone = Ok(());
                for target in targets.values() {
                    let PullSource::Tag(reference) = &target.source else { continue };
                    undone = undone.and(self.put_back(reference, target.prior.as_ref()).await);
                }
                undone
            }
            Action::Tag { reference, prior, .. } => self.put_back(reference, prior.as_ref()).await,
            Action::Swap { stack, snapshot, .. } => {
                self.backend.stacks().restore(stack, snapshot, &call).await
            }
            Action::Hook { stack, hook, log, .. } => self.undo_hook(plan, stack, hook, log, &call).await,
            Action::External { kind, version, payload } => {
                self.handler(kind)?.undo(*version, payload, &call).await
            }
            // A complete one is kept.
            Action::Backup { stack, database, file } => {
                self.backend.database().discard_partial(stack, database, &plan.operation, file).await
            }
            // The rest leaves nothing behind.
            Action::Fetch { .. }
            | Action::AwaitHealth { .. }
            | Action::Commit { .. }
            | Action::Untag { .. }
            | Action::DiscardSnapshot { .. } => Ok(()),
        }
    }

    /// A reference names again what it named before.
    async fn put_back(&self, reference: &ImageReference, prior: Option<&ImageId>) -> BackendResult<()> {
        match prior {
            Some(id) => self.backend.images().tag(id, reference).await,
            None => self.backend.images().untag(reference).await,
        }
    }
}
