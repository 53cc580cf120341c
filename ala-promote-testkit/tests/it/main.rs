//! Tests of the testkit through its public face.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod mocks;
#[cfg(test)]
mod engine;
