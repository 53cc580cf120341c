//! Placeholder.

mod process;
