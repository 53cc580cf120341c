//! Whole commands on the in-memory backend, and the real binaries where no engine is needed.

mod world;
mod deploy;
