//! A team's own configuration, gate, step and tool, tested in seconds and without Docker.

#[cfg(test)]
mod ours;
