//! The engine of ala-promote. It decides what an operation will do (a [`plan`]), does it over ports that a
//! [`backend`] implements, and keeps every step on a durable record.
//!
//! It never prints, reads the process environment, spawns a process, speaks to a network or needs an async runtime.

pub mod domain;
pub mod config;
pub mod backend;
pub mod plan;
pub mod ledger;
pub mod engine;
pub mod event;
