//! What stands between the engine and the world.

use std::fmt;
use std::sync::Arc;

use ala_promote_core::backend::Backend;
use ala_promote_core::engine::EngineBuilder;
use ala_promote_core::plan::Plan;

use crate::faults::Faulty;
use crate::memory::MemoryBackend;

type Around = Arc<dyn Fn(Faulty<MemoryBackend>, &MemoryBackend) -> Arc<dyn Backend> + Send + Sync>;
type OfEngine = Arc<dyn Fn(EngineBuilder) -> EngineBuilder + Send + Sync>;
type OfPlan = Arc<dyn Fn(&mut Plan) + Send + Sync>;

/// When what is written to the ledger stays over a loss of power, which every kill counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// When the write returned.
    #[default]
    EachWrite,
    /// When the next write returned: an effect happens before its record is durable.
    AllButLast,
    /// When the process ended by itself: nothing is ever synced.
    Never,
}

/// What stands between the engine and the world: one's own gates, steps and handlers, or something that breaks a
/// promise.
#[derive(Clone)]
pub struct Rig {
    pub(super) around: Around,
    pub(super) of_engine: OfEngine,
    pub(super) of_plan: OfPlan,
    pub(super) durability: Durability,
    /// Whether a process reads that operations ended which began on this host.
    pub(super) reads_ends: bool,
}

impl Rig {
    /// Nothing but the faults.
    #[must_use]
    pub fn honest() -> Self {
        Self {
            around: Arc::new(|faulty, _| Arc::new(faulty)),
            of_engine: Arc::new(|builder| builder),
            of_plan: Arc::new(|_| {}),
            durability: Durability::EachWrite,
            reads_ends: true,
        }
    }

    /// Puts something around the backend and its faults; the second is the world itself.
    #[must_use]
    pub fn around(
        mut self,
        around: impl Fn(Faulty<MemoryBackend>, &MemoryBackend) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        self.around = Arc::new(around);
        self
    }

    /// Adds to each engine: gates, handlers.
    #[must_use]
    pub fn engine(mut self, add: impl Fn(EngineBuilder) -> EngineBuilder + Send + Sync + 'static) -> Self {
        self.of_engine = Arc::new(add);
        self
    }

    /// Adds to each plan: steps.
    #[must_use]
    pub fn plan(mut self, add: impl Fn(&mut Plan) + Send + Sync + 'static) -> Self {
        self.of_plan = Arc::new(add);
        self
    }

    /// Says when the ledger's writes are durable.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Lets no process read that an operation of another one ended.
    pub(super) fn without_ends(self) -> Self {
        Self { reads_ends: false, ..self }
    }
}

impl Default for Rig {
    fn default() -> Self {
        Self::honest()
    }
}

impl fmt::Debug for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rig").field("durability", &self.durability).finish_non_exhaustive()
    }
}
