//! Who is at work: the lock of an operation, and what a lock that was left behind means.

use std::path::PathBuf;

use super::EngineError;
use super::engine::Inner;
use crate::backend::{Acquired, LockGuard, LockHolder, LockScope};
use crate::domain::{OperationId, Verb};
use crate::ledger::Unfinished;
use crate::plan::Plan;

impl Inner {
    /// Takes the lock of an operation. One that a finished operation left behind holds nobody up.
    pub(super) async fn acquire(
        &self,
        plan: &Plan,
        take_over: Option<&OperationId>,
    ) -> Result<Box<dyn LockGuard>, EngineError> {
        let holder = LockHolder {
            operation: plan.operation.clone(),
            actor: self.actor.clone(),
            since: self.clock.now(),
            what: plan.request.to_string(),
        };
        let (scope, mut take_over) = (self.scope(plan), take_over.cloned());
        // Twice: a lock that a finished operation left behind is taken over.
        for _ in 0..2 {
            match self.backend.lock().acquire(&scope, &holder, take_over.as_ref()).await? {
                Acquired::Held(guard) => return Ok(guard),
                Acquired::Busy { holder: Some(dead), alive: false } if self.left_nothing(&dead)? => {
                    take_over = Some(dead.operation);
                }
                Acquired::Busy { holder: Some(dead), alive: false } => {
                    return Err(EngineError::NeedsRecovery {
                        operation: dead.operation,
                        state: format!("the process of {} ended before it was done", dead.actor),
                    });
                }
                Acquired::Busy { holder, .. } => return Err(EngineError::Locked { holder }),
            }
        }
        Err(EngineError::Locked { holder: None })
    }

    /// Whether a dead holder of a lock left nothing to recover: it died after its last record, or before its first (so
    /// that nothing was done); the latter can be told of this host's ledger only.
    fn left_nothing(&self, dead: &LockHolder) -> Result<bool, EngineError> {
        let view = self.refreshed_view(false)?;
        let is_known = view.history.iter().any(|entry| entry.operation.as_ref() == Some(&dead.operation));
        let is_ours = is_known || dead.actor.host == self.actor.host;
        Ok(is_ours && !view.unfinished.contains_key(&dead.operation))
    }

    /// A deployment works on the source tree too.
    fn scope(&self, plan: &Plan) -> LockScope {
        let uses_tree = matches!(plan.request.verb, Verb::Fetch | Verb::Deploy { .. });
        let dir = self.settings.environments.get(plan.environment()).map(|e| e.dir.clone());
        let tree: Option<PathBuf> = dir.filter(|_| uses_tree);
        let project = plan.stack.as_ref().map(|stack| stack.project.clone());
        LockScope { project, tree, state_dir: self.settings.state_dir.clone() }
    }

    /// An operation that is not done may be at work this very moment: its lock tells.
    pub(super) async fn at_work_or_dead(&self, unfinished: &Unfinished) -> EngineError {
        match self.acquire(unfinished.progress.plan(), None).await {
            Ok(guard) => {
                self.give_back(guard).await;
                not_done(unfinished)
            }
            Err(locked @ EngineError::Locked { .. }) => locked,
            Err(_) => not_done(unfinished),
        }
    }

    pub(super) async fn give_back(&self, guard: Box<dyn LockGuard>) {
        if let Err(error) = guard.release().await {
            tracing::warn!(%error, "the lock could not be given back");
        }
    }
}

pub(super) fn not_done(unfinished: &Unfinished) -> EngineError {
    let state = match unfinished.progress.outcome() {
        Some(_) => "it ended in a state that needs attention".to_owned(),
        None => format!("started by {}, whose process ended before it was done", unfinished.actor),
    };
    EngineError::NeedsRecovery { operation: unfinished.progress.plan().operation.clone(), state }
}
