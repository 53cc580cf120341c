//! Carrying plans out: what comes next is decided by a pure state machine over records, and done by one loop.

mod begin_anew;
#[expect(clippy::module_inception, reason = "the type that the module is named after")]
mod engine;
mod error;
mod executor;
mod handler;
mod locking;
mod observe;
mod progress;
mod run;
mod status;

pub use engine::{Engine, EngineBuilder};
pub use error::{EngineError, EngineErrorKind};
pub use handler::StepHandler;
pub use progress::{Next, Progress};
pub use run::Run;
pub use status::{EnvironmentStatus, ServiceStatus, UnfinishedStatus};
