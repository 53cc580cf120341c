//! What is looked for in the course of things, one file a promise.

mod backups;
mod change;
mod effects;
mod pins;
mod plans;

pub(super) use backups::{backups, is_what_it_says};
pub(super) use change::Change;
pub(super) use effects::effects;
pub(super) use pins::pins;
pub(super) use plans::plan_is_of;
