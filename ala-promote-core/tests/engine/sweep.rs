//! One fault at every call of a port, of every kind: afterwards an environment is as it was, or all new, and what the
//! engine says is what an independent look finds.

use std::time::Duration;

use ala_promote_core::backend::{BackendErrorKind, Clock as _};
use ala_promote_core::domain::{Outcome, Verb};
use ala_promote_core::engine::EngineError;
use ala_promote_testkit::faults::{CallRecord, Fate, FaultPlan};
use ala_promote_testkit::memory::SourceCommit;
use futures_util::future::{Either, select};

use crate::host::{BACK, DEPLOY, Host, Look, none};

/// What an operation starts from and what it comes to, as a run without any fault shows.
pub(crate) struct Ends {
    old: Look,
    new: Look,
    calls: Vec<CallRecord>,
    other: Vec<String>,
}

/// Tags that are put back or removed on the way may differ by the time they hold; what matters is compared: what
/// containers are and run, and what the environments' references name.
fn is_bookkeeping(reference: &str) -> bool {
    let tag = reference.rsplit(':').next().unwrap_or_default();
    tag.contains("-tested-") || tag.starts_with("adopted-") || tag.contains("-built-")
}

fn other(environment: &str) -> &'static str {
    if environment == "production" { "staging" } else { "production" }
}

impl Ends {
    pub(crate) async fn of(host: &Host, environment: &str, verb: Verb) -> Self {
        let old = Look::at(host, environment, none);
        host.faults.restart(FaultPlan::new());
        crate::host::committed(host.operate(environment, verb).await);
        let calls = host.faults.calls();
        let new = Look::at(host, environment, is_bookkeeping);
        let other = host.world.container_ids(other(environment)).into_iter().collect();
        Self { old, new, calls, other }
    }

    fn is_old(&self, host: &Host, environment: &str) -> bool {
        Look::at(host, environment, none) == self.old
    }

    fn is_new(&self, host: &Host, environment: &str) -> bool {
        Look::at(host, environment, is_bookkeeping) == self.new
    }

    /// Whether an outcome is what is the case.
    fn check(&self, host: &Host, environment: &str, outcome: &Outcome, when: &str) {
        let is_true = match outcome {
            Outcome::Committed { .. } => self.is_new(host, environment),
            Outcome::RolledBack { .. } => self.is_old(host, environment),
            _ => false,
        };
        let now = Look::at(host, environment, none);
        assert!(is_true, "{when}: {outcome:?}\nold {:#?}\nnow {now:#?}", self.old);
    }

    /// Recovers what is left, and sees that all is old or all is new, and that life goes on.
    pub(crate) async fn check_recovery(&self, host: &Host, environment: &str, verb: &Verb, when: &str) {
        for outcome in host.recover().await {
            self.check(host, environment, &outcome, when);
        }
        assert!(host.engine().unfinished().unwrap().is_empty(), "{when}");
        let is_old = self.is_old(host, environment);
        assert!(is_old || self.is_new(host, environment), "{when}: neither old nor new");
        assert!(host.snapshots().is_empty(), "{when}: a snapshot is left");
        let left = host.world.state().references.keys().any(|r| r.tag().starts_with("ala-promote-"));
        assert!(!left, "{when}: a build's name is left");
        let others: Vec<String> = host.world.container_ids(other(environment)).into_iter().collect();
        assert_eq!(others.len(), self.other.len(), "{when}");
        if is_old {
            crate::host::committed(host.operate(environment, verb.clone()).await);
            assert!(self.is_new(host, environment), "{when}: the same again");
        } else {
            crate::host::committed(host.operate(environment, DEPLOY).await);
        }
        assert!(host.world.state().locks.is_empty(), "{when}");
    }
}

/// Runs it as a process that may be killed, or is killed when nothing happens for an hour.
async fn process(host: &Host, environment: &str, verb: Verb) -> Option<Result<Outcome, EngineError>> {
    let clock = host.world.clock();
    let patience = clock.sleep(Duration::from_secs(3600));
    match select(Box::pin(host.operate(environment, verb)), patience).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

async fn everywhere(
    environment: &str,
    verb: Verb,
    prepared: impl AsyncFn() -> Host,
    fates: impl Fn(&CallRecord) -> Vec<Fate>,
) {
    let ends = Ends::of(&prepared().await, environment, verb.clone()).await;
    assert!(ends.calls.len() > 30);
    for call in &ends.calls {
        for fate in fates(call) {
            let host = prepared().await;
            let (others, database) = (host.world.container_ids(other(environment)), host.database());
            host.faults.restart(FaultPlan::new().at(call.number, fate));
            let ended = host.faults.drive(process(&host, environment, verb.clone())).await.flatten();
            host.faults.restart(FaultPlan::new());
            let when = format!("{fate:?} at call {} {}", call.number, call.method);
            match &ended {
                Some(Ok(Outcome::NeedsAttention { .. })) => {
                    assert_eq!(host.view().unfinished.len(), 1, "{when}")
                }
                Some(Ok(outcome)) => ends.check(&host, environment, outcome, &when),
                Some(Err(_)) if host.view().unfinished.is_empty() => {
                    assert!(ends.is_old(&host, environment), "{when}: {ended:?}");
                }
                Some(Err(_)) | None => {}
            }
            assert_eq!(host.world.container_ids(other(environment)), others, "{when}");
            if environment == "production" {
                assert_eq!(host.database(), database, "{when}");
            }
            ends.check_recovery(&host, environment, &verb, &when).await;
        }
    }
}

/// Every fate of a change. Of the many looks, most of them before the start, every third one goes wrong.
fn whole(call: &CallRecord) -> Vec<Fate> {
    match (call.changes, call.number % 6) {
        (true, _) => Fate::WHOLE.to_vec(),
        (false, 0) => vec![Fate::CrashBefore],
        (false, 3) => vec![Fate::FailBefore(BackendErrorKind::Failed)],
        (false, _) => Vec::new(),
    }
}

/// What a rollback has of its own is little; its changes are cut off, and fail unnoticed.
fn few(call: &CallRecord) -> Vec<Fate> {
    if call.changes { vec![Fate::FailAfter, Fate::CrashBefore, Fate::CrashAfter] } else { Vec::new() }
}

fn halves(call: &CallRecord) -> Vec<Fate> {
    if call.changes { Fate::halves(call.polls).collect() } else { Vec::new() }
}

async fn tested_third() -> Host {
    let host = Host::with_release(true).await;
    host.deploy("third").await;
    host
}

async fn third_to_deploy() -> Host {
    let host = Host::with_release(false).await;
    host.world.commit(SourceCommit::new("third"));
    host
}

#[tokio::test]
async fn of_a_promotion() {
    everywhere("production", Verb::Promote, tested_third, whole).await;
}

#[tokio::test]
async fn of_a_promotion_half_way_through_a_call() {
    everywhere("production", Verb::Promote, tested_third, halves).await;
}

#[tokio::test]
async fn of_a_deployment() {
    everywhere("staging", DEPLOY, third_to_deploy, whole).await;
}

#[tokio::test]
async fn of_a_deployment_half_way_through_a_call() {
    everywhere("staging", DEPLOY, third_to_deploy, halves).await;
}

#[tokio::test]
async fn of_a_rollback() {
    everywhere("production", BACK, async || Host::with_release(true).await, few).await;
}
