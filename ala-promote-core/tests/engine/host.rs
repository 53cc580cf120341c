//! One host: its world, its ledger, and the processes that work on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ala_promote_core::backend::Backend;
use ala_promote_core::config::{Settings, prepare_state_dir};
use ala_promote_core::domain::{
    Actor, EnvironmentName, ImageId, Outcome, ReleaseTag, Request, ServiceName, Verb,
};
use ala_promote_core::engine::{Engine, EngineBuilder, EngineError};
use ala_promote_core::event::Event;
use ala_promote_core::ledger::{Journal, LedgerId, LedgerView, MemoryLedger};
use ala_promote_core::plan::Plan;
use ala_promote_testkit::faults::{FaultPlan, Faults, Faulty};
use ala_promote_testkit::memory::{ImageBehaviour, MemoryBackend, MemoryBuilder, SourceCommit, State};
use tempfile::TempDir;

pub(crate) const DEPLOY: Verb = Verb::Deploy { build: true, keep_failed: false };
pub(crate) const BACK: Verb = Verb::Rollback { to: None };

pub(crate) type Running = BTreeMap<ServiceName, Vec<ImageId>>;

pub(crate) struct Host {
    pub(crate) world: MemoryBackend,
    pub(crate) ledger: MemoryLedger,
    pub(crate) faults: Faults,
    pub(crate) settings: Settings,
    backend: Arc<dyn Backend>,
    _folder: TempDir,
}

/// In memory where there is such a place: hundreds of hosts sync their files.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl Host {
    /// The document's stack, running in both environments, never touched by us.
    pub(crate) fn new() -> Self {
        Self::of(MemoryBackend::ala_medical())
    }

    pub(crate) fn of(builder: MemoryBuilder) -> Self {
        let folder = folder();
        let world = builder.root(folder.path()).build().unwrap();
        std::fs::create_dir_all(world.backup_dir()).unwrap();
        prepare_state_dir(&world.settings()).unwrap();
        let (backend, faults) = Faulty::new(world.clone(), FaultPlan::new());
        let ledger = MemoryLedger::new(LedgerId::new("ledger-one").unwrap());
        Self {
            settings: world.settings(),
            world,
            ledger,
            faults,
            backend: Arc::new(backend),
            _folder: folder,
        }
    }

    /// The same host, where a second release was deployed to staging, and runs in production too if `promoted`.
    pub(crate) async fn with_release(promoted: bool) -> Self {
        let host = Self::new();
        host.deploy("second").await;
        if promoted {
            host.promote().await;
        }
        host
    }

    pub(crate) fn builder_over(&self, journal: Journal) -> EngineBuilder {
        let actor = Actor { user: "ops".into(), host: "host.example.com".into(), pid: 1 };
        let clock = Arc::new(self.world.clock());
        Engine::builder(self.settings.clone(), Arc::clone(&self.backend), clock, journal, actor)
    }

    pub(crate) fn builder(&self) -> EngineBuilder {
        self.builder_over(Journal::open(Box::new(self.ledger.open_again())).unwrap())
    }

    /// A process that begins now, a second after all that was before.
    pub(crate) fn engine(&self) -> Engine {
        self.world.clock().advance(Duration::from_secs(1));
        self.builder().build()
    }

    pub(crate) async fn plan(&self, environment: &str, verb: Verb) -> Result<Plan, EngineError> {
        self.engine().plan(&request(environment, verb)).await
    }

    pub(crate) async fn operate(&self, environment: &str, verb: Verb) -> Result<Outcome, EngineError> {
        let engine = self.engine();
        let plan = engine.plan(&request(environment, verb)).await?;
        engine.run(plan).finish(|_| {}).await
    }

    /// Commits to the source, deploys it to staging, and expects that to be found healthy.
    pub(crate) async fn deploy(&self, message: &str) -> ReleaseTag {
        self.world.commit(SourceCommit::new(message));
        committed(self.operate("staging", DEPLOY).await);
        self.current("staging")
    }

    pub(crate) async fn promote(&self) -> ReleaseTag {
        committed(self.operate("production", Verb::Promote).await);
        self.current("production")
    }

    pub(crate) async fn recover(&self) -> Vec<Outcome> {
        let engine = self.engine();
        let mut outcomes = Vec::new();
        for plan in engine.unfinished().unwrap() {
            outcomes.push(engine.recover(&plan).finish(|_| {}).await.unwrap());
        }
        outcomes
    }

    pub(crate) fn view(&self) -> LedgerView {
        Journal::open(Box::new(self.ledger.open_again())).unwrap().view()
    }

    pub(crate) fn current(&self, environment: &str) -> ReleaseTag {
        self.view().current(&environment.parse().unwrap()).unwrap().tag.clone()
    }

    pub(crate) fn line(&self, environment: &str) -> Vec<ReleaseTag> {
        let environment: EnvironmentName = environment.parse().unwrap();
        self.view().environments.get(&environment).map(|e| e.line.clone()).unwrap_or_default()
    }

    pub(crate) fn production(&self) -> Running {
        self.world.running("production")
    }

    pub(crate) fn staging(&self) -> Running {
        self.world.running("staging")
    }

    /// The ids of the containers of a service of production: they change when it is replaced.
    pub(crate) fn database(&self) -> BTreeSet<(String, u64)> {
        let state = self.world.state();
        let dbs = state.containers.values().filter(|c| c.service.as_str() == "db");
        dbs.filter(|c| c.stack.environment.as_str() == "production")
            .map(|c| (c.id.clone(), c.starts))
            .collect()
    }

    pub(crate) fn snapshots(&self) -> Vec<std::path::PathBuf> {
        let folder = std::fs::read_dir(self.settings.state_dir.join("snapshots")).unwrap();
        folder.map(|file| file.unwrap().path()).collect()
    }
}

