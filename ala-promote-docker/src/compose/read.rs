//! Reading a small file of the user's: what is no such file is told, not waited for or taken in whole.

use std::fs::File;
use std::io::{Error, Read};
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};

/// The longest Compose or env file that is read, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The text of a Compose or env file, as far as it is text.
///
/// # Errors
/// `Invalid` when it is a folder, a pipe or too long, or can't be read.
pub(super) fn text(path: &Path, what: &str) -> BackendResult<String> {
    let refused = |detail: &str, cause: Option<Error>| {
        let error =
            BackendError::new(BackendErrorKind::Invalid, what, format!("{} {detail}", path.display()));
        match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    };
    let cant_be_read = |error| refused("can't be read", Some(error));
    // Opening a named pipe would wait for ever.
    if !path.metadata().map_err(cant_be_read)?.is_file() {
        return Err(refused("is no regular file", None));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cant_be_read)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cant_be_read)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refused("is longer than 4 MiB", None).with_hint("name the file that is meant"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
