//! The state folder.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::domain::Secret;

impl Folder {
    fn prepare(&self) -> Result<StateDir, SettingsError> {
        prepare_state_dir(&self.settings())
    }

    fn prepare_refusal(&self) -> String {
        let error = self.prepare().expect_err("was taken");
        assert_eq!(error.kind(), SettingsErrorKind::Unusable);
        self.shown(&error)
    }

    fn mode(&self, file: &str) -> u32 {
        fs::metadata(self.path(file)).unwrap().permissions().mode() & 0o777
    }
}

fn print(state: &StateDir) -> String {
    Secret::new("x").fingerprint(&state.key)
}

#[test]
fn is_made_closed_and_hidden_once() {
    let folder = Folder::usual();
    let first = folder.prepare().unwrap();
    assert!(first.fresh);
    assert_eq!(first.path, folder.path(".ala-promote"));
    assert_eq!(folder.mode(".ala-promote"), 0o700);
    assert_eq!(folder.mode(".ala-promote/fingerprint.key"), 0o600);
    let ignore = fs::read_to_string(folder.path(".ala-promote/.gitignore")).unwrap();
    assert!(ignore.lines().any(|line| line == "*"), "{ignore}");
    let names = fs::read_dir(&first.path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let names: std::collections::BTreeSet<String> = names.collect();
    let expected =
        [".gitignore", "compose", "fingerprint.key", "hooks", "locks", "snapshots"].map(String::from).into();
    assert_eq!(names, expected, "nothing partial is left");

    let second = folder.prepare().unwrap();
    assert!(!second.fresh);
    assert_eq!(print(&first), print(&second));
    let other = Folder::usual().prepare().unwrap();
    assert_ne!(print(&first), print(&other), "each folder has a key of its own");
}

#[test]
fn is_closed_again_where_copying_opened_it() {
    let folder = Folder::usual();
    folder.prepare().unwrap();
    let open =
        |file: &str, mode| fs::set_permissions(folder.path(file), fs::Permissions::from_mode(mode)).unwrap();
    open(".ala-promote", 0o755);
    open(".ala-promote/fingerprint.key", 0o644);
    folder.write(".ala-promote/.gitignore", "*\n!keep\n");
    folder.prepare().unwrap();
    assert_eq!((folder.mode(".ala-promote"), folder.mode(".ala-promote/fingerprint.key")), (0o700, 0o600));
    assert_eq!(fs::read_to_string(folder.path(".ala-promote/.gitignore")).unwrap(), "*\n!keep\n");
}

#[test]
fn is_finished_where_a_killed_one_began() {
    let folder = Folder::usual();
    folder.write(".ala-promote/.gitignore", "# The st");
    folder.prepare().unwrap();
    let ignore = fs::read_to_string(folder.path(".ala-promote/.gitignore")).unwrap();
    assert!(ignore.ends_with("\n*\n"), "{ignore}");

    let folder = Folder::usual();
    fs::create_dir(folder.path(".ala-promote")).unwrap();
    folder.prepare().unwrap();
}

#[test]
fn many_at_once_agree_on_one_key() {
    for _ in 0..20 {
        let folder = Folder::usual();
        let settings = folder.settings();
        let prints: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| prepare_state_dir(&settings))).collect();
            all.into_iter().map(|one| print(&one.join().unwrap().unwrap())).collect()
        });
        assert!(prints.iter().all(|p| *p == prints[0]), "{prints:?}");
    }
}

#[test]
fn a_folder_that_is_used_otherwise_is_left_alone() {
    let folder = Folder::usual().config("state_dir = \"src\"");
    folder.write("src/main.rs", "");
    fs::set_permissions(folder.path("src"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(
        folder.prepare_refusal(),
        "/app/src (the state folder) holds files that are not ala-promote's: main.rs | set `state_dir` in \
         ala-promote.toml to a folder of its own"
            .replace("/app/", "")
    );
    assert_eq!(folder.mode("src"), 0o755);
    assert!(!folder.path("src/.gitignore").exists());
}

#[test]
fn what_stands_in_its_place_is_named() {
    let folder = Folder::with(&["compose.yaml", ".ala-promote"]);
    assert_eq!(
        folder.prepare_refusal(),
        ".ala-promote (the state folder) is not a folder | move it away, or set `state_dir` in ala-promote.toml"
    );
    let folder = Folder::usual();
    symlink("gone", folder.path(".ala-promote")).unwrap();
    assert_eq!(
        folder.prepare_refusal(),
        ".ala-promote (the state folder) is a symbolic link that leads nowhere"
    );
    fs::remove_file(folder.path(".ala-promote")).unwrap();
    symlink(".ala-promote", folder.path(".ala-promote")).unwrap();
    assert_eq!(folder.prepare_refusal(), ".ala-promote (the state folder) can't be made");
}

#[test]
fn a_damaged_key_is_refused_and_kept() {
    for text in ["", "short", &"x".repeat(33), &"x".repeat(100_000)] {
        let folder = Folder::usual();
        folder.prepare().unwrap();
        folder.write(".ala-promote/fingerprint.key", text);
        let refusal = folder.prepare_refusal();
        assert!(
            refusal.starts_with(".ala-promote/fingerprint.key is damaged: it must have 32 bytes"),
            "{refusal}"
        );
        assert_eq!(fs::read_to_string(folder.path(".ala-promote/fingerprint.key")).unwrap(), text);
    }
}

#[test]
fn another_users_folder_is_refused() {
    let folder = Folder::usual();
    folder.prepare().unwrap();
    let me = fs::metadata(&folder.dir).unwrap().uid();
    if me != 0 {
        eprintln!("SKIPPED: only root can give a folder away");
        return;
    }
    std::os::unix::fs::chown(folder.path(".ala-promote"), Some(1234), None).unwrap();
    assert_eq!(
        folder.prepare_refusal(),
        ".ala-promote (the state folder) belongs to user 1234, and this runs as user 0 | run it as user 1234, or give \
         the folder to user 0: chown -R 0 .ala-promote"
    );
}

/// A file system of its own over a folder; gone with this value.
struct Mount(PathBuf);

impl Mount {
    fn run(program: &str, arguments: &[&str], dir: &Path) -> bool {
        let mut command = std::process::Command::new(program);
        command.args(arguments).arg(dir).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn over(dir: PathBuf) -> Option<Self> {
        Self::run("mount", &["-t", "tmpfs", "tmpfs"], &dir).then_some(Self(dir))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        Self::run("umount", &[], &self.0);
    }
}

#[test]
fn a_read_only_disk_is_named() {
    let folder = Folder::usual();
    fs::create_dir(folder.path("disk")).unwrap();
    let Some(mount) = Mount::over(folder.path("disk")) else {
        eprintln!("SKIPPED: mounting is not allowed here");
        return;
    };
    let state = |name: &str| {
        folder.write(CONFIG_FILE, format!("state_dir = \"disk/{name}\""));
        folder.prepare()
    };
    state("old").unwrap();
    assert!(Mount::run("mount", &["-o", "remount,ro"], &mount.0));
    for (name, problem) in [("new", "can't be made"), ("old", "can't be written")] {
        let error = state(name).unwrap_err();
        assert_eq!(
            folder.shown(&error),
            format!(
                "disk/{name} (the state folder) {problem} | the disk is read-only: set `state_dir` in ala-promote.toml to \
                 a folder that can be written"
            )
        );
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            "Read-only file system (os error 30)"
        );
    }
}
