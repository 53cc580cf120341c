//! Each effect on the world has a durable record before it, of the very step that brings it about.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ala_promote_core::backend::{Backend as _, BackendResult, Witness, Witnessed};
use ala_promote_core::domain::{Actor, StepId, Verb};
use ala_promote_core::engine::{Engine, EngineErrorKind};
use ala_promote_core::ledger::{
    Body, Entry, Follower, Head, Journal, LedgerError, LedgerId, LedgerStore, MemoryLedger, Verdict,
};
use ala_promote_core::plan::Plan;
use ala_promote_testkit::memory::{MemoryBackend, SourceCommit};
use ala_promote_testkit::patched::Patched;
use async_trait::async_trait;

use crate::host::{BACK, DEPLOY, Host, Look, bad_in_production, committed, none, request, rolled_back};

/// A ledger that notes how much had happened in the world at each append, and may have little room.
#[derive(Debug)]
struct Watched {
    inner: MemoryLedger,
    world: MemoryBackend,
    moments: Arc<Mutex<Vec<usize>>>,
    /// Appends that it has room for without the reserve.
    room: usize,
}

impl LedgerStore for Watched {
    fn id(&self) -> &LedgerId {
        self.inner.id()
    }
    fn head(&self) -> Head {
        self.inner.head()
    }
    fn refresh(&self, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        self.inner.refresh(follower)
    }
    fn append(&self, entry: &Entry, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        let mut moments = self.moments.lock().unwrap();
        if moments.len() >= self.room && !entry.uses_reserve() {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(LedgerError::NoSpace { action: "append to", path: "/ledger".into(), source });
        }
        let head = self.inner.append(entry, follower)?;
        moments.push(self.world.history().len());
        Ok(head)
    }
    fn verify(&self, kept: Option<&Head>, follower: &mut dyn Follower) -> Result<Verdict, LedgerError> {
        self.inner.verify(kept, follower)
    }
    fn reserve(&self, operation: &str, bytes: u64) -> Result<(), LedgerError> {
        self.inner.reserve(operation, bytes)
    }
    fn release_reserve(&self, operation: &str) -> Result<(), LedgerError> {
        self.inner.release_reserve(operation)
    }
}

fn watched(host: &Host, room: usize) -> (Journal, Arc<Mutex<Vec<usize>>>) {
    let moments = Arc::new(Mutex::new(Vec::new()));
    let (inner, world) = (host.ledger.open_again(), host.world.clone());
    let store = Watched { inner, world, moments: Arc::clone(&moments), room };
    (Journal::open(Box::new(store)).unwrap(), moments)
}

fn bodies(host: &Host) -> Vec<Body> {
    let text = String::from_utf8(host.ledger.bytes()).unwrap();
    let body = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        serde_json::from_value(line["record"]["body"].clone()).unwrap()
    };
    text.lines().map(body).collect()
}

/// Whether one of these steps may do that: its action names what was changed.
fn accounts_for(plan: &Plan, open: &BTreeSet<StepId>, what: &str) -> bool {
    let actions =
        open.iter().filter_map(|id| plan.step(id)).map(|step| serde_json::to_value(&step.action).unwrap());
    let reference = |verb: &str| {
        what.strip_prefix(verb).map(|rest| rest.rsplit(" as ").next().unwrap_or(rest).to_owned())
    };
    let named = reference("tag ").or_else(|| reference("untag ")).or_else(|| reference("build "));
    actions.into_iter().any(|action| match &named {
        Some(reference) => action.to_string().contains(&format!("\"{reference}\"")),
        None => action["action"] == "swap",
    })
}

/// Runs it, and holds each change of the world against the records before it.
async fn check(host: &Host, environment: &str, verb: Verb) -> usize {
    host.world.clock().advance(std::time::Duration::from_secs(1));
    let (first_record, mut seen) = (bodies(host).len(), host.world.history().len());
    let (journal, moments) = watched(host, usize::MAX);
    let engine = host.builder_over(journal).build();
    let plan = engine.plan(&request(environment, verb)).await.unwrap();
    engine.run(plan.clone()).finish(|_| {}).await.unwrap();
    let (history, moments) = (host.world.history(), moments.lock().unwrap().clone());
    let records = bodies(host).split_off(first_record);
    assert_eq!(records.len(), moments.len());
    let mut open = BTreeSet::new();
    let mut changes = 0;
    for (at, record) in moments.iter().map(Some).chain([None]).zip(records.iter().map(Some).chain([None])) {
        let upto = at.copied().unwrap_or(history.len());
        for moment in &history[seen..upto] {
            let what = moment.what.as_str();
            if what.contains("lock") || what.starts_with("note the ledger") {
                continue;
            }
            assert!(accounts_for(&plan, &open, what), "{what} without a record before it; open: {open:?}");
            changes += 1;
        }
        seen = upto;
        match record {
            Some(Body::StepStarted { step } | Body::UndoStarted { step }) => {
                open.insert(step.clone());
            }
            Some(
                Body::StepFinished { step, .. }
                | Body::StepFailed { step, .. }
                | Body::UndoFinished { step }
                | Body::UndoFailed { step, .. },
            ) => {
                open.remove(step);
            }
            _ => {}
        }
    }
    changes
}

