//! The Docker backend of ala-promote: the Engine API for images, containers, volumes and commands inside containers;
//! the user's own Compose for rendering, building and starting; Git by its CLI.
//!
//! [`DockerBackend`] is all there is to it:
//!
//! ```no_run
//! # async fn example() -> Result<(), ala_promote_core::backend::BackendError> {
//! use ala_promote_core::backend::Backend;
//! use ala_promote_docker::{DockerBackend, DockerOptions};
//!
//! let backend = DockerBackend::connect(DockerOptions::new(std::env::vars().collect())).await?;
//! println!("{}", backend.describe());
//! # Ok(())
//! # }
//! ```
//!
//! It needs a tokio runtime with I/O and time enabled. It keeps no global state, so several of them live in one
//! process. bollard writes what it sends and gets to the `log` crate at the levels `debug` and `trace`, and that holds
//! secrets of containers: don't record those.

mod backend;
mod compose;
mod connect;
mod containers;
mod database;
mod durable;
mod engine;
mod error;
mod exec;
mod git;
mod images;
mod labels;
mod lock;
mod placeholder;
mod port_holders;
mod probe;
mod process;
mod scrub;
mod snapshot;
mod stacks;
mod witness;

pub use backend::{DockerBackend, DockerOptions};
pub use git::Git;
