//! The engine on the in-memory backend, from outside: what is promised, looked at in the world rather than taken from
//! what the engine says.

#[cfg(test)]
mod backups;
#[cfg(test)]
mod externals;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod host;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod pulls;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod view;
#[cfg(test)]
mod workflow;