#[tokio::test]
async fn every_change_has_its_record_before_it() {
    let host = Host::new();
    host.world.commit(SourceCommit::new("second"));
    let changes = [
        check(&host, "staging", DEPLOY).await,
        check(&host, "production", Verb::Promote).await,
        check(&host, "production", BACK).await,
    ];
    host.world.commit(bad_in_production("bad"));
    let more = [check(&host, "staging", DEPLOY).await, check(&host, "production", Verb::Promote).await];
    assert!(changes.iter().chain(&more).all(|count| *count > 8), "{changes:?} {more:?}");
}

#[tokio::test]
async fn a_disk_without_room_for_records_unwinds_with_what_was_reserved() {
    for room in 1..30 {
        let host = Host::with_release(true).await;
        host.deploy("third").await;
        let before = Look::at(&host, "production", none);
        let (journal, _) = watched(&host, room);
        host.world.clock().advance(std::time::Duration::from_secs(1));
        let engine = host.builder_over(journal).build();
        let plan = engine.plan(&request("production", Verb::Promote)).await.unwrap();
        let ended = engine.run(plan).finish(|_| {}).await;
        if matches!(&ended, Ok(ala_promote_core::domain::Outcome::Committed { .. })) {
            assert!(room > 12, "{room}");
            continue;
        }
        let reason = rolled_back(ended);
        assert!(reason.contains("record the start"), "{reason}");
        assert_eq!(Look::at(&host, "production", none), before, "{room}");
    }
}

#[tokio::test]
async fn where_not_even_the_start_can_be_recorded_nothing_runs() {
    let host = Host::with_release(false).await;
    let before = Look::at(&host, "production", none);
    let (journal, _) = watched(&host, 0);
    host.world.clock().advance(std::time::Duration::from_secs(1));
    let engine = host.builder_over(journal).build();
    let plan = engine.plan(&request("production", Verb::Promote)).await.unwrap();
    let error = engine.run(plan).finish(|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Environment, "{error}");
    assert_eq!(Look::at(&host, "production", none), before);
    assert!(host.world.state().locks.is_empty());
    committed(host.operate("production", Verb::Promote).await);
}

#[tokio::test]
async fn no_secret_is_recorded() {
    let host = Host::new();
    for environment in ["staging", "production"] {
        host.world
            .edit(environment, |e| {
                let url = format!("postgres://ala:pa55/w@rd-{environment}@db:5432/ala");
                drop(
                    e.service("backend")
                        .environment("DATABASE_URL", &url)
                        .environment("SLACK_WEBHOOK", "https://hooks.example.com/services/T000/B000/s3cr3t"),
                );
                e.service("backend").environment("AUTH", "https://u:s3cr3t@example.com");
            })
            .unwrap();
    }
    host.world
        .edit("production", |e| {
            drop(e.service("frontend").port(443, 443).environment("ORIGIN", "https://www.example.com/app"));
        })
        .unwrap();
    host.deploy("second").await;
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    let address = ("Frontend".to_owned(), "https://www.example.com/app".to_owned());
    assert!(plan.addresses.contains(&address), "{:?}", plan.addresses);
    host.promote().await;
    let text = String::from_utf8(host.ledger.bytes()).unwrap();
    for secret in ["pa55", "s3cr3t"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// The engine's notes of ledgers; before the first is read, another process does its work.
struct Meanwhile {
    world: MemoryBackend,
    other: Mutex<Option<(Engine, Plan)>>,
}

#[async_trait]
impl Witness for Meanwhile {
    async fn read(&self, dir: &Path) -> BackendResult<Option<Witnessed>> {
        let other = self.other.lock().unwrap().take();
        if let Some((other, plan)) = other {
            committed(other.run(plan).finish(|_| {}).await);
        }
        self.world.witness().read(dir).await
    }
    async fn write(&self, dir: &Path, witnessed: &Witnessed) -> BackendResult<()> {
        self.world.witness().write(dir, witnessed).await
    }
    async fn forget(&self, dir: &Path) -> BackendResult<()> {
        self.world.witness().forget(dir).await
    }
}

/// A process that looks while another one does this on the same ledger.
fn engine_beside(host: &Host, other: Engine, plan: Plan) -> Engine {
    let witness = Meanwhile { world: host.world.clone(), other: Mutex::new(Some((other, plan))) };
    let backend = Arc::new(Patched::new(host.world.clone()).with_witness(witness));
    let journal = Journal::open(Box::new(host.ledger.open_again())).unwrap();
    let actor = Actor { user: "ops".into(), host: "host.example.com".into(), pid: 2 };
    Engine::builder(host.settings.clone(), backend, Arc::new(host.world.clock()), journal, actor).build()
}

#[tokio::test]
async fn what_another_process_adds_meanwhile_is_no_loss() {
    let host = Host::with_release(false).await;
    let staging = "staging".parse().unwrap();
    let fetching = || {
        let other = host.engine();
        let plan = other.fetch_plan(&staging).unwrap();
        engine_beside(&host, other, plan)
    };
    fetching().plan(&request("production", Verb::Promote)).await.unwrap();
    assert!(fetching().begin_anew().await.unwrap().is_nothing());
    // Under the lock of a source tree, where the other environment is free.
    let other = host.engine();
    let plan = other.plan(&request("production", Verb::Promote)).await.unwrap();
    let engine = engine_beside(&host, other, plan);
    let plan = engine.fetch_plan(&staging).unwrap();
    committed(engine.run(plan).finish(|_| {}).await);
}
