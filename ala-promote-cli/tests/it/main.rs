//! Whole commands on the in-memory backend, and the real binaries where no engine is needed.

#[cfg(test)]
mod world;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod promote;
#[cfg(test)]
mod question;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod rollback;
#[cfg(test)]
mod init;
#[cfg(test)]
mod json;
#[cfg(test)]
mod stacks;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod recover;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod binaries;
