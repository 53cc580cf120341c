//! The source tree, by Git's own command line: configuration, credentials and hooks are the user's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ala_promote_core::backend::{
    BackendError, BackendErrorKind, BackendResult, Call, CancelToken, Fetched, Source,
};
use ala_promote_core::domain::SourceState;
use async_trait::async_trait;

use crate::process::{Finished, LineSink, LockSlot, Process, find_program};

/// How long a look at the tree may take.
const LOOK_LIMIT: Duration = Duration::from_secs(60);
/// How long fetching, and then checking out, may take.
const FETCH_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Variables that would point Git at another tree; a hook that calls us sets them.
const POINTERS: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
];
/// How many of Git's lines an error shows.
const SHOWN_LINES: usize = 12;

/// Source trees under Git.
#[derive(Debug, Clone)]
pub struct Git {
    environment: BTreeMap<String, String>,
    lock: LockSlot,
}

/// What `git status` says of a tree.
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    commit: String,
    branch: Option<String>,
    upstream: Option<String>,
    dirty: bool,
}

impl Git {
    /// Git with exactly this environment, changed so that it never asks for anything.
    #[must_use]
    pub fn new(environment: &BTreeMap<String, String>) -> Self {
        Self::with_lock(environment, LockSlot::default())
    }

    /// The same, whose children hold the lock of the operation in hand.
    pub(crate) fn with_lock(environment: &BTreeMap<String, String>, lock: LockSlot) -> Self {
        let mut environment = environment.clone();
        environment.retain(|key, _| !POINTERS.contains(&key.as_str()) && key != "GIT_ASKPASS");
        for (key, value) in [
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            // Where ssh would ask on the terminal, it asks a program that says nothing.
            ("SSH_ASKPASS", "false"),
            ("SSH_ASKPASS_REQUIRE", "force"),
        ] {
            environment.insert(key.into(), value.into());
        }
        Self { environment, lock }
    }

    /// Runs Git in a folder; `None` where there is no Git and no tree either.
    async fn run(&self, dir: &Path, args: &[&str], how: How<'_>) -> BackendResult<Option<Finished>> {
        let Some(program) = find_program(&self.environment, "git") else {
            return match dir.ancestors().find(|folder| folder.join(".git").exists()) {
                None => Ok(None),
                Some(tree) => Err(BackendError::new(
                    BackendErrorKind::Unavailable,
                    "run git",
                    format!("it is not installed, but {} is a Git tree", tree.display()),
                )
                .with_hint("install the package git")),
            };
        };
        let mut environment = self.environment.clone();
        environment.extend(how.environment);
        let process = Process {
            what: format!("git {}", args.first().copied().unwrap_or_default()),
            program: &program,
            args: QUIET.iter().chain(args).map(Into::into).collect(),
            dir,
            environment: &environment,
            limit: how.limit,
            cancel: how.cancel,
            lines: how.lines,
            into: None,
        };
        process.run(&self.lock).await.map(Some)
    }

    /// What stands in a tree that has a commit; `None` for all else.
    async fn status(&self, dir: &Path) -> BackendResult<Option<Status>> {
        let args = ["--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"];
        let Some(done) = self.run(dir, &args, How::look()).await? else { return Ok(None) };
        if done.status.success() {
            return Ok(parse_status(&String::from_utf8_lossy(&done.stdout)));
        }
        let said = said(&done.last_lines);
        if said.contains("not a git repository") || said.contains("must be run in a work tree") {
            return Ok(None);
        }
        Err(self.unusable(dir, said))
    }

    async fn tree(&self, dir: &Path) -> BackendResult<String> {
        let args = ["rev-parse", "--verify", "HEAD^{tree}"];
        match self.run(dir, &args, How::look()).await? {
            Some(done) if done.status.success() => {
                Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
            }
            Some(done) => Err(self.unusable(dir, said(&done.last_lines))),
            None => Err(self.unusable(dir, "git is gone".into())),
        }
    }

    fn unusable(&self, dir: &Path, said: String) -> BackendError {
        let dubious = said.contains("dubious ownership");
        let tree =
            said.split_once("repository at '").and_then(|(_, rest)| rest.split_once('\'')).map(|(p, _)| p);
        let tree = tree.map_or_else(|| dir.to_owned(), PathBuf::from);
        let error = BackendError::new(
            BackendErrorKind::Unavailable,
            format!("look at the Git tree of {}", dir.display()),
            said,
        );
        if dubious {
            error.with_hint(format!(
                "run this as the owner of the tree, or: git config --global --add safe.directory '{}'",
                tree.display()
            ))
        } else {
            error
        }
    }

    /// ssh in its batch mode, unless the user has set another ssh.
    async fn ssh(&self, dir: &Path) -> BackendResult<BTreeMap<String, String>> {
        if self.environment.contains_key("GIT_SSH_COMMAND") || self.environment.contains_key("GIT_SSH") {
            return Ok(BTreeMap::new());
        }
        let configured = self.run(dir, &["config", "--get", "core.sshCommand"], How::look()).await?;
        if configured.is_some_and(|done| done.status.success()) {
            return Ok(BTreeMap::new());
        }
        Ok(BTreeMap::from([("GIT_SSH_COMMAND".into(), "ssh -o BatchMode=yes".into())]))
    }

