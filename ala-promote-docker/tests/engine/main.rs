//! The backend on real engines: the one that the environment names, and those in `ALA_PROMOTE_TEST_ENGINES`.
//! `support.rs` says how they are found.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod database;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod images;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod mysql;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod registry_server;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod support;
#[cfg(test)]
mod witness;
