//! Faults at every call of a port and at every write of the ledger, of every kind of operation; and that the sweep
//! notices when a promise is broken.
//!
//! One case: `ALA_PROMOTE_CASE='promote/call-31:crash-after' cargo test -p ala-promote-core --test sweep`. All of them:
//! `ALA_PROMOTE_TORTURE=1`.

#[cfg(test)]
mod controls;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod scenarios;
