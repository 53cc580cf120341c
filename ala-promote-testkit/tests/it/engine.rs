//! The engine on the in-memory backend: that a whole workflow runs on it, and what faults make of a promotion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ala_promote_core::backend::{Backend, Clock as _};
use ala_promote_core::config::prepare_state_dir;
use ala_promote_core::domain::{Actor, ImageId, Outcome, Request, ServiceName, Verb};
use ala_promote_core::engine::{Engine, EngineError};
use ala_promote_core::ledger::{Journal, LedgerId, MemoryLedger};
use ala_promote_testkit::faults::{CallRecord, Fate, FaultPlan, Faults, Faulty};
use ala_promote_testkit::memory::{ImageBehaviour, MemoryBackend, SourceCommit, rows_of_dump};
use futures_util::future::{Either, select};

type Running = BTreeMap<ServiceName, Vec<ImageId>>;

/// One host: its world, its ledger, and the way of processes to them.
struct Host {
    world: MemoryBackend,
    ledger: MemoryLedger,
    backend: Arc<dyn Backend>,
    faults: Faults,
}

impl Host {
    /// A commit was made after the one that both environments run, and deployed to staging.
    async fn with_tested(commit: SourceCommit) -> Self {
        let world = MemoryBackend::ala_medical().build().unwrap();
        prepare_state_dir(&world.settings()).unwrap();
        let (backend, faults) = Faulty::new(world.clone(), FaultPlan::new());
        let ledger = MemoryLedger::new(LedgerId::new("test").unwrap());
        let host = Self { world, ledger, backend: Arc::new(backend), faults };
        host.world.commit(commit);
        let deployed =
            host.operate("staging", Verb::Deploy { build: true, keep_failed: false }).await.unwrap();
        assert!(matches!(deployed, Outcome::Committed { .. }), "{deployed:?}");
        host
    }

    /// The engine of a process that begins now.
    fn engine(&self) -> Engine {
        self.world.clock().advance(Duration::from_secs(5));
        let journal = Journal::open(Box::new(self.ledger.open_again())).unwrap();
        let actor = Actor { user: "ops".into(), host: "host.example.com".into(), pid: 1 };
        let clock = Arc::new(self.world.clock());
        Engine::builder(self.world.settings(), Arc::clone(&self.backend), clock, journal, actor).build()
    }

    async fn operate(&self, environment: &str, verb: Verb) -> Result<Outcome, EngineError> {
        let engine = self.engine();
        let plan = engine.plan(&Request { environment: environment.parse().unwrap(), verb }).await?;
        engine.run(plan).finish(|_| {}).await
    }

    /// Promotes under faults; `None` when the process was killed, by a fault or by somebody who waited for an hour.
    async fn promote_under(&self, plan: FaultPlan) -> Option<Result<Outcome, EngineError>> {
        self.faults.restart(plan);
        let clock = self.world.clock();
        let run = async {
            let (work, patience) =
                (Box::pin(self.operate("production", Verb::Promote)), clock.sleep(Duration::from_secs(3600)));
            match select(work, patience).await {
                Either::Left((ended, _)) => Some(ended),
                Either::Right(_) => None,
            }
        };
        let ended = self.faults.drive(run).await.flatten();
        self.faults.restart(FaultPlan::new());
        ended
    }

    /// What no promotion may touch: staging, and production's database.
    fn untouchable(&self) -> (BTreeSet<String>, Vec<(String, u64)>) {
        let state = self.world.state();
        let database = state.containers.values().filter(|c| c.name == "ala-db-1");
        (self.world.container_ids("staging"), database.map(|c| (c.id.clone(), c.starts)).collect())
    }
}

#[tokio::test]
async fn deploy_staging_then_promote() {
    let host = Host::with_tested(SourceCommit::new("second")).await;
    host.world.insert_row("production", "db", "a patient");
    let (before, untouchable) = (host.world.running("production"), host.untouchable());
    let outcome = host.operate("production", Verb::Promote).await.unwrap();
    assert!(matches!(&outcome, Outcome::Committed { warnings } if warnings.is_empty()), "{outcome:?}");
    let (staging, production) = (host.world.running("staging"), host.world.running("production"));
    for service in ["backend", "worker", "frontend"] {
        assert_eq!(production[service], staging[service], "{service}");
        assert_ne!(production[service], before[service], "{service}");
    }
    assert_eq!(host.untouchable(), untouchable);
    let backups = std::fs::read_dir(host.world.backup_dir()).unwrap().map(|f| f.unwrap().path());
    let dumps: Vec<_> = backups.filter(|f| f.extension().is_some_and(|e| e == "sql")).collect();
    assert_eq!(rows_of_dump(&dumps[0]).unwrap(), ["a patient"]);
    assert!(host.world.state().locks.is_empty());
}

