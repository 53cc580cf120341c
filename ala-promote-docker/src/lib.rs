//! The Docker backend of ala-promote.

mod connect;
mod containers;
mod database;
mod durable;
mod engine;
mod error;
mod exec;
mod images;
mod labels;
mod lock;
mod placeholder;
mod probe;
mod process;
mod scrub;
