use std::process::Command;
use std::sync::{Arc, Mutex};

use super::*;

/// A bare repository and a clone of it, on branch `main` with one commit.
struct Trees {
    folder: tempfile::TempDir,
}

impl Trees {
    fn new() -> Self {
        let trees = Self { folder: tempfile::tempdir().unwrap() };
        trees.git("", &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        trees.git("", &["clone", "-q", "origin.git", "here"]);
        trees.git("", &["clone", "-q", "origin.git", "there"]);
        trees.git("there", &["checkout", "-q", "-b", "main"]);
        trees.commit("there", "file", "one");
        trees.git("there", &["push", "-q", "-u", "origin", "main"]);
        trees.git("here", &["pull", "-q", "origin", "main"]);
        trees.git("here", &["branch", "-q", "--set-upstream-to", "origin/main"]);
        trees
    }

    fn environment(&self) -> BTreeMap<String, String> {
        [
            ("PATH", std::env::var("PATH").unwrap().as_str()),
            ("HOME", &self.folder.path().display().to_string()),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.com"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.com"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, dir: &str, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(args).current_dir(self.path(dir)).env_clear().envs(self.environment());
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, dir: &str, file: &str, text: &str) {
        std::fs::write(self.path(dir).join(file), text).unwrap();
        self.git(dir, &["add", file]);
        self.git(dir, &["commit", "-q", "-m", text]);
    }

    fn source(&self) -> Git {
        Git::new(&self.environment())
    }

    fn head(&self, dir: &str) -> String {
        self.git(dir, &["rev-parse", "HEAD"])
    }
}

#[tokio::test]
async fn state_is_what_git_says() {
    let trees = Trees::new();
    let (git, here) = (trees.source(), trees.path("here"));
    let state = git.state(&here).await.unwrap().unwrap();
    assert_eq!(state.commit, trees.head("here"));
    assert_eq!(state.tree, trees.git("here", &["rev-parse", "HEAD^{tree}"]));
    assert_eq!(state.branch.as_deref(), Some("main"));
    assert!(!state.dirty);

    std::fs::write(here.join("untracked"), "x").unwrap();
    assert!(!git.state(&here).await.unwrap().unwrap().dirty, "only tracked files count");
    std::fs::write(here.join("file"), "changed").unwrap();
    assert!(git.state(&here).await.unwrap().unwrap().dirty);

    trees.git("here", &["checkout", "-q", "--detach"]);
    assert_eq!(git.state(&here).await.unwrap().unwrap().branch, None);
}

#[tokio::test]
async fn no_tree_is_no_error() {
    let trees = Trees::new();
    let git = trees.source();
    std::fs::create_dir(trees.path("plain")).unwrap();
    assert_eq!(git.state(&trees.path("plain")).await.unwrap(), None);
    trees.git("", &["init", "-q", "empty"]);
    assert_eq!(git.state(&trees.path("empty")).await.unwrap(), None);
    let fetched = git.fetch(&trees.path("plain"), &Call::silent()).await.unwrap();
    assert!(matches!(fetched, Fetched::Skipped { .. }), "{fetched:?}");
}

#[tokio::test]
async fn a_tree_without_git_is_unavailable() {
    let trees = Trees::new();
    let git = Git::new(&BTreeMap::from([("PATH".to_owned(), "/nonexistent".to_owned())]));
    let error = git.state(&trees.path("here")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.hint().unwrap().contains("install"));
    std::fs::create_dir(trees.path("plain")).unwrap();
    assert_eq!(git.state(&trees.path("plain")).await.unwrap(), None);
}

#[tokio::test]
async fn a_tree_of_somebody_else_names_the_mend() {
    let trees = Trees::new();
    let mut environment = trees.environment();
    environment.insert("GIT_TEST_ASSUME_DIFFERENT_OWNER".into(), "1".into());
    let error = Git::new(&environment).state(&trees.path("here")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    let hint = error.hint().unwrap().to_owned();
    assert!(hint.contains("safe.directory") && hint.contains("/here'"), "{hint}");
}

#[tokio::test]
async fn fetch_goes_forward() {
    let trees = Trees::new();
    let (git, here) = (trees.source(), trees.path("here"));
    let from = trees.head("here");
    let same = git.fetch(&here, &Call::silent()).await.unwrap();
    assert_eq!(same, Fetched::Updated { from: from.clone(), to: from.clone() });

    trees.commit("there", "file", "two");
    trees.git("there", &["push", "-q"]);
    // A change that is not in the way is kept.
    std::fs::write(here.join("untracked"), "x").unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let call = Call::new(CancelToken::new(), move |line: &str| seen.lock().unwrap().push(line.to_owned()));
    let moved = git.fetch(&here, &call).await.unwrap();
    assert_eq!(moved, Fetched::Updated { from, to: trees.head("there") });
    assert_eq!(std::fs::read_to_string(here.join("file")).unwrap(), "two");
    assert!(!lines.lock().unwrap().is_empty());
}

#[tokio::test]
async fn fetch_skips_where_there_is_nothing_to_fetch_from() {
    let trees = Trees::new();
    let (git, here) = (trees.source(), trees.path("here"));
    trees.git("here", &["checkout", "-q", "-b", "local"]);
    let Fetched::Skipped { reason } = git.fetch(&here, &Call::silent()).await.unwrap() else { panic!() };
    assert!(reason.contains("local has no upstream"), "{reason}");
    trees.git("here", &["checkout", "-q", "--detach"]);
    let Fetched::Skipped { reason } = git.fetch(&here, &Call::silent()).await.unwrap() else { panic!() };
    assert!(reason.contains("detached"), "{reason}");
}

#[tokio::test]
async fn fetch_changes_nothing_when_it_can_t_go_forward() {
    let trees = Trees::new();
    let (git, here) = (trees.source(), trees.path("here"));
    trees.commit("there", "file", "two");
    trees.git("there", &["push", "-q"]);

    // A change in the way; the user's own settings must not stash it.
    trees.git("here", &["config", "merge.autoStash", "true"]);
    std::fs::write(here.join("file"), "mine").unwrap();
    let before = trees.head("here");
    let error = git.fetch(&here, &Call::silent()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Failed);
    assert!(error.hint().unwrap().contains("stash"), "{error}");
    assert_eq!(trees.head("here"), before);
    assert_eq!(std::fs::read_to_string(here.join("file")).unwrap(), "mine");

    // Both moved.
    trees.git("here", &["checkout", "-q", "file"]);
    trees.commit("here", "other", "mine");
    let before = trees.head("here");
    let error = git.fetch(&here, &Call::silent()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Failed);
    assert!(error.hint().unwrap().contains("rebase or merge"), "{error}");
    assert_eq!(trees.head("here"), before);
    assert!(!here.join(".git/MERGE_HEAD").exists());
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_unavailable_and_asks_nothing() {
    let trees = Trees::new();
    trees.git("here", &["remote", "set-url", "origin", "https://me:hunter2@127.0.0.1:1/x.git"]);
    let error = trees.source().fetch(&trees.path("here"), &Call::silent()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.hint().unwrap().contains("--no-pull"));
    assert!(!format!("{error:?}").contains("hunter2"), "{error}");
}

#[tokio::test]
async fn variables_of_a_hook_point_nowhere_else() {
    let trees = Trees::new();
    let mut environment = trees.environment();
    environment.insert("GIT_DIR".into(), trees.path("origin.git").display().to_string());
    let state = Git::new(&environment).state(&trees.path("here")).await.unwrap().unwrap();
    assert_eq!(state.branch.as_deref(), Some("main"));
}

#[tokio::test]
async fn a_fetch_that_hangs_is_stopped_with_all_its_children() {
    let trees = Trees::new();
    let note = trees.path("pid");
    let script = trees.path("slow-ssh");
    std::fs::write(&script, format!("#!/bin/sh\necho $$ >'{}'\nexec sleep 60\n", note.display())).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    trees.git("here", &["remote", "set-url", "origin", "ssh://example.com/x.git"]);
    // The user's own ssh is kept.
    trees.git("here", &["config", "core.sshCommand", script.to_str().unwrap()]);
    let cancel = CancelToken::new();
    let (git, call, here) = (trees.source(), Call::new(cancel.clone(), |_| {}), trees.path("here"));
    let stopper = async {
        while std::fs::read_to_string(&note).unwrap_or_default().trim().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cancel.cancel();
    };
    let (ended, ()) = futures_util::join!(git.fetch(&here, &call), stopper);
    assert_eq!(ended.unwrap_err().kind(), BackendErrorKind::Cancelled);
    let pid = std::fs::read_to_string(&note).unwrap();
    // A process that was killed takes a moment to be gone.
    for _ in 0..100 {
        if !Path::new("/proc").join(pid.trim()).join("exe").exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("its child still runs");
}

#[test]
fn addresses_lose_their_logins() {
    assert_eq!(
        without_login("fatal: unable to access 'https://me:token@example.com/x@y.git/': no"),
        "fatal: unable to access 'https://example.com/x@y.git/': no"
    );
    assert_eq!(without_login("see ssh://git@example.com and more"), "see ssh://example.com and more");
    assert_eq!(without_login("plain a@b"), "plain a@b");
    assert_eq!(said(&["at https://me:token@example.com".to_owned()]), "at https://example.com");
}
