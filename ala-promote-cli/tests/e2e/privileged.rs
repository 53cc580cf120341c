//! What only root can bring about: other users, read-only and full disks. Called by the scenarios of `bad_input`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use ala_promote_demo::{Environment, Sample};

use crate::script::{answer, binary, call, called, hurry, running};

/// Whether these cases can be had here; said loudly if not.
pub(crate) fn is_root() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if !root {
        eprintln!("SKIPPED: other users and disks need root");
    }
    root
}

/// Something that is mounted for the time of a case.
struct Mounted(PathBuf);

impl Mounted {
    fn new(arguments: &[&str], at: &Path) -> Self {
        mount(arguments, at);
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], at: &Path) {
    let status = Command::new("mount").args(arguments).arg(at).status().expect("mount runs");
    assert!(status.success(), "mount {arguments:?}");
}

/// A user who may not use the engine's socket.
pub(crate) fn no_permission_for_the_socket(sample: &Sample) {
    let all =
        |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("it is allowed");
    // The binary may lie where that user can't go.
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("deploy-staging");
    fs::copy(binary("deploy-staging"), &copy).expect("it is copied");
    for path in [folder.path(), sample.root().parent().expect("a parent"), &sample.deployment()] {
        all(path);
    }
    let (cwd, variables) = (sample.deployment(), &sample.engine().variables);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
    command.env_clear().envs(variables).env("HOME", folder.path()).current_dir(cwd);
    let refused = called(&command.output().expect("setpriv runs"));
    refused.expect(1, &["this user may not use the engine's socket", "usermod -aG docker"]);
}

/// The deployment folder on a disk that can't be written.
pub(crate) fn read_only(sample: &Sample) {
    let folder = sample.deployment();
    let text = folder.display().to_string();
    let _mounted = Mounted::new(&["--bind", &text], &folder);
    mount(&["-o", "remount,bind,ro"], &folder);
    for line in [["deploy-staging", "--skip-build"], ["promote-to-production", "--confirm=production"]] {
        call(sample, &line).expect(1, &["ead-only"]);
    }
}

/// A disk that is too small for the backup, and one that is full before the backup is whole.
pub(crate) fn full_disk(sample: &Sample) {
    let (database, _) = running(sample, Environment::Production)["db"].clone();
    let psql = ["exec", &database, "psql", "-q", "-U", "ala_user", "-d", "ala_production", "-c"];
    let sql = |text: &str| sample.engine().docker(&[&psql[..], &[text]].concat()).expect("docker answers");
    // Small in the database, which compresses it, and thus for the look beforehand; large in a dump.
    sql("create table filler as select repeat('x', 4000000) as text");
    let refused: (i32, &[&str]) = (3, &["there is not enough room for a backup", "[backup] dir"]);
    let failed: (i32, &[&str]) = (5, &["No space left on device", "free space on that disk", "as it was"]);
    for (size, (code, lines)) in [("256k", refused), ("2m", failed)] {
        with_backups_on_a_disk_of(sample, size, |folder| {
            answer(sample, &["promote-to-production"], "yes\n").expect(code, lines);
            let left: Vec<_> = fs::read_dir(folder).expect("the folder is there").collect();
            assert!(left.is_empty(), "no part of a backup may be left: {left:?}");
        });
    }
    hurry(sample);
    sql("drop table filler");
}

fn with_backups_on_a_disk_of(sample: &Sample, size: &str, check: impl FnOnce(&Path)) {
    hurry(sample);
    let folder = sample.root().join("full");
    fs::create_dir(&folder).expect("a folder");
    let mounted = Mounted::new(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &folder);
    let config = sample.deployment().join("ala-promote.toml");
    let text = fs::read_to_string(&config).expect("the file is there");
    fs::write(&config, text + "\n[backup]\ndir = \"../full\"\n").expect("the config is written");
    check(&folder);
    drop(mounted);
    fs::remove_dir(&folder).expect("the folder goes");
}
