//! Who is at work: the lock of an operation, and what a lock that was left behind means.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::EngineError;
use super::engine::Inner;
use crate::backend::{Acquired, CancelToken, LockGuard, LockHolder, LockScope};
use crate::domain::{OperationId, Verb};
use crate::event::Event;
use crate::ledger::Unfinished;
use crate::plan::Plan;

/// How often `recover` looks whether the children of a dead process have ended, before it names them and gives up: for
/// five minutes.
const CHILDREN_LOOKS: usize = 150;
/// The pause between two of these looks.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl Inner {
    /// Takes the lock of an operation. One that a finished operation left behind holds nobody up.
    pub(super) async fn acquire(
        &self,
        plan: &Plan,
        take_over: Option<&OperationId>,
    ) -> Result<Box<dyn LockGuard>, EngineError> {
        let holder = self.holder(&plan.operation, plan.request.to_string());
        let (scope, mut take_over) = (self.scope(plan), take_over.cloned());
        // Twice: a lock that a finished operation left behind is taken over.
        for _ in 0..2 {
            match self.backend.lock().acquire(&scope, &holder, take_over.as_ref()).await? {
                Acquired::Busy { holder: Some(dead), alive: false } => {
                    self.left_nothing(&dead).await?;
                    take_over = Some(dead.operation);
                }
                other => return taken(other),
            }
        }
        Err(EngineError::Locked { holder: None })
    }

    /// Takes the lock of an operation that is to be recovered: children of its dead process are waited for, with a
    /// bound.
    pub(super) async fn acquire_from_the_dead(
        &self,
        plan: &Plan,
        events: &UnboundedSender<Event>,
        cancel: &CancelToken,
    ) -> Result<Box<dyn LockGuard>, EngineError> {
        let mut told = Vec::new();
        for _ in 1..CHILDREN_LOOKS {
            match self.acquire(plan, Some(&plan.operation)).await {
                Err(EngineError::ChildrenAtWork { children, .. }) if !cancel.is_cancelled() => {
                    if told != children {
                        let _ = events.send(Event::WaitingForChildren { children: children.clone() });
                        told = children;
                    }
                    self.clock.sleep(LOOK_AGAIN).await;
                }
                outcome => return outcome,
            }
        }
        self.acquire(plan, Some(&plan.operation)).await
    }

    pub(super) fn holder(&self, operation: &OperationId, what: String) -> LockHolder {
        LockHolder {
            operation: operation.clone(),
            actor: self.actor.clone(),
            since: self.clock.now(),
            what,
            ledger: self.journal().head().ledger.to_string(),
        }
    }

    /// That a dead holder of a lock left nothing to recover: it died after its last record, or before its first, so
    /// that nothing was done. Only the ledger that it wrote can tell.
    async fn left_nothing(&self, dead: &LockHolder) -> Result<(), EngineError> {
        let view = self.refreshed_view(false)?;
        if dead.ledger != self.journal().head().ledger.to_string() {
            return Err(EngineError::HalfDoneElsewhere { holder: Box::new(dead.clone()) });
        }
        if view.unfinished.contains_key(&dead.operation) {
            return Err(EngineError::NeedsRecovery {
                operation: dead.operation.clone(),
                state: format!("the process of {} ended before it was done", dead.actor),
            });
        }
        // A ledger whose end is missing can't tell.
        self.is_the_remembered_ledger().await?;
        // What it may have set aside before its first record.
        self.release_reserve(&dead.operation);
        Ok(())
    }

    /// A deployment works on the source tree too.
    fn scope(&self, plan: &Plan) -> LockScope {
        let uses_tree = matches!(plan.request.verb, Verb::Fetch | Verb::Deploy { .. });
        let dir = self.settings.environments.get(plan.environment()).map(|e| e.dir.clone());
        let tree: Option<PathBuf> = dir.filter(|_| uses_tree);
        let project = plan.stack.as_ref().map(|stack| stack.project.clone());
        LockScope { project, tree, state_dir: self.settings.state_dir.clone() }
    }

    /// What an operation that is not done comes to: it may be at work this very moment, as its lock tells, or have ended
    /// since the record was read; then there is nothing to tell.
    pub(super) async fn nothing_at_work(&self, unfinished: &Unfinished) -> Result<(), EngineError> {
        let plan = unfinished.progress.plan();
        match self.acquire(plan, None).await {
            Ok(guard) => {
                let view = self.refreshed_view(false);
                self.give_back(guard).await;
                match view?.unfinished.get(&plan.operation) {
                    Some(unfinished) => Err(not_done(unfinished)),
                    None => Ok(()),
                }
            }
            Err(EngineError::NeedsRecovery { .. }) => Err(not_done(unfinished)),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn give_back(&self, guard: Box<dyn LockGuard>) {
        if let Err(error) = guard.release().await {
            tracing::warn!(%error, "the lock could not be given back");
        }
    }
}

/// The lock, or why it is not to be had.
pub(super) fn taken(acquired: Acquired) -> Result<Box<dyn LockGuard>, EngineError> {
    match acquired {
        Acquired::Held(guard) => Ok(guard),
        Acquired::Busy { holder, .. } => Err(EngineError::Locked { holder: holder.map(Box::new) }),
        Acquired::Orphaned { holder, children } => {
            Err(EngineError::ChildrenAtWork { holder: Box::new(holder), children })
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
