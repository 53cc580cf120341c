//! Instruments for testing what is built on ala-promote: an in-memory backend that is stricter than Docker, faults
//! at every call and every write, sweeps over them and random histories with named invariants, a virtual clock, a
//! conformance suite for backends, mocks of the ports.
//!
//! Nothing here deploys anything.

pub mod clock;
pub mod memory;

pub mod conformance;
pub mod faults;
pub mod mocks;
pub mod patched;
mod ports;
pub mod sweep;

pub use ports::free_port;
