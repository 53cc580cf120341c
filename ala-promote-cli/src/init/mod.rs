//! The first day: what a folder means by convention, and the config file and wrappers that say so.

mod config_text;
mod draft;
mod files;
mod found;

pub(crate) use config_text::config_text;
pub(crate) use draft::Draft;
pub(crate) use files::{WRAPPERS, put_aside_and_write, wrapper};
pub(crate) use found::{Found, look};
