//! Faults at any call of any backend's ports and at any write of a ledger, and what a killed process leaves.
//!
//! [`Faulty`] wraps a backend. Each call of a port gets a number, from 1; a [`FaultPlan`] says what becomes of some of
//! them. A sweep first runs without faults and takes the [calls](Faults::calls), then again once for each call and each
//! fate. [`FaultyLedger`] does the same to a ledger's writes, which have numbers of their own.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ala_promote_core::backend::{Backend as _, Call};
//! use ala_promote_testkit::faults::{Fate, FaultPlan, Faulty};
//! use ala_promote_testkit::memory::{MemoryBackend, SourceCommit};
//!
//! let world = MemoryBackend::ala_medical().build()?;
//! let stack = world.stack("staging").ok_or("no such environment")?;
//! let targets = [("backend".parse()?, "ala-api:staging".parse()?)].into();
//! world.commit(SourceCommit::new("second"));
//! world.builder().build(&stack, &targets, &Call::silent()).await?;
//!
//! // The process is killed while services are being replaced.
//! let (backend, faults) = Faulty::new(world.clone(), FaultPlan::new().at(1, Fate::CrashWithin { polls: 4 }));
//! let services = ["backend".parse()?];
//! let run = async { backend.stacks().up(&stack, &services, &Call::silent()).await };
//! assert!(faults.drive(run).await.is_none());
//! assert!(!world.running("staging").contains_key("backend"), "the old container is gone, the new one not started");
//!
//! // Started anew, the same call settles it.
//! faults.restart(FaultPlan::new());
//! backend.stacks().up(&stack, &services, &Call::silent()).await?;
//! assert!(world.running("staging").contains_key("backend"));
//! # Ok(()) }
//! ```

mod control;
mod fate;
mod ledger;
mod ports;

pub use control::{CallRecord, Faults};
pub use fate::{Fate, FaultPlan, WriteFate};
pub use ledger::{FaultyLedger, Medium};
pub use ports::Faulty;
