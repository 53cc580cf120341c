//! The commands of ala-promote: arguments, questions and output over the engine of `ala-promote-core`.
//!
//! An [`App`] holds all that a command touches of the world: where its backend comes from, the environment, the clock,
//! input and output, signals. [`process::run`] makes one of the real process; tests and demonstrations make others and
//! run the very same commands.

pub mod app;
mod args;
mod settings;
mod actor;
mod clock;
pub mod input;
pub mod output;
pub mod signals;
mod context;
mod prompt;
mod doctor;
mod init;
mod commands;
mod render;
mod error;
pub mod exit;
pub mod process;

pub use app::{App, Connect};
pub use args::Program;
pub use clock::SystemClock;
