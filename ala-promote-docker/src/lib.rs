//! Placeholder.

mod compose;
mod git;
mod process;

pub use git::Git;
