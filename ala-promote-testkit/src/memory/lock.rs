//! Locks: a project's outlives who made it, as a container on an engine does; a tree's does not.

use std::path::PathBuf;

use ala_promote_core::backend::{
    Acquired, BackendError, BackendErrorKind, BackendResult, Lock, LockGuard, LockHolder, LockScope,
};
use ala_promote_core::domain::{OperationId, ProjectName};
use async_trait::async_trait;
use jiff::Timestamp;

use super::state::HeldLock;
use super::{MemoryBackend, State};

#[async_trait]
impl Lock for MemoryBackend {
    async fn acquire(
        &self,
        scope: &LockScope,
        holder: &LockHolder,
        take_over: Option<&OperationId>,
    ) -> BackendResult<Acquired> {
        self.step().await;
        let (token, now) = (self.fresh_id(), self.now());
        let what = format!("lock for {}", holder.operation);
        let busy = self.change(&what, |state, _| {
            let on_project = scope.project.as_ref().and_then(|project| state.locks.get(project));
            let on_tree = scope.tree.as_ref().and_then(|tree| state.tree_locks.get(tree));
            let free_to_take = |held: &HeldLock| {
                !held.alive && held.child_at(now).is_none() && take_over == Some(&held.holder.operation)
            };
            if let Some(held) = on_project.into_iter().chain(on_tree).find(|held| !free_to_take(held)) {
                return Ok(Some(held.clone()));
            }
            let ours = HeldLock { holder: holder.clone(), alive: true, child: None, token };
            if let Some(tree) = &scope.tree {
                state.tree_locks.insert(tree.clone(), ours.clone());
            }
            if let Some(project) = &scope.project {
                state.locks.insert(project.clone(), ours);
            }
            Ok(None)
        })?;
        Ok(match busy {
            Some(held) => match held.child_at(now).map(str::to_owned) {
                Some(child) => Acquired::Orphaned { holder: held.holder, children: vec![child] },
                None => Acquired::Busy { holder: Some(held.holder), alive: held.alive },
            },
            None => Acquired::Held(Box::new(MemoryGuard {
                backend: self.clone(),
                project: scope.project.clone(),
                tree: scope.tree.clone(),
                token,
            })),
        })
    }
}

impl HeldLock {
    /// The child of a dead holder that still works.
    fn child_at(&self, now: Timestamp) -> Option<&str> {
        let (child, until) = self.child.as_ref().filter(|_| !self.alive)?;
        (now < *until).then_some(child)
    }
}

#[derive(Debug)]
struct MemoryGuard {
    backend: MemoryBackend,
    project: Option<ProjectName>,
    tree: Option<PathBuf>,
    token: u64,
}

impl MemoryGuard {
    /// The locks that should be ours, as they are now.
    fn held<'a>(&'a self, state: &'a State) -> impl Iterator<Item = Option<&'a HeldLock>> + 'a {
        let on_project = self.project.iter().map(|project| state.locks.get(project));
        on_project.chain(self.tree.iter().map(|tree| state.tree_locks.get(tree)))
    }
}

#[async_trait]
impl LockGuard for MemoryGuard {
    async fn check(&self) -> BackendResult<()> {
        self.backend.step().await;
        let lost =
            |detail: String| Err(BackendError::new(BackendErrorKind::Conflict, "check the lock", detail));
        match self.held(&self.backend.state()).find(|held| held.is_none_or(|h| h.token != self.token)) {
            None => Ok(()),
            Some(None) => lost("somebody removed it".to_owned()),
            Some(Some(other)) => lost(format!("{} took it", other.holder.operation)),
        }
    }

    async fn release(self: Box<Self>) -> BackendResult<()> {
        self.backend.step().await;
        self.backend.change("release the lock", |state, _| {
            state.locks.retain(|_, held| held.token != self.token);
            Ok(())
        })
        // Dropping `self` gives the tree up.
    }
}

impl Drop for MemoryGuard {
    fn drop(&mut self) {
        self.backend.act_freely("drop the lock", |state| {
            state.tree_locks.retain(|_, held| held.token != self.token);
            for held in state.locks.values_mut().filter(|held| held.token == self.token) {
                held.alive = false;
            }
        });
    }
}
