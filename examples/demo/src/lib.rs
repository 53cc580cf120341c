//! The sample stack of `examples/ala-medical`, copied to a folder of its own with names and ports of its own, so that
//! it can be deployed beside anything else. Used by the demonstration and by the end-to-end tests.

mod engine;
mod sample;

pub use engine::{EngineEnv, is_torture};
pub use sample::{Environment, Sample};
