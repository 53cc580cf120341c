//! Where the real process meets its streams and signals, on every engine that answers: what tests inside one process
//! can't show.

#[cfg(test)]
mod stack;
#[cfg(test)]
mod tests;
