//! One host: its world, its ledger, its files, and the processes that work on them.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ala_promote_core::backend::{Backend, Clock as _};
use ala_promote_core::config::{Settings, prepare_state_dir};
use ala_promote_core::domain::{Actor, Outcome, Request, Verb};
use ala_promote_core::engine::{Engine, EngineError};
use ala_promote_core::event::Event;
use ala_promote_core::ledger::{Journal, LedgerId, LedgerView, MemoryLedger};
use ala_promote_core::plan::{Plan, StageKind};
use futures_util::future::{Either, select};
use tempfile::TempDir;

use super::folder::{Remembered, temporary};
use super::watched::{Notes, Watched};
use super::{Durability, Rig, SweepError};
use crate::faults::{FaultPlan, Faults, Faulty, FaultyLedger};
use crate::memory::{MemoryBackend, MemoryBuilder};

/// For how long a person looks at a process that does nothing before killing it.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One host. Processes begin and end on it; the world, the ledger and the files stay.
#[derive(Debug)]
pub struct Host {
    world: MemoryBackend,
    ledger: MemoryLedger,
    faults: Faults,
    settings: Settings,
    rig: Rig,
    backend: SharedBackend,
    pub(super) notes: Notes,
    by_hand: Mutex<Vec<Range<usize>>>,
    reader: Mutex<Option<Journal>>,
    folder: Arc<TempDir>,
}

#[derive(Clone)]
struct SharedBackend(Arc<dyn Backend>);

impl std::fmt::Debug for SharedBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.describe())
    }
}

/// How a process ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended {
    /// By itself.
    Done(Result<Outcome, EngineError>),
    /// It was killed.
    Killed,
    /// It did nothing for an hour and was killed by a person.
    GaveUp,
}

/// What happens besides to a process.
#[derive(Clone, Default)]
pub(super) struct Besides {
    pub(super) faults: FaultPlan,
    /// Somebody's hand between plan and run.
    pub(super) after_plan: Option<fn(&MemoryBackend)>,
    /// Ctrl-C when a stage begins.
    pub(super) cancel_at: Option<StageKind>,
}

impl Host {
    /// A host with this world, which we never touched.
    ///
    /// # Errors
    /// When the world can't be made.
    pub fn new(builder: MemoryBuilder) -> Result<Self, SweepError> {
        let folder = Arc::new(temporary()?);
        let world = builder.root(folder.path()).build()?;
        std::fs::create_dir_all(world.backup_dir())?;
        prepare_state_dir(&world.settings())?;
        let ledger = MemoryLedger::new(LedgerId::new("ledger-one")?);
        Ok(Self::over(world, ledger, folder, Rig::honest()))
    }

    fn over(world: MemoryBackend, ledger: MemoryLedger, folder: Arc<TempDir>, rig: Rig) -> Self {
        let (faulty, faults) = Faulty::new(world.clone(), FaultPlan::new());
        Self {
            settings: world.settings(),
            backend: SharedBackend((rig.around)(faulty, &world)),
            world,
            ledger,
            faults,
            rig,
            notes: Notes::default(),
            by_hand: Mutex::default(),
            reader: Mutex::default(),
            folder,
        }
    }

    /// The same host with something else between its engines and the world.
    #[must_use]
    pub fn rigged(self, rig: Rig) -> Self {
        Self { settings: self.settings, ..Self::over(self.world, self.ledger, self.folder, rig) }
    }

    /// What the host's files are now, to be put back before each [`fork`](Self::fork).
    pub(super) fn files(&self) -> Result<Remembered, SweepError> {
        Ok(Remembered::of(self.folder.path())?)
    }

    /// Another host that is like this one was when `files` were remembered. Only one of them may be used at a time.
    pub(super) fn fork(&self, files: &Remembered, rig: &Rig) -> Result<Self, SweepError> {
        files.restore()?;
        let ledger = MemoryLedger::from_bytes(LedgerId::new("ledger-one")?, self.ledger.bytes());
        let forked = Self::over(self.world.fork(), ledger, Arc::clone(&self.folder), rig.clone());
        Ok(Self { settings: self.settings.clone(), ..forked })
    }

    /// The world, for looking at it and for meddling with it.
    #[must_use]
    pub fn world(&self) -> &MemoryBackend {
        &self.world
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &MemoryLedger {
        &self.ledger
    }

    /// The controls of the faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Settings that its processes go by from now on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// What the ledger's records come to.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn view(&self) -> Result<LedgerView, SweepError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // Read on from where it was last read; anew, where a loss of power took records away.
        if let Some(journal) = reader.as_ref().filter(|journal| journal.refresh().is_ok()) {
            return Ok(journal.view());
        }
        let journal = Journal::open(Box::new(self.ledger.open_again()))?;
        Ok(reader.insert(journal).view())
    }

