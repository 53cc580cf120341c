//! A backend that is not Docker. Services are processes of this host, releases are folders, and what a service runs is
//! where its symlink `current` points. It is real: the engine of ala-promote deploys, promotes, puts back and rolls back
//! with it, and the testkit's conformance suite holds it to its word.
//!
//! # If you write a backend yourself
//!
//! 1. Read `ala_promote_core::backend`: ten small ports, each method with its behaviour as a list. The engine takes
//!    these lists at their word, and nothing else for granted.
//! 2. Begin with `tests/it/conformance.rs` here. Say there what you *can* do; the suite runs the cases about that and names
//!    those it left out. Then let the cases drive you, module by module: `images` first, `locks` and `witness` next.
//! 3. What you can't do is [`Unsupported`](ala_promote_core::backend::BackendErrorKind::Unsupported), or nothing found
//!    (see `cannot`). Planning never asks for what a stack does not use.
//! 4. Make every effect an *ensure*: look first, do what is missing, and let a second call find nothing to do. A process
//!    may be killed between any two lines; the engine then calls again. Here that comes almost for free: a file is
//!    written aside and renamed, a link is replaced by a rename, and processes are found by a mark in their
//!    environment, so that there is no note of them which could be wrong.
//! 5. An image's id must follow from its content (here: SHA-256 of all files), and a container must tell the image it was
//!    *made from*, whatever a reference names by now. All promises of the engine rest on these two.
//!
//! # Where things are
//!
//! ```text
//! <host>/references/<name>  ->  ../images/<id>         what a reference names
//! <host>/images/<id>/                                  a release, as built; never changed
//! <host>/stacks/<project>/<service>/container.json     how the service is made
//!                                   current -> …       the release it runs
//!                                   log                what it printed last
//! <host>/locks/  <host>/witness/                       one file for each
//! <environment>/stack.json                             the stack, written by people: see [`file`]
//! ```
//!
//! Left out to stay short: databases, pulling, hooks, a source tree, and garbage: an image is never removed.

mod building;
mod cannot;
mod containers;
mod everyday;
pub mod file;
mod host;
mod images;
mod lock;
mod probe;
mod processes;
mod stacks;
mod witness;

use ala_promote_core::backend::{
    Backend, Builder, Database, Hooks, ImageStore, Lock, Probe, Source, Stacks, Witness,
};

pub use everyday::{TimeOfDay, free_ports};
pub use host::LocalBackend;

impl Backend for LocalBackend {
    fn describe(&self) -> String {
        format!("local processes, releases in {}", self.root().display())
    }
    fn images(&self) -> &dyn ImageStore {
        self
    }
    fn stacks(&self) -> &dyn Stacks {
        self
    }
    fn builder(&self) -> &dyn Builder {
        self
    }
    fn source(&self) -> &dyn Source {
        self
    }
    fn database(&self) -> &dyn Database {
        self
    }
    fn hooks(&self) -> &dyn Hooks {
        self
    }
    fn probe(&self) -> &dyn Probe {
        self
    }
    fn lock(&self) -> &dyn Lock {
        self
    }
    fn witness(&self) -> &dyn Witness {
        self
    }
}
