//! Tests of the testkit through its public face.

#[cfg(test)]
mod memory;