#[tokio::test]
async fn a_release_that_only_production_shows_to_be_bad_is_taken_back() {
    let bad = ImageBehaviour::UnhealthyIn("production".parse().unwrap());
    let host = Host::with_tested(SourceCommit::new("bad").behaviour("backend", bad)).await;
    let (before, untouchable) = (host.world.running("production"), host.untouchable());
    let moments = host.world.history().len();
    let outcome = host.operate("production", Verb::Promote).await.unwrap();
    assert!(matches!(&outcome, Outcome::RolledBack { reason } if reason.contains("HTTP 500")), "{outcome:?}");
    assert_eq!(host.world.running("production"), before);
    assert_eq!(host.untouchable(), untouchable);
    let since = &host.world.history()[moments..];
    let backend = ServiceName::new("backend").unwrap();
    let ran_bad = |m: &ala_promote_testkit::memory::Moment| {
        let running = m.state.running(&"production".parse().unwrap(), m.at);
        running.get(&backend).is_some_and(|ids| *ids != before[&backend])
    };
    assert!(since.iter().any(ran_bad), "it was tried");
}

/// What is wrong after a promotion that met a fate, and was recovered if it had to be.
async fn wrong_after(plan: FaultPlan) -> Vec<String> {
    let host = Host::with_tested(SourceCommit::new("second")).await;
    let (old, mut new, untouchable) =
        (host.world.running("production"), host.world.running("staging"), host.untouchable());
    new.insert("db".parse().unwrap(), old["db"].clone());

    let mut wrong = Vec::new();
    let mut judge = |ended: &Result<Outcome, EngineError>, now: &Running| {
        let fits = match ended {
            Ok(Outcome::Committed { .. }) => *now == new,
            Ok(Outcome::RolledBack { .. }) => *now == old,
            Ok(_) => false,
            // What it left is for the recovery to settle.
            Err(_) => true,
        };
        if !fits {
            wrong.push(format!("{ended:?}, but it runs {now:?}"));
        }
    };
    if let Some(ended) = host.promote_under(plan).await {
        judge(&ended, &host.world.running("production"));
    }
    for unfinished in host.engine().unfinished().unwrap() {
        let recovered = host.engine().recover(&unfinished).finish(|_| {}).await;
        judge(&recovered, &host.world.running("production"));
    }
    let now = host.world.running("production");
    if now != old && now != new {
        wrong.push(format!("neither old nor new: {now:?}"));
    }
    if host.untouchable() != untouchable {
        wrong.push("staging or the database were touched".to_owned());
    }
    if !host.engine().unfinished().unwrap().is_empty() {
        wrong.push("the recovery left it unfinished".to_owned());
    }
    // A lock without an unfinished operation would be one that nobody could be told to recover.
    let next = host.operate("production", Verb::Promote).await;
    if matches!(next, Err(EngineError::NeedsRecovery { .. } | EngineError::Locked { .. })) {
        wrong.push(format!("production stays locked: {next:?}"));
    }
    wrong
}

#[tokio::test]
async fn wherever_a_promotion_is_cut_production_is_all_old_or_all_new() {
    let host = Host::with_tested(SourceCommit::new("second")).await;
    host.faults.restart(FaultPlan::new());
    assert!(matches!(host.operate("production", Verb::Promote).await, Ok(Outcome::Committed { .. })));
    let calls: Vec<CallRecord> = host.faults.calls().into_iter().filter(|call| call.changes).collect();
    assert!(calls.len() > 10, "{calls:?}");
    let mut wrong = Vec::new();
    for call in &calls {
        for fate in Fate::WHOLE.into_iter().chain(Fate::halves(call.polls)) {
            let found = wrong_after(FaultPlan::new().at(call.number, fate)).await;
            wrong.extend(found.into_iter().map(|w| format!("{} {} {fate:?}: {w}", call.number, call.method)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
