//! Steps of an embedder's own.

use async_trait::async_trait;
use serde_json::Value;

use crate::backend::{BackendResult, Call};

/// Carries out steps of one kind. Registered under that kind when the engine is built; a kind without a handler fails
/// the step, and ends a recovery in "needs attention".
#[async_trait]
pub trait StepHandler: Send + Sync {
    /// Ensures the effect.
    /// - May be called again after it failed half-way or was killed.
    /// - What it answers is recorded: no secrets.
    async fn run(&self, version: u32, payload: &Value, call: &Call) -> BackendResult<Value>;

    /// Ensures that the effect is taken back, also when it never happened or happened in part.
    async fn undo(&self, version: u32, payload: &Value, call: &Call) -> BackendResult<()>;
}
