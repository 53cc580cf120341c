//! What the engine needs from the world, as ports.

mod call;
mod clock;
mod error;
mod ports;

pub use call::{Call, CancelToken};
pub use clock::Clock;
pub use error::{BackendError, BackendErrorKind, BackendResult};
pub use ports::{
    Acquired, Backend, Builder, Database, Fetched, Hooks, ImageStore, Lock, LockGuard, LockHolder, LockScope,
    PortHolder, Probe, Room, Source, Stacks, Witness, Witnessed,
};
