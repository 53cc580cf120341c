//! The state folder: made, checked and closed to others before anything is kept in it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::settings::Settings;
use crate::domain::FingerprintKey;

const IGNORE_FILE: &str = ".gitignore";
/// The first line tells our folder from others that hide themselves from Git.
const IGNORE_ALL: &[u8] = b"# The state of ala-promote: not for Git.\n*\n";
/// Folders within it that others count on: for `Action::Snapshot`, for the locks' files, for `StackRef::derived_file`,
/// for what hooks print.
const SUBFOLDERS: [&str; 4] = ["snapshots", "locks", "compose", "hooks"];
const KEY_FILE: &str = "fingerprint.key";
const KEY_BYTES: usize = 32;

/// A state folder that is there and can be written.
#[derive(Debug)]
#[non_exhaustive]
pub struct StateDir {
    /// The folder, absolute.
    pub path: PathBuf,
    /// The key of its fingerprints.
    pub key: FingerprintKey,
    /// Whether the key was made just now: nothing was kept in this folder before, or what was is lost.
    pub fresh: bool,
}

/// Ensures that the state folder exists, is writable, belongs to who runs this and is closed to others (0700), that Git
/// ignores it, and that it has a key for fingerprints (0600).
///
/// May run in any number of processes at once, and again after one was killed half-way.
///
/// # Errors
/// [`SettingsError::Path`]: a read-only or full disk, a file in its place, another owner, a folder that holds other
/// things than ours, a key that was cut.
pub fn prepare_state_dir(settings: &Settings) -> Result<StateDir, SettingsError> {
    let path = settings.state_dir.as_path();
    make(path)?;
    check_owner(path)?;
    check_ours(path)?;
    // Copying or unpacking may have opened it.
    close(path, 0o700).map_err(|error| failed(path, "can't be closed to others (mode 0700)", error))?;
    check_writable(path)?;
    ignore_in_git(path)?;
    for name in SUBFOLDERS {
        make(&path.join(name))?;
    }
    let key_file = path.join(KEY_FILE);
    let fresh = !key_file.exists();
    if fresh {
        make_key(path, &key_file).map_err(|error| failed(&key_file, "can't be made", error))?;
    }
    Ok(StateDir { path: path.to_owned(), key: read_key(&key_file)?, fresh })
}

fn make(path: &Path) -> Result<(), SettingsError> {
    let fail = |error| Err(failed(path, "(the state folder) can't be made", error));
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => {
            let error = SettingsError::path(path, "(the state folder) is not a folder");
            return Err(error.with_hint("move it away, or set `state_dir` in ala-promote.toml"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return fail(error),
        // Not merely "is there": another process may have made the folder since.
        Err(error) if path.is_symlink() => {
            return Err(failed(path, "(the state folder) is a symbolic link that leads nowhere", error));
        }
        Err(_) => {}
    }
    let parent = path.parent().unwrap_or(path);
    let made = fs::create_dir_all(parent).and_then(|()| match DirBuilder::new().mode(0o700).create(path) {
        // Another process was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    // The ledger's first record is durable only if the folder's own name is.
    made.and_then(|()| File::open(parent)?.sync_all()).or_else(fail)
}

/// Root can write everywhere, but what it wrote would lock the owner out.
fn check_owner(path: &Path) -> Result<(), SettingsError> {
    let metadata = fs::metadata(path).map_err(|error| failed(path, "can't be looked at", error))?;
    let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner == me {
        return Ok(());
    }
    let problem = format!("(the state folder) belongs to user {owner}, and this runs as user {me}");
    let hint =
        format!("run it as user {owner}, or give the folder to user {me}: chown -R {me} {}", path.display());
    Err(SettingsError::path(path, problem).with_hint(hint))
}

/// A folder that somebody uses for something else must neither be closed nor hidden from Git.
fn check_ours(path: &Path) -> Result<(), SettingsError> {
    let ignore = path.join(IGNORE_FILE);
    let is_ours = || path.join(KEY_FILE).exists() || fs::read(&ignore).is_ok_and(|text| text == IGNORE_ALL);
    // One that was killed while it wrote its first file left only that, cut.
    let begun = |name: &OsStr| {
        name == IGNORE_FILE && fs::read(&ignore).is_ok_and(|text| IGNORE_ALL.starts_with(&text))
    };
    let unreadable = |error| failed(path, "can't be read", error);
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        // Asked after the look at each entry: another process may be making this folder now, its `.gitignore` first.
        if !begun(&name) && !is_ours() {
            let problem =
                format!("(the state folder) holds files that are not ala-promote's: {}", name.display());
            let hint = "set `state_dir` in ala-promote.toml to a folder of its own";
            return Err(SettingsError::path(path, problem).with_hint(hint));
        }
    }
    Ok(())
}

/// Asks the system, since what is in order already is not written again below.
fn check_writable(path: &Path) -> Result<(), SettingsError> {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK)
        .map_err(|error| failed(path, "(the state folder) can't be written", error.into()))
}

fn close(path: &Path, mode: u32) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Written before anything else, and durable, so that whatever else is found later was put there by us.
fn ignore_in_git(path: &Path) -> Result<(), SettingsError> {
    let file = path.join(IGNORE_FILE);
    // What a user wrote in its place stays; one that was cut is completed.
    let found = fs::read(&file).unwrap_or_default();
    if found == IGNORE_ALL || !IGNORE_ALL.starts_with(&found) {
        return Ok(());
    }
    let write = || {
        let mut open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&file)?;
        open.write_all(IGNORE_ALL)?;
        open.sync_all()?;
        File::open(path)?.sync_all()
    };
    write().map_err(|error| failed(&file, "can't be written", error))
}

/// The key appears whole under its name or not at all, and never replaces another.
fn make_key(dir: &Path, file: &Path) -> io::Result<()> {
    let (key, salt) = (random::<KEY_BYTES>()?, random::<8>()?);
    let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    let partial = dir.join(format!("{KEY_FILE}.{salt}.partial"));
    let write = || {
        let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        open.write_all(&key)?;
        open.sync_all()?;
        match fs::hard_link(&partial, file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    };
    let written = write();
    let removed = fs::remove_file(&partial);
    written.and(removed)?;
    File::open(dir)?.sync_all()
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_key(file: &Path) -> Result<FingerprintKey, SettingsError> {
    let mut bytes = Vec::new();
    close(file, 0o600)
        .and_then(|()| File::open(file)?.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(file, "can't be read", error))?;
    <[u8; KEY_BYTES]>::try_from(bytes).map(FingerprintKey::new).map_err(|bytes| {
        let problem = format!("is damaged: it must have {KEY_BYTES} bytes, not {}", bytes.len());
        let hint = "take it from a copy of this folder; without it a new one is made once the file is gone, and every \
                    value of an env file will count as changed";
        SettingsError::path(file, problem).with_hint(hint)
    })
}

fn failed(path: &Path, problem: &str, error: io::Error) -> SettingsError {
    let elsewhere = "set `state_dir` in ala-promote.toml to a folder that can be written";
    let hint = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => Some(format!("the disk is read-only: {elsewhere}")),
        io::ErrorKind::PermissionDenied => Some(format!("run it as the folder's owner, or {elsewhere}")),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free space on that disk".to_owned())
        }
        _ => None,
    };
    let failed = SettingsError::io(path, problem, error);
    match hint {
        Some(hint) => failed.with_hint(hint),
        None => failed,
    }
}
