//! Where the real process meets its streams, terminals, disks, other processes and an engine that goes away: what tests
//! inside one process can't show. On the engines that answer, with the smallest stack there is.

#[cfg(test)]
mod daemon;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod tests;

/// Whether everything is to be tried, however long it takes.
#[cfg(test)]
fn is_torture() -> bool {
    std::env::var("ALA_PROMOTE_TORTURE").is_ok_and(|value| value == "1")
}
