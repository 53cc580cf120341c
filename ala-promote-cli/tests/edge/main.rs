//! Where the real process meets its streams, terminals, disks, other processes and an engine that goes away: what tests
//! inside one process can't show. On the engines that answer, with the smallest stack there is.

#[cfg(test)]
mod daemon;
#[cfg(test)]
mod disk;
#[cfg(test)]
#[path = "../e2e/engines.rs"]
mod engines;
#[cfg(test)]
mod first_day;
#[cfg(test)]
mod group;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod tests;
