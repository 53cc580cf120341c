//! A backend that deploys nothing: images, containers, ports, locks and databases are values in memory. Only
//! backups and snapshots are real files.
//!
//! It is stricter than Docker: what an engine might let pass is an error here. All that was ever the case is kept,
//! moment by moment, so that a test can say what never was.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ala_promote_core::backend::{Backend as _, Call};
//! use ala_promote_testkit::memory::{ImageBehaviour, MemoryBackend, SourceCommit};
//!
//! let backend = MemoryBackend::builder()
//!     .environment("staging", |e| {
//!         e.service("backend").image("ala-api:staging").build().port(5010, 5000);
//!         e.running();
//!     })
//!     .build()?;
//! let was = backend.image("ala-api:staging").ok_or("not built")?;
//!
//! // A commit whose backend crashes after ten seconds, built under a reference of its own.
//! backend.commit(SourceCommit::new("leak").behaviour(
//!     "backend",
//!     ImageBehaviour::CrashesAfter(std::time::Duration::from_secs(10)),
//! ));
//! let stack = backend.stack("staging").ok_or("no such environment")?;
//! let targets = [("backend".parse()?, "ala-api:candidate".parse()?)].into();
//! let built = backend.builder().build(&stack, &targets, &Call::silent()).await?;
//! assert_ne!(built.values().next().map(|i| &i.id), Some(&was));
//! # Ok(()) }
//! ```

mod act;
mod backup;
mod build;
mod builder;
mod container;
mod editor;
mod health;
mod hooks;
mod image;
mod lock;
mod model;
mod presets;
mod registry;
mod service_editor;
mod settings;
mod snapshot;
mod source;
mod stacks;
mod state;
mod store;
mod up;
mod witness;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ala_promote_core::backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Builder, Clock, Database, Hooks, ImageStore,
    Lock, Probe, Source, Stacks, Witness,
};
use ala_promote_core::domain::{EnvironmentName, StackRef};
use jiff::Timestamp;

pub use backup::rows_of_dump;
pub use builder::{MemoryBuilder, ModelError};
pub use container::{ContainerConfig, MemoryContainer, Told};
pub use editor::EnvironmentEditor;
pub use hooks::{FilePlace, RanHook};
pub use image::{Image, ImageBehaviour, Restart};
pub use model::{EnvironmentModel, ServiceModel};
pub use registry::Registry;
pub use service_editor::ServiceEditor;
pub use source::{SourceCommit, SourceTree, Upstream};
pub use state::{HeldLock, State};
pub use world::Moment;

use crate::clock::VirtualClock;
use world::World;

/// The in-memory backend. Cloning gives another handle to the same world.
#[derive(Debug, Clone)]
pub struct MemoryBackend {
    world: Arc<Mutex<World>>,
    clock: VirtualClock,
}

impl MemoryBackend {
    /// A world with nothing in it but a source tree with one commit, to be described.
    #[must_use]
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::new()
    }

    fn over(world: World, clock: VirtualClock) -> Self {
        Self { world: Arc::new(Mutex::new(world)), clock }
    }

    /// The clock that everything here goes by.
    #[must_use]
    pub fn clock(&self) -> VirtualClock {
        self.clock.clone()
    }

    /// The folder that the source tree is. It really exists.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.lock_world().root.clone()
    }

    /// What is the case now.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.lock_world().state)
    }

    /// All that was the case, oldest first: a moment for each change, however small.
    #[must_use]
    pub fn history(&self) -> Vec<Moment> {
        self.lock_world().history.clone()
    }

    /// The moments from that one on, counted from 0.
    #[must_use]
    pub fn history_from(&self, moment: usize) -> Vec<Moment> {
        self.lock_world().history.get(moment..).map(<[Moment]>::to_vec).unwrap_or_default()
    }

    /// How many moments the history has.
    #[must_use]
    pub fn moments(&self) -> usize {
        self.lock_world().history.len()
    }

    /// Another world that is like this one now, with a clock of its own; its history begins here. It works in the same
    /// folder, so only one of them should be used.
    #[must_use]
    pub fn fork(&self) -> Self {
        let (world, now) = (self.lock_world(), self.now());
        let first = Moment { at: now, what: "at first".to_owned(), state: Arc::clone(&world.state) };
        let forked = World {
            root: world.root.clone(),
            _folder: None,
            model: world.model.clone(),
            state: Arc::clone(&world.state),
            history: vec![first],
            next_id: world.next_id,
        };
        Self::over(forked, VirtualClock::starting_at(now))
    }

    /// The environments as their files say.
    #[must_use]
    pub fn model(&self) -> BTreeMap<EnvironmentName, EnvironmentModel> {
        self.lock_world().model.clone()
    }

    /// The stack of an environment: under the project that it runs as, else under the one its files say. `None` when
    /// there is no such environment.
    #[must_use]
    pub fn stack(&self, environment: &str) -> Option<StackRef> {
        let world = self.lock_world();
        let model = world.model.get(environment)?;
        let ran = world.state.containers.values().find(|c| c.stack.environment == model.name);
        Some(model.stack(ran.map_or_else(|| model.project.clone(), |c| c.project().clone())))
    }

    fn lock_world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// One small change: done as a whole, or refused and nothing has changed.
    fn change<T>(
        &self,
        what: &str,
        change: impl FnOnce(&mut State, Timestamp) -> BackendResult<T>,
    ) -> BackendResult<T> {
        let now = self.now();
        self.lock_world().change(what, now, |state| change(state, now))
    }

    fn fresh_id(&self) -> u64 {
        self.lock_world().fresh_id()
    }

    fn environment_model(&self, what: &str, name: &EnvironmentName) -> BackendResult<EnvironmentModel> {
        self.lock_world().model.get(name).cloned().ok_or_else(|| {
            let detail = format!("there is no environment {name} in this in-memory world");
            BackendError::new(BackendErrorKind::NotFound, what, detail)
        })
    }

    /// Lets others go first: the one point of a call at which it can be dropped half-way.
    async fn step(&self) {
        self.clock.note_activity();
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
}

impl Backend for MemoryBackend {
    fn describe(&self) -> String {
        "in-memory backend: nothing real is deployed".to_owned()
    }
    fn images(&self) -> &dyn ImageStore {
        self
    }
    fn stacks(&self) -> &dyn Stacks {
        self
    }
    fn builder(&self) -> &dyn Builder {
        self
    }
    fn source(&self) -> &dyn Source {
        self
    }
    fn database(&self) -> &dyn Database {
        self
    }
    fn hooks(&self) -> &dyn Hooks {
        self
    }
    fn probe(&self) -> &dyn Probe {
        self
    }
    fn lock(&self) -> &dyn Lock {
        self
    }
    fn witness(&self) -> &dyn Witness {
        self
    }
}

fn cancelled(what: &str) -> BackendError {
    BackendError::new(BackendErrorKind::Cancelled, what, "stopped, as was asked")
}
