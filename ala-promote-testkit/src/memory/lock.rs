//! Locks: a project's outlives who made it, as a container on an engine does; a tree's does not.

use std::path::PathBuf;

use ala_promote_core::backend::{
    Acquired, BackendError, BackendErrorKind, BackendResult, Lock, LockGuard, LockHolder, LockScope,
};
use ala_promote_core::domain::{OperationId, ProjectName};
use async_trait::async_trait;

use super::MemoryBackend;
use super::state::HeldLock;

#[async_trait]
impl Lock for MemoryBackend {
    async fn acquire(
        &self,
        scope: &LockScope,
        holder: &LockHolder,
        take_over: Option<&OperationId>,
    ) -> BackendResult<Acquired> {
        self.step().await;
        let token = self.fresh_id();
        let what = format!("lock {} for {}", scope.project, holder.operation);
        let busy = self.change(&what, |state, _| {
            let on_project = state.locks.get(&scope.project);
            let on_tree = scope.tree.as_ref().and_then(|tree| state.tree_locks.get(tree));
            let free_to_take = |held: &HeldLock| !held.alive && take_over == Some(&held.holder.operation);
            if let Some(held) = on_project.into_iter().chain(on_tree).find(|held| !free_to_take(held)) {
                return Ok(Some(held.clone()));
            }
            let ours = HeldLock { holder: holder.clone(), alive: true, token };
            if let Some(tree) = &scope.tree {
                state.tree_locks.insert(tree.clone(), ours.clone());
            }
            state.locks.insert(scope.project.clone(), ours);
            Ok(None)
        })?;
        Ok(match busy {
            Some(held) => Acquired::Busy { holder: Some(held.holder), alive: held.alive },
            None => Acquired::Held(Box::new(MemoryGuard {
                backend: self.clone(),
                project: scope.project.clone(),
                tree: scope.tree.clone(),
                token,
            })),
        })
    }
}

#[derive(Debug)]
struct MemoryGuard {
    backend: MemoryBackend,
    project: ProjectName,
    tree: Option<PathBuf>,
    token: u64,
}

#[async_trait]
impl LockGuard for MemoryGuard {
    async fn check(&self) -> BackendResult<()> {
        self.backend.step().await;
        let state = self.backend.state();
        let what = format!("check the lock on {}", self.project);
        match state.locks.get(&self.project) {
            Some(held) if held.token == self.token => Ok(()),
            Some(held) => {
                let detail = format!("{} took it", held.holder.operation);
                Err(BackendError::new(BackendErrorKind::Conflict, what, detail))
            }
            None => Err(BackendError::new(BackendErrorKind::Conflict, what, "somebody removed it")),
        }
    }

    async fn release(self: Box<Self>) -> BackendResult<()> {
        self.backend.step().await;
        self.backend.change(&format!("release the lock on {}", self.project), |state, _| {
            if state.locks.get(&self.project).is_some_and(|held| held.token == self.token) {
                state.locks.remove(&self.project);
            }
            Ok(())
        })
        // Dropping `self` gives the tree up.
    }
}

impl Drop for MemoryGuard {
    fn drop(&mut self) {
        let dropped = self.backend.change(&format!("drop the lock on {}", self.project), |state, _| {
            state.tree_locks.retain(|_, held| held.token != self.token);
            if let Some(held) = state.locks.get_mut(&self.project).filter(|held| held.token == self.token) {
                held.alive = false;
            }
            Ok(())
        });
        // A change of locks alone never makes a state that can't be.
        debug_assert!(dropped.is_ok() && self.tree.as_ref().is_none_or(|t| t.is_absolute()));
    }
}
