//! Sweeps: an operation is run again and again, each time with another fault; then it is recovered until nothing is left
//! to recover, and what is promised is looked for in the world rather than in what the engine says.
//!
//! A [`Scenario`] prepares a host and names an operation. A [`Case`] adds one [`Fault`], or two: the second strikes while
//! the first is unwound, or in the recovery. A case is one line of text, so a failure prints what runs it again:
//!
//! ```text
//! ALA_PROMOTE_CASE='promote/call-31:crash-after/recovery/write-4:torn' cargo test -p ala-promote-core --test sweep
//! ```
//!
//! A [`Rig`] puts what is yours between the engine and the world: gates, step handlers, steps; then [`run`](Sweep::run)
//! the sweep in your own tests:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ala_promote_testkit::sweep::{Extent, Rig, Scenario, Sweep};
//!
//! let sweep = Sweep::of(Scenario::rollback(), Rig::honest()).await?;
//! let report = sweep.run(Extent::singles().every_nth(40)).await?;
//! assert!(report.is_clean(), "{report}");
//! # Ok(()) }
//! ```
//!
//! A sweep that can't go red shows nothing: [`Control`]s break one promise each.

mod case;
mod checks;
mod control;
mod ends;
mod error;
mod fault;
mod folder;
mod history;
mod host;
mod invariant;
mod look;
mod random;
mod report;
mod rig;
mod run;
mod scenario;
mod timeline;
mod watched;

pub use case::{Case, Second};
pub use control::Control;
pub use error::SweepError;
pub use fault::Fault;
pub use history::{Act, History, HistoryReport};
pub use host::{Ended, Host};
pub use invariant::{Invariant, Violation};
pub use look::Look;
pub use report::Report;
pub use rig::{Durability, Rig};
pub use run::{Extent, Sweep};
pub use scenario::Scenario;
