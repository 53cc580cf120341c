//! Whole commands on the in-memory backend, and the real binaries where no engine is needed.

mod world;
mod deploy;
mod promote;
mod question;
mod refusal;
mod rollback;
mod json;
mod stop;
mod recover;
mod reading;
mod binaries;
