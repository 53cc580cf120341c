//! Carrying plans out.
mod progress;
pub use progress::{Next, Progress};