    /// Something that no operation does: a person's hand, or bad luck.
    pub fn by_hand<T>(&self, act: impl FnOnce(&MemoryBackend) -> T) -> T {
        let before = self.world.moments();
        let done = act(&self.world);
        self.note_by_hand(before..self.world.moments());
        done
    }

    /// These moments were made by hand.
    pub(super) fn note_by_hand(&self, moments: Range<usize>) {
        self.by_hand.lock().unwrap_or_else(PoisonError::into_inner).push(moments);
    }

    /// Whether what became the case at a moment was made so by hand.
    pub(super) fn was_by_hand(&self, moment: usize) -> bool {
        self.by_hand
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|range| range.contains(&moment))
    }

    /// The engine of a process that begins now.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn engine(&self) -> Result<Engine, EngineError> {
        let store = Watched {
            inner: FaultyLedger::new(self.ledger.open_again(), &self.faults),
            medium: self.ledger.open_again(),
            world: self.world.clone(),
            notes: self.notes.clone(),
            reads_ends: self.rig.reads_ends,
        };
        let journal = Journal::open(Box::new(store));
        let journal = journal.map_err(|source| EngineError::Ledger { started: false, source })?;
        let actor = Actor { user: "ops".into(), host: "host.example.com".into(), pid: 1 };
        let clock = Arc::new(self.world.clock());
        let builder =
            Engine::builder(self.settings.clone(), Arc::clone(&self.backend.0), clock, journal, actor);
        Ok((self.rig.of_engine)(builder).build())
    }

    /// Plans and runs an operation in a process of its own.
    pub async fn operate(&self, request: &Request) -> Ended {
        self.operate_with(request, &Besides::default()).await
    }

    /// Plans and runs an operation in a process of its own, under faults.
    pub async fn operate_under(&self, request: &Request, faults: FaultPlan) -> Ended {
        self.operate_with(request, &Besides { faults, ..Besides::default() }).await
    }

    pub(super) async fn operate_with(&self, request: &Request, besides: &Besides) -> Ended {
        let work = async {
            let engine = self.engine()?;
            let mut plan = match request.verb {
                Verb::Fetch => engine.fetch_plan(&request.environment)?,
                _ => engine.plan(request).await?,
            };
            (self.rig.of_plan)(&mut plan);
            if let Some(act) = besides.after_plan {
                self.by_hand(act);
            }
            let run = engine.run(plan);
            let cancel = run.cancel_token();
            run.finish(|event| {
                if matches!(event, Event::StageStarted { stage } if Some(stage) == besides.cancel_at) {
                    cancel.cancel();
                }
            })
            .await
        };
        self.process(besides.faults.clone(), work).await
    }

    /// The operations that are not done.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn unfinished(&self) -> Result<Vec<Plan>, SweepError> {
        let view = self.view()?;
        Ok(view.unfinished.values().map(|unfinished| unfinished.progress.plan().clone()).collect())
    }

    /// Recovers one operation in a process of its own.
    pub async fn recover(&self, plan: &Plan, faults: FaultPlan) -> Ended {
        self.process(faults, async { self.engine()?.recover(plan).finish(|_| {}).await }).await
    }

    /// Lets a process run until it ends; one that is killed loses what its ledger had not made durable.
    async fn process(
        &self,
        faults: FaultPlan,
        work: impl Future<Output = Result<Outcome, EngineError>>,
    ) -> Ended {
        let clock = self.world.clock();
        clock.advance(Duration::from_secs(1));
        self.faults.restart(faults);
        self.notes.process_begins(self.ledger.bytes().len());
        let patience = clock.sleep(PATIENCE);
        let ended = match self.faults.drive(select(Box::pin(work), patience)).await {
            None => Ended::Killed,
            Some(Either::Left((result, _))) => return Ended::Done(result),
            Some(Either::Right(_)) => Ended::GaveUp,
        };
        let lengths = self.notes.lengths();
        match self.rig.durability {
            Durability::EachWrite => {}
            Durability::AllButLast => {
                lengths.iter().rev().nth(1).into_iter().for_each(|l| self.ledger.cut_back(*l))
            }
            Durability::Never => lengths.first().into_iter().for_each(|l| self.ledger.cut_back(*l)),
        }
        ended
    }
}

/// A request by its environment's name.
pub(super) fn request(environment: &str, verb: Verb) -> Result<Request, SweepError> {
    Ok(Request { environment: environment.parse()?, verb })
}
