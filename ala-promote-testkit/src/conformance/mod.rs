//! What every backend must do, checked line by line: the behaviours that core's ports document.
//!
//! Whoever writes a backend implements [`Subject`] for its tests and runs all cases in one line:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use ala_promote_testkit::conformance::{MemorySubject, run_all};
//!
//! run_all(&MemorySubject).await.assert_ok();
//! # }
//! ```
//!
//! Where fixtures take their time, as on a real engine, parts of them may run side by side ([`run_some`]).
//!
//! Each case is a plain async function over a [`Fixture`] of its own, so that it can be called alone too. A subject says
//! what its backend can do ([`Claim`]); cases about anything else are not run, and the [`Report`] names them. Which case
//! holds which sentence of the ports' documentation is listed in [`contract`].

mod case;
mod claim;
mod dropped;
mod memory;
mod subject;

pub mod building;
pub mod contract;
pub mod database;
pub mod hooks;
pub mod images;
pub mod locks;
pub mod looking;
pub mod snapshots;
pub mod source;
pub mod stacks;
pub mod witness;

pub use case::{Case, CaseResult, Miss, Report, all, run, run_all, run_some};
pub use claim::{Accident, Claim, Guard};
pub use memory::MemorySubject;
pub use subject::{Fixture, Subject};
