//! A source tree with an upstream.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A clone of a bare repository, and another one that somebody else works in.
#[derive(Debug)]
pub(super) struct Tree {
    here: PathBuf,
    there: PathBuf,
}

impl Tree {
    /// Makes a tree of a folder, with all that is in it.
    pub(super) fn of(here: &Path) -> Self {
        let upstream = here.with_extension("git");
        let tree = Self { here: here.to_owned(), there: here.with_extension("there") };
        git(here, &["init", "-q", "--bare", "-b", "main", &upstream.display().to_string()]);
        git(here, &["init", "-q", "-b", "main"]);
        git(here, &["remote", "add", "origin", &upstream.display().to_string()]);
        commit(here, "one", &[]);
        git(here, &["push", "-q", "-u", "origin", "main"]);
        git(here, &["clone", "-q", &upstream.display().to_string(), &tree.there.display().to_string()]);
        tree
    }

    /// Somebody else pushes a commit.
    pub(super) fn move_upstream(&self) {
        commit(&self.there, "two", &[]);
        git(&self.there, &["push", "-q", "origin", "main"]);
    }

    /// Somebody else pushes another history.
    pub(super) fn diverge(&self) {
        commit(&self.there, "another", &["--amend"]);
        git(&self.there, &["push", "-q", "--force", "origin", "main"]);
    }

    pub(super) fn detach(&self) {
        git(&self.here, &["checkout", "-q", "--detach"]);
    }
}

fn commit(dir: &Path, message: &str, how: &[&str]) {
    std::fs::write(dir.join("said"), message).unwrap();
    git(dir, &["add", "--all"]);
    git(dir, &[&["commit", "-q", "-m", message], how].concat());
}

fn git(dir: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.com"]).args(args).current_dir(dir);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
