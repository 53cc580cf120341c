//! Embedding the engine: the settings, backend, clock and ledger are given, a gate and a step of one's own are added,
//! a plan is stored and run later, and its events are a stream.
//!
//! The backend here is the in-memory one, so that the example runs anywhere; `ala_promote_docker::DockerBackend` goes
//! in its place.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use ala_promote_core::backend::{BackendResult, Call};
use ala_promote_core::config::prepare_state_dir;
use ala_promote_core::domain::{Actor, EnvironmentName, Request, Verb};
use ala_promote_core::engine::{Engine, StepHandler};
use ala_promote_core::ledger::{Journal, LedgerId, MemoryLedger};
use ala_promote_core::plan::{Finding, Gate, PlanInput, StageKind};
use ala_promote_testkit::memory::MemoryBackend;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend = MemoryBackend::ala_medical().build()?;
    prepare_state_dir(&backend.settings())?;
    let journal = Journal::open(Box::new(MemoryLedger::new(LedgerId::new("example")?)))?;
    let actor = Actor { user: "embedder".into(), host: "host.example.com".into(), pid: std::process::id() };
    let clock = Arc::new(backend.clock());
    let engine = Engine::builder(backend.settings(), Arc::new(backend), clock, journal, actor)
        .gate(NoUncommittedSource)
        .handler("notify", Notify)
        .build();

    run(&engine, "staging", Verb::Deploy { build: true, keep_failed: false }).await?;
    run(&engine, "production", Verb::Promote).await
}

/// Plans, stores the plan as text, and runs what was stored: another process could do that, tomorrow.
async fn run(engine: &Engine, environment: &str, verb: Verb) -> Result<(), Box<dyn Error>> {
    let request = Request { environment: EnvironmentName::new(environment)?, verb };
    let mut plan = engine.plan(&request).await?;
    plan.insert_external(StageKind::Commit, "tell the team", "notify", 1, json!({ "who": environment }));
    let stored = serde_json::to_string(&plan)?;

    let mut events = engine.run(serde_json::from_str(&stored)?);
    let mut out = std::io::stdout();
    while let Some(event) = events.next().await {
        writeln!(out, "{}", serde_json::to_string(&event)?)?;
    }
    Ok(())
}

/// A gate of one's own: a pure function of what was seen.
struct NoUncommittedSource;

impl Gate for NoUncommittedSource {
    fn check(&self, input: &PlanInput<'_>) -> Vec<Finding> {
        let dirty = input.observed.source.as_ref().is_some_and(|source| source.dirty);
        let refusal = || {
            Finding::refuse("committed", "the source has changes that are not committed").mend("git commit")
        };
        dirty.then(refusal).into_iter().collect()
    }
}

/// A step of one's own, with its undo.
struct Notify;

#[async_trait]
impl StepHandler for Notify {
    async fn run(&self, _version: u32, payload: &Value, call: &Call) -> BackendResult<Value> {
        call.line(&format!("told {}", payload["who"]));
        Ok(json!({ "told": true }))
    }

    async fn undo(&self, _version: u32, payload: &Value, call: &Call) -> BackendResult<()> {
        call.line(&format!("told {} that it was taken back", payload["who"]));
        Ok(())
    }
}
