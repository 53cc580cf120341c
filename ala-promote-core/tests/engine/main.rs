//! The engine on the in-memory backend, from outside: what is promised, looked at in the world rather than taken from
//! what the engine says.

mod cut;
mod externals;
mod failures;
mod gates;
mod host;
mod ledger;
mod progress;
mod recovery;
mod releases;
mod sweep;
mod view;
mod workflow;
