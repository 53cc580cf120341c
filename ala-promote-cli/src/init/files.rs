//! Writing files where others may stand: those are put aside, never overwritten.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The names of the scripts.
pub(crate) const WRAPPERS: [&str; 4] = ["deploy-staging", "promote-to-production", "deploy", "rollback"];
/// What is added to the name of a file that stood there before.
const ASIDE: &str = ".before-ala-promote";

/// A script that can be committed: it calls the installed program under its own name.
pub(crate) fn wrapper() -> &'static str {
    "#!/bin/sh\nexec ala-promote run-as \"$0\" \"$@\"\n"
}

/// Writes a new file. One that stands there is put aside first; its new name is given.
pub(crate) fn put_aside_and_write(path: &Path, text: &str, mode: u32) -> io::Result<Option<PathBuf>> {
    let aside = match fs::symlink_metadata(path) {
        Ok(_) => Some(put_aside(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(aside)
}

/// A hard link fails where the name is taken, so that nothing that was put aside before is lost.
fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    let aside = PathBuf::from(name);
    fs::hard_link(path, &aside)?;
    fs::remove_file(path)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_there_is_kept_and_what_was_kept_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deploy");
        assert_eq!(put_aside_and_write(&path, "one", 0o644).unwrap(), None);
        let aside = put_aside_and_write(&path, "two", 0o755).unwrap().unwrap();
        assert_eq!(
            (fs::read_to_string(&aside).unwrap(), fs::read_to_string(&path).unwrap()),
            ("one".into(), "two".into())
        );
        assert_eq!(
            put_aside_and_write(&path, "three", 0o644).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }
}
