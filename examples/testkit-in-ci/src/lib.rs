//! What a team added to ala-promote: a gate, a step with its undo, and a small tool over the ports. How it tests them
//! without Docker is in `tests/it/ours.rs`.

use ala_promote_core::backend::{Backend, BackendResult, Call};
use ala_promote_core::domain::{ImageId, ImageReference, Verb};
use ala_promote_core::engine::{EngineBuilder, StepHandler};
use ala_promote_core::plan::{Finding, Gate, Plan, PlanInput, StageKind};
use async_trait::async_trait;
use serde_json::{Value, json};

/// Nobody promotes on a Friday.
#[derive(Debug, Clone, Copy)]
pub struct NoFridays;

impl Gate for NoFridays {
    fn check(&self, input: &PlanInput<'_>) -> Vec<Finding> {
        let is_friday = input.now.strftime("%A").to_string() == "Friday";
        if input.request.verb != Verb::Promote || !is_friday {
            return Vec::new();
        }
        vec![Finding::refuse("no-fridays", "it is Friday").mend("wait until Monday")]
    }
}

/// Tells the load balancer that production is about to change, and takes that back.
#[derive(Debug, Clone, Copy)]
pub struct Announce;

/// The kind of [`Announce`]'s steps.
pub const ANNOUNCE: &str = "announce";

#[async_trait]
impl StepHandler for Announce {
    async fn run(&self, _version: u32, _payload: &Value, call: &Call) -> BackendResult<Value> {
        call.line("announced");
        Ok(json!({ "announced": true }))
    }

    async fn undo(&self, _version: u32, _payload: &Value, call: &Call) -> BackendResult<()> {
        call.line("taken back");
        Ok(())
    }
}

/// All that is ours, for an engine.
#[must_use]
pub fn ours(builder: EngineBuilder) -> EngineBuilder {
    builder.gate(NoFridays).handler(ANNOUNCE, Announce)
}

/// All that is ours, for a plan.
pub fn our_steps(plan: &mut Plan) {
    plan.insert_external(StageKind::Swap, "announce the change", ANNOUNCE, 1, json!({}));
}

/// Gives an image another name.
///
/// # Errors
/// What the image store says.
pub async fn rename(
    backend: &dyn Backend,
    id: &ImageId,
    from: &ImageReference,
    to: &ImageReference,
) -> BackendResult<()> {
    backend.images().tag(id, to).await?;
    backend.images().untag(from).await
}
