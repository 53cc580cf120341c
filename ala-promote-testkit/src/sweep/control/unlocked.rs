//! A lock that everybody gets.

use ala_promote_core::backend::{Acquired, BackendResult, Lock, LockGuard, LockHolder, LockScope};
use ala_promote_core::domain::OperationId;
use async_trait::async_trait;

/// Everybody holds it.
#[derive(Debug)]
pub(super) struct Unlocked;

#[async_trait]
impl Lock for Unlocked {
    async fn acquire(
        &self,
        _: &LockScope,
        _: &LockHolder,
        _: Option<&OperationId>,
    ) -> BackendResult<Acquired> {
        Ok(Acquired::Held(Box::new(Self)))
    }
}

#[async_trait]
impl LockGuard for Unlocked {
    async fn check(&self) -> BackendResult<()> {
        Ok(())
    }
    async fn release(self: Box<Self>) -> BackendResult<()> {
        Ok(())
    }
}
