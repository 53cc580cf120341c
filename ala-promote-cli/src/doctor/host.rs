//! This host: whose files, how much space, who calls and from where.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ala_promote_core::config::Settings;
use rustix::fs::{Access, access, statvfs};

use super::Check;
use crate::app::App;
use crate::render::text;

/// Less than this is too little for a backup and an image, in bytes.
const LITTLE_SPACE: u64 = 2 << 30;
/// Less than this is no space, in bytes.
const NO_SPACE: u64 = 64 << 20;

/// Who calls, and from where.
pub(super) fn of_the_process(app: &App) -> Vec<Check> {
    let set = |key: &str| app.environment.get(key).filter(|value| !value.is_empty()).map(String::as_str);
    let mut checks = Vec::new();
    match (set("HOME"), set("SUDO_USER")) {
        (None, _) => checks.push(Check::warning(
            "home",
            "HOME is not set, as in cron: Docker's login and contexts are not found, and `~` means nothing",
            "set it in the crontab: HOME=/home/USER",
        )),
        (Some(home), Some(user)) => checks.push(Check::warning(
            "sudo",
            format!("called by sudo for {user}: `~` and Docker's login and contexts are those of {home}"),
            format!("let {user} run it without sudo: usermod -aG docker {user}, then log in again"),
        )),
        (Some(_), None) => checks.push(Check::fine("user", app.user.clone())),
    }
    if set("PATH").is_none() {
        let mend = "set it in the crontab: PATH=/usr/local/bin:/usr/bin:/bin";
        checks.push(Check::warning("path", "PATH is not set, as in cron", mend));
    }
    if !app.input.is_terminal() {
        let found =
            "standard input is no terminal, as in cron and CI: a question is answered by what it holds";
        let mend = "give the answer beforehand: --confirm production";
        checks.push(Check::warning("terminal", found, mend));
    }
    checks
}

/// Whose files, and how much space.
pub(super) fn of_the_folder(app: &App, settings: &Settings) -> Vec<Check> {
    let folders = [("state folder", &settings.state_dir), ("backups folder", &settings.backup.dir)];
    let mut checks: Vec<Check> = folders
        .into_iter()
        .flat_map(|(name, folder)| [usable(app, settings, name, folder), space(name, folder)])
        .collect();
    checks.dedup();
    checks
}

/// Whether an operation could work with it: the state folder has one owner, whoever else could write there.
fn usable(app: &App, settings: &Settings, name: &str, folder: &Path) -> Check {
    let me = rustix::process::geteuid().as_raw();
    match fs::metadata(folder).map(|of| of.uid()) {
        Ok(owner) if owner != me && folder == settings.state_dir => Check::problem(
            name,
            format!(
                "{} belongs to user {owner}, and this runs as {} (user {me})",
                folder.display(),
                app.user
            ),
            format!(
                "run it as its owner: sudo -u '#{owner}' COMMAND; or give it to {}: sudo chown -R {me} {}",
                app.user,
                folder.display()
            ),
        ),
        _ => writable(app, name, folder),
    }
}

/// Whether it can be written, or made.
fn writable(app: &App, name: &str, folder: &Path) -> Check {
    let there = nearest(folder);
    let is_there = there == folder;
    let whose = fs::metadata(there).map(|of| of.uid()).ok();
    match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if is_there => Check::fine(name, folder.display().to_string()),
        Ok(()) => Check::fine(name, format!("{} will be made", folder.display())),
        Err(error) => {
            let owner = whose.map(|uid| format!("; it belongs to user {uid}")).unwrap_or_default();
            let why = io::Error::from(error);
            let found = format!("{} can't be written by {}: {why}{owner}", there.display(), app.user);
            let mend = match whose {
                Some(0) => {
                    format!("sudo made it; give it back: sudo chown -R {} {}", app.user, there.display())
                }
                _ => format!("run as its owner, or give {} the right to write there", app.user),
            };
            Check::problem(name, found, mend)
        }
    }
}

fn space(name: &str, folder: &Path) -> Check {
    let name = format!("disk of the {name}");
    let there = nearest(folder);
    let free = match statvfs(there) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            let found = format!("{} can't be looked at: {}", there.display(), io::Error::from(error));
            return Check::warning(name, found, "look whether its disk is mounted");
        }
    };
    let found = format!("{} free at {}", text::bytes(free), there.display());
    match free {
        _ if free < NO_SPACE => {
            Check::problem(name, found, "make room: see what fills it with `df` and `docker system df`")
        }
        _ if free < LITTLE_SPACE => Check::warning(name, found, "make room before a backup needs it"),
        _ => Check::fine(name, found),
    }
}

/// The nearest folder above that exists, or the folder itself.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_looked_at_where_it_will_be() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&dir.path().join("a/b")), dir.path());
        assert_eq!(nearest(dir.path()), dir.path());
    }
}
