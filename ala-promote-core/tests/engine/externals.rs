//! Steps of an embedder's own: run, taken back, and what a missing handler comes to.

use std::sync::{Arc, Mutex};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{Outcome, Verb};
use ala_promote_core::engine::{Engine, EngineErrorKind, StepHandler};
use ala_promote_core::event::Event;
use ala_promote_core::ledger::Journal;
use ala_promote_core::plan::{Finding, Plan, PlanInput, StageKind};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::host::{DEPLOY, Host, Look, bad_in_production, committed, none, refused, rolled_back};

/// Writes down what it was asked for.
#[derive(Clone, Default)]
struct Gateway {
    calls: Arc<Mutex<Vec<String>>>,
    fails: bool,
}

#[async_trait]
impl StepHandler for Gateway {
    async fn run(&self, version: u32, payload: &Value, _: &Call) -> BackendResult<Value> {
        self.calls.lock().unwrap().push(format!("run {version} {payload}"));
        match self.fails {
            true => Err(BackendError::new(BackendErrorKind::Failed, "gateway", "it said no")),
            false => Ok(json!("done")),
        }
    }

    async fn undo(&self, version: u32, payload: &Value, _: &Call) -> BackendResult<()> {
        self.calls.lock().unwrap().push(format!("undo {version} {payload}"));
        Ok(())
    }
}

fn engine(host: &Host, gateway: &Gateway) -> Engine {
    host.world.clock().advance(std::time::Duration::from_secs(1));
    host.builder().handler("gateway", gateway.clone()).build()
}

async fn planned(host: &Host) -> Plan {
    let mut plan = host.plan("production", Verb::Promote).await.unwrap();
    plan.insert_external(StageKind::Health, "drain the gateway", "gateway", 3, json!({"host": "a"}));
    plan
}

#[tokio::test]
async fn a_step_of_one_s_own_runs_in_its_place_and_is_recorded() {
    let host = Host::with_release(false).await;
    let gateway = Gateway::default();
    let plan = planned(&host).await;
    let kinds: Vec<StageKind> = plan.stages.iter().map(|stage| stage.kind).collect();
    let at = kinds.iter().position(|kind| *kind == StageKind::External).unwrap();
    assert_eq!(kinds[at + 1], StageKind::Health);
    committed(engine(&host, &gateway).run(plan).finish(|_| {}).await);
    assert_eq!(*gateway.calls.lock().unwrap(), [r#"run 3 {"host":"a"}"#]);
    assert!(
        String::from_utf8(host.ledger.bytes()).unwrap().contains(r#""output":"external","value":"done""#)
    );
}

#[tokio::test]
async fn it_is_taken_back_with_the_rest() {
    let host = Host::with_release(false).await;
    host.world.commit(bad_in_production("bad"));
    committed(host.operate("staging", DEPLOY).await);
    let before = Look::at(&host, "production", none);
    for gateway in [Gateway::default(), Gateway { fails: true, ..Gateway::default() }] {
        let plan = planned(&host).await;
        rolled_back(engine(&host, &gateway).run(plan).finish(|_| {}).await);
        assert_eq!(*gateway.calls.lock().unwrap(), [r#"run 3 {"host":"a"}"#, r#"undo 3 {"host":"a"}"#]);
        assert_eq!(Look::at(&host, "production", none), before);
    }
}

#[tokio::test]
async fn without_its_handler_it_is_refused_before_anything_starts() {
    let host = Host::with_release(false).await;
    let plan = planned(&host).await;
    let bytes = host.ledger.bytes();
    let error = host.engine().run(plan).finish(|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Usage);
    assert!(error.to_string().contains("gateway"), "{error}");
    assert_eq!(host.ledger.bytes(), bytes);
}

#[tokio::test]
async fn without_its_handler_a_recovery_needs_attention_until_it_is_there() {
    let host = Host::with_release(false).await;
    let gateway = Gateway::default();
    let before = host.production();
    let plan = planned(&host).await;
    let mut run = engine(&host, &gateway).run(plan);
    while !matches!(run.next().await, Some(Event::StageStarted { stage: StageKind::Health })) {}
    drop(run);
    let outcomes = host.recover().await;
    let [Outcome::NeedsAttention { state, .. }] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert!(state[0].contains("drain the gateway") && state[0].contains("no handler"), "{state:?}");
    assert_eq!(host.production(), before, "what can be put back is");
    let engine = engine(&host, &gateway);
    let unfinished = engine.unfinished().unwrap();
    rolled_back(engine.recover(&unfinished[0]).finish(|_| {}).await);
    assert_eq!(gateway.calls.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_gate_of_one_s_own_refuses_too() {
    let host = Host::with_release(false).await;
    let friday = |_: &PlanInput<'_>| vec![Finding::refuse("friday", "it is Friday").mend("wait")];
    let journal = Journal::open(Box::new(host.ledger.open_again())).unwrap();
    let engine = host.builder_over(journal).gate(friday).build();
    let request = crate::host::request("production", Verb::Promote);
    assert_eq!(refused(engine.plan(&request).await), "[friday] it is Friday |  | wait");
}