    async fn fetch_upstream(&self, dir: &Path, call: &Call) -> BackendResult<()> {
        let sink = |line: &str| call.line(&without_login(line));
        let how = How {
            limit: FETCH_LIMIT,
            cancel: Some(&call.cancel),
            lines: Some(&sink),
            environment: self.ssh(dir).await?,
        };
        let done = self.run(dir, &["fetch"], how).await?;
        match done {
            Some(done) if !done.status.success() => Err(BackendError::new(
                BackendErrorKind::Unavailable,
                "fetch from the upstream of the current branch",
                said(&done.last_lines),
            )
            .with_hint("try `git fetch` by hand; --no-pull goes on with what is checked out")),
            _ => Ok(()),
        }
    }

    /// Not to be stopped half-way: that would leave a tree that is neither the one nor the other.
    async fn forward(&self, dir: &Path, upstream: &str, call: &Call) -> BackendResult<()> {
        let sink = |line: &str| call.line(&without_login(line));
        let how = How { limit: FETCH_LIMIT, cancel: None, lines: Some(&sink), environment: BTreeMap::new() };
        let done = self.run(dir, &["merge", "--ff-only", "--no-autostash", "@{upstream}"], how).await?;
        let Some(done) = done.filter(|done| !done.status.success()) else { return Ok(()) };
        let said = said(&done.last_lines);
        let hint = if said.contains("Not possible to fast-forward") {
            format!("the branch and {upstream} have both moved: rebase or merge by hand, then try again")
        } else if said.contains("would be overwritten") {
            "commit, stash or discard the changes to these files, then try again".to_owned()
        } else {
            format!(
                "try `git merge --ff-only {upstream}` by hand; --no-pull goes on with what is checked out"
            )
        };
        let what = format!("bring the branch up to {upstream}");
        Err(BackendError::new(BackendErrorKind::Failed, what, said).with_hint(hint))
    }
}

/// Settings for each call: a clean-up in the background would outlive it, and hold the operation's lock.
const QUIET: &[&str] = &["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "advice.diverging=false"];

/// How a call of Git is run.
struct How<'a> {
    limit: Duration,
    cancel: Option<&'a CancelToken>,
    lines: Option<LineSink<'a>>,
    environment: BTreeMap<String, String>,
}

impl How<'_> {
    fn look() -> Self {
        Self { limit: LOOK_LIMIT, cancel: None, lines: None, environment: BTreeMap::new() }
    }
}

#[async_trait]
impl Source for Git {
    async fn state(&self, dir: &Path) -> BackendResult<Option<SourceState>> {
        let Some(Status { commit, branch, dirty, .. }) = self.status(dir).await? else { return Ok(None) };
        Ok(Some(SourceState { commit, tree: self.tree(dir).await?, branch, dirty }))
    }

    async fn fetch(&self, dir: &Path, call: &Call) -> BackendResult<Fetched> {
        let skipped = |reason: String| Ok(Fetched::Skipped { reason });
        let Some(before) = self.status(dir).await? else {
            return skipped(format!("{} is in no Git tree with a commit", dir.display()));
        };
        let Some(branch) = before.branch else {
            return skipped("no branch is checked out (detached head)".into());
        };
        let Some(upstream) = before.upstream else {
            return skipped(format!("branch {branch} has no upstream"));
        };
        self.fetch_upstream(dir, call).await?;
        self.forward(dir, &upstream, call).await?;
        let after = self.status(dir).await?.unwrap_or_default();
        Ok(Fetched::Updated { from: before.commit, to: after.commit })
    }
}

fn parse_status(text: &str) -> Option<Status> {
    let mut status = Status::default();
    for line in text.lines() {
        let Some(header) = line.strip_prefix("# ") else {
            status.dirty = true;
            continue;
        };
        match header.split_once(' ') {
            Some(("branch.oid", commit)) => status.commit = commit.to_owned(),
            Some(("branch.head", name)) => status.branch = Some(name.to_owned()),
            Some(("branch.upstream", name)) => status.upstream = Some(name.to_owned()),
            _ => {}
        }
    }
    status.branch = status.branch.filter(|name| name != "(detached)");
    (!status.commit.is_empty() && status.commit != "(initial)").then_some(status)
}

fn said(lines: &[String]) -> String {
    let from = lines.len().saturating_sub(SHOWN_LINES);
    let shown: Vec<_> = lines.iter().skip(from).map(|line| without_login(line)).collect();
    if shown.is_empty() { "git failed and said nothing".into() } else { shown.join("\n") }
}

/// A line without the user and password of addresses in it.
fn without_login(line: &str) -> String {
    let mut parts = line.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', ' ', '\'', '"']).unwrap_or(part.len());
        let (host, rest) = part.split_at(end);
        clean.push_str("://");
        clean.push_str(host.rsplit('@').next().unwrap_or(host));
        clean.push_str(rest);
    }
    clean
}

#[cfg(test)]
mod tests;
