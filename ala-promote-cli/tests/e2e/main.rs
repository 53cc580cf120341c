//! The binaries on real engines: every engine that is found, side by side. Nothing is asked of the tool's own words
//! that the engine can tell: what runs is read with `docker inspect`.

#[cfg(test)]
mod adopted;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod document_shape;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod privileged;
#[cfg(test)]
mod put_back;
#[cfg(test)]
mod script;
#[cfg(test)]
mod workflow;