/// What an independent look finds of an environment: what its containers are made of and whether they run, and what
/// references name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) containers: BTreeSet<(String, String, String, String)>,
    pub(crate) references: BTreeMap<String, ImageId>,
}

impl Look {
    /// At the environment and at all references but those that `ignored` names.
    pub(crate) fn at(host: &Host, environment: &str, ignored: impl Fn(&str) -> bool) -> Self {
        let (state, now) = (host.world.state(), ala_promote_core::backend::Clock::now(&host.world.clock()));
        let of_it = state.containers.values().filter(|c| c.stack.environment.as_str() == environment);
        let containers = of_it.map(|c| {
            let runs = if state.runs(c, now) { "runs" } else { "does not run" };
            (c.name.clone(), c.image.to_string(), c.config.hash(), runs.to_owned())
        });
        let references = state.references.iter().map(|(reference, id)| (reference.to_string(), id.clone()));
        Self {
            containers: containers.collect(),
            references: references.filter(|(reference, _)| !ignored(reference)).collect(),
        }
    }
}

/// No reference is ignored.
pub(crate) fn none(_: &str) -> bool {
    false
}

pub(crate) fn request(environment: &str, verb: Verb) -> Request {
    Request { environment: environment.parse().unwrap(), verb }
}

pub(crate) fn back_to(release: &ReleaseTag) -> Verb {
    Verb::Rollback { to: Some(release.clone()) }
}

#[track_caller]
pub(crate) fn committed(outcome: Result<Outcome, EngineError>) {
    match outcome {
        Ok(Outcome::Committed { warnings }) if warnings.is_empty() => {}
        other => panic!("not committed, or with warnings: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn rolled_back(outcome: Result<Outcome, EngineError>) -> String {
    match outcome {
        Ok(Outcome::RolledBack { reason }) => reason,
        other => panic!("not rolled back: {other:?}"),
    }
}

/// The gates that refused, with what they said.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, EngineError>) -> String {
    match result {
        Err(EngineError::Refused(refusal)) => {
            let finding = |f: &ala_promote_core::plan::Finding| {
                format!("[{}] {} | {} | {}", f.gate, f.reason, f.evidence.join("; "), f.mend.join("; "))
            };
            refusal.findings.iter().map(finding).collect::<Vec<_>>().join("\n")
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// A commit that staging can't show to be bad.
pub(crate) fn bad_in_production(message: &str) -> SourceCommit {
    let behaviour = ImageBehaviour::UnhealthyIn("production".parse().unwrap());
    SourceCommit::new(message).behaviour("backend", behaviour)
}

/// Runs a plan, and asks it to stop as soon as an event is one of those meant.
pub(crate) async fn cancelled_at(
    engine: &Engine,
    plan: Plan,
    is_meant: impl Fn(&Event) -> bool,
) -> Result<Outcome, EngineError> {
    let run = engine.run(plan);
    let cancel = run.cancel_token();
    run.finish(|event| {
        if is_meant(&event) {
            cancel.cancel();
        }
    })
    .await
}

pub(crate) fn image_of(state: &State, reference: &str) -> Option<ImageId> {
    state.references.get(&reference.parse().unwrap()).cloned()
}
