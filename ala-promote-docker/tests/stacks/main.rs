//! Stacks of the shapes that real repositories have: each is adopted, or refused with the lines to mend.
//!
//! A stack is a folder below `shapes` with the files of a repository (`repo`) and what is decided about it
//! (`expected.txt`; `expected-v1.txt` where Compose v1 leads elsewhere). `work-in` names the folder to work in, where
//! that is not the repository's own.
//!
//! - `ALA_PROMOTE_UPDATE=1` writes what is decided now over what was expected; read the difference before it is kept.
//! - `ALA_PROMOTE_STACK=a,b` takes these stacks only.

#[cfg(test)]
mod bring_up;
#[cfg(test)]
mod decide;
#[cfg(test)]
mod decision;
#[cfg(test)]
mod registry;
#[cfg(test)]
#[path = "../engine/registry_server.rs"]
mod registry_server;
#[cfg(test)]
mod shape;
#[cfg(test)]
#[path = "../engine/support.rs"]
#[allow(dead_code, reason = "what only the other tests on engines use")]
mod support;
