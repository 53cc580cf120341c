//! Child processes: Compose and Git.
//!
//! A child must outlive a kill of ours without harm and never be a second mutator that nobody knows of. So each has a
//! process group of its own (Ctrl-C does not hit it first), writes to files and not to pipes (Compose dies half-way
//! when its pipe breaks), and holds the lock file of the operation open as its standard input for as long as it lives.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, CancelToken};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How often a running child's output is looked at, and a request to stop heard.
const TICK: Duration = Duration::from_millis(50);
/// How long a child may take to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
/// How long a child may take to be gone after SIGKILL.
const KILLED: Duration = Duration::from_secs(5);
/// The most that is taken of a child's standard output, in bytes.
const MAX_STDOUT_BYTES: u64 = 32 << 20;
/// How many of a child's last lines are kept.
const MAX_LINES: usize = 400;
/// The longest line that is passed on, in bytes.
const MAX_LINE_BYTES: usize = 4096;
/// Where programs are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The lock file of the operation in hand, as far as one is held. Cloning gives another handle to the same slot.
#[derive(Debug, Clone, Default)]
pub(crate) struct LockSlot(Arc<Mutex<Option<File>>>);

impl LockSlot {
    /// From now on children hold this file open. It must be empty: a child that reads its input sees the end of it.
    pub(crate) fn set(&self, file: File) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// From now on children hold no lock.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn stdin(&self) -> std::io::Result<Stdio> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(file) => Ok(file.try_clone()?.into()),
            None => Ok(Stdio::null()),
        }
    }
}

/// Takes a child's lines.
pub(crate) type LineSink<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// One child process to be run.
pub(crate) struct Process<'a> {
    /// What it is for, in errors: `build with docker compose`.
    pub(crate) what: String,
    /// The program, as [`find_program`] gave it.
    pub(crate) program: &'a Path,
    /// Its arguments. No secrets: every user of the host can read them.
    pub(crate) args: Vec<OsString>,
    /// Its working directory.
    pub(crate) dir: &'a Path,
    /// Its whole environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// How long it may take.
    pub(crate) limit: Duration,
    /// Stops it; `None` for what must not be stopped half-way.
    pub(crate) cancel: Option<&'a CancelToken>,
    /// Takes the lines of both outputs while it runs; `None` where standard output is a result.
    pub(crate) lines: Option<LineSink<'a>>,
    /// What the child writes its standard output to; `None`: a file of ours without a name.
    pub(crate) into: Option<&'a File>,
}

/// What becomes of processes that a child leaves in its group when it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    GoesOn,
    IsEnded,
}

/// What a child that ended by itself left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// Standard output; empty where its lines were passed on, or it went elsewhere.
    pub(crate) stdout: Vec<u8>,
    /// The last lines of standard error, and of standard output where its lines were passed on.
    pub(crate) last_lines: Vec<String>,
}

impl Process<'_> {
    /// Runs the child to its end. Dropping the future leaves it running, as a kill of this process would.
    ///
    /// # Errors
    /// `Unavailable` when it can't be started, `TimedOut` or `Cancelled` when it was stopped; its exit status is no
    /// error here.
    pub(crate) async fn run(self, lock: &LockSlot) -> BackendResult<Finished> {
        self.run_and(lock, Rest::GoesOn).await
    }

    /// The same, but what the child left of its process group is ended too, however the child ended.
    pub(crate) async fn run_alone(self, lock: &LockSlot) -> BackendResult<Finished> {
        self.run_and(lock, Rest::IsEnded).await
    }

    async fn run_and(self, lock: &LockSlot, rest: Rest) -> BackendResult<Finished> {
        let (mut child, stdout, stderr) = self.spawn(lock).map_err(|error| {
            self.error(BackendErrorKind::Unavailable, format!("can't run {}", self.program.display()))
                .with_source(error)
        })?;
        // The group's id is that of its first process.
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut output = Output::new(stdout, stderr, self.lines);
        output.is_elsewhere = self.into.is_some();
        let ended = self.wait(&mut child, &mut output).await;
        if ended.is_err() {
            stop(&mut child, group).await;
        } else if rest == Rest::IsEnded {
            end_rest(group).await;
        }
        output.poll(true);
        let status = ended?;
        let stdout = output.take_stdout().map_err(|problem| self.error(BackendErrorKind::Failed, problem))?;
        Ok(Finished { status, stdout, last_lines: output.last_lines.into() })
    }

    fn spawn(&self, lock: &LockSlot) -> std::io::Result<(Child, File, File)> {
        // Files without a name: nothing is left behind however we or the child end.
        let folder = self.environment.get("TMPDIR").map_or("/tmp", String::as_str);
        let stdout = match self.into {
            Some(file) => file.try_clone()?,
            None => tempfile::tempfile_in(folder)?,
        };
        let stderr = tempfile::tempfile_in(folder)?;
        let child = Command::new(self.program)
            .args(&self.args)
            .current_dir(self.dir)
            .env_clear()
            .envs(self.environment)
            .stdin(lock.stdin()?)
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?)
            .process_group(0)
            .spawn()?;
        Ok((child, stdout, stderr))
    }

    async fn wait(&self, child: &mut Child, output: &mut Output<'_>) -> BackendResult<ExitStatus> {
        let deadline = Instant::now() + self.limit;
        loop {
            if let Ok(ended) = timeout(TICK, child.wait()).await {
                return ended.map_err(|error| {
                    self.error(BackendErrorKind::Failed, "its end can't be seen").with_source(error)
                });
            }
            output.poll(false);
            if self.cancel.is_some_and(CancelToken::is_cancelled) {
                return Err(self.error(BackendErrorKind::Cancelled, "stopped"));
            }
            if Instant::now() >= deadline {
                let detail = format!("not done after {} s; stopped", self.limit.as_secs());
                return Err(self.error(BackendErrorKind::TimedOut, detail));
            }
        }
    }

    fn error(&self, kind: BackendErrorKind, detail: impl Into<String>) -> BackendError {
        BackendError::new(kind, &self.what, detail)
    }
}

/// Asks the whole group to end, then ends it. Errors mean that it is gone already.
async fn stop(child: &mut Child, group: Option<Pid>) {
    let Some(group) = group else { return };
    let _ = kill_process_group(group, Signal::TERM);
    let _ = timeout(GRACE, child.wait()).await;
    // Also when the first process has ended: it may have left children.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = timeout(KILLED, child.wait()).await;
}

/// Ends what a child that has ended left of its group: nothing, as a rule.
async fn end_rest(group: Option<Pid>) {
    let Some(group) = group.filter(|group| test_kill_process_group(*group).is_ok()) else { return };
    let _ = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while test_kill_process_group(group).is_ok() && Instant::now() < deadline {
        sleep(TICK).await;
    }
    let _ = kill_process_group(group, Signal::KILL);
}

/// The two outputs of a child, followed while it runs.
struct Output<'a> {
    stdout: Tail,
    stderr: Tail,
    lines: Option<LineSink<'a>>,
    last_lines: VecDeque<String>,
    /// Whether standard output is not ours to read.
    is_elsewhere: bool,
}

impl<'a> Output<'a> {
    fn new(stdout: File, stderr: File, lines: Option<LineSink<'a>>) -> Self {
        let (stdout, stderr) = (Tail::new(stdout), Tail::new(stderr));
        Self { stdout, stderr, lines, last_lines: VecDeque::new(), is_elsewhere: false }
    }

    fn poll(&mut self, ended: bool) {
        let mut found = Vec::new();
        if self.lines.is_some() && !self.is_elsewhere {
            self.stdout.poll(ended, &mut found);
        }
        self.stderr.poll(ended, &mut found);
        for line in found {
            if let Some(sink) = self.lines {
                sink(&line);
            }
            if self.last_lines.len() == MAX_LINES {
                self.last_lines.pop_front();
            }
            self.last_lines.push_back(line);
        }
    }

    fn take_stdout(&self) -> Result<Vec<u8>, String> {
        if self.lines.is_some() || self.is_elsewhere {
            return Ok(Vec::new());
        }
        let file = &self.stdout.file;
        let size = file.metadata().map_err(|error| format!("its output can't be read: {error}"))?.len();
        if size > MAX_STDOUT_BYTES {
            return Err(format!("it printed {size} bytes, more than {MAX_STDOUT_BYTES}"));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact_at(&mut bytes, 0).map_err(|error| format!("its output can't be read: {error}"))?;
        Ok(bytes)
    }
}

/// Follows a file that a child writes to. It reads at positions: the child's own position is shared with this handle.
struct Tail {
    file: File,
    offset: u64,
    partial: Vec<u8>,
}

impl Tail {
    fn new(file: File) -> Self {
        Self { file, offset: 0, partial: Vec::new() }
    }

    fn poll(&mut self, ended: bool, lines: &mut Vec<String>) {
        let mut buffer = [0; 8192];
        // Lines are for people; a file that can't be read any more only ends them.
        while let Ok(count @ 1..) = self.file.read_at(&mut buffer, self.offset) {
            self.offset += count as u64;
            for &byte in buffer.iter().take(count) {
                if byte == b'\n' {
                    lines.extend(readable(&std::mem::take(&mut self.partial)));
                } else if self.partial.len() < MAX_LINE_BYTES {
                    self.partial.push(byte);
                }
            }
        }
        if ended {
            lines.extend(readable(&std::mem::take(&mut self.partial)));
        }
    }
}

/// A line as a person sees it on a terminal that does not move: the last of what overwrote itself, without colours.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\r');
    let shown = text.rsplit('\r').next().unwrap_or(text);
    let mut plain = String::with_capacity(shown.len());
    let mut chars = shown.chars();
    while let Some(c) = chars.next() {
        match c {
            // A control sequence ends with a letter.
            '\u{1b}' => while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            '\t' => plain.push(c),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    let plain = plain.trim_end();
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// Finds a program as a shell with this environment would; `None` where there is none.
pub(crate) fn find_program(environment: &BTreeMap<String, String>, name: &str) -> Option<PathBuf> {
    let usable = |path: &Path| {
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| usable(path));
    }
    let path = environment.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    path.split(':').filter(|folder| !folder.is_empty()).map(|f| Path::new(f).join(name)).find(|p| usable(p))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ala_promote_core::backend::CancelToken;

    use super::*;

    fn environment() -> BTreeMap<String, String> {
        BTreeMap::from([("PATH".into(), DEFAULT_PATH.into()), ("GREETING".into(), "hello".into())])
    }

    fn shell<'a>(script: &str, environment: &'a BTreeMap<String, String>) -> Process<'a> {
        Process {
            what: "run a shell".into(),
            program: Path::new("/bin/sh"),
            args: vec!["-c".into(), script.into()],
            dir: Path::new("/"),
            environment,
            limit: Duration::from_secs(20),
            cancel: None,
            lines: None,
            into: None,
        }
    }

    #[tokio::test]
    async fn has_the_given_environment_and_no_other() {
        let environment = environment();
        let done =
            shell("echo $GREETING; env | cut -d= -f1 | sort", &environment).run(&LockSlot::default()).await;
        let stdout = String::from_utf8(done.unwrap().stdout).unwrap();
        assert!(stdout.starts_with("hello\nGREETING\nPATH\n"), "{stdout}");
        assert!(!stdout.contains("CARGO"), "{stdout}");
    }

    #[tokio::test]
    async fn lines_of_both_outputs_come_while_it_runs() {
        let environment = environment();
        let seen = Mutex::new(Vec::new());
        let sink = |line: &str| seen.lock().unwrap().push((line.to_owned(), Instant::now()));
        let mut process =
            shell("echo one; sleep 1; printf 'x\\r\\033[31mtwo\\033[0m' >&2; exit 3", &environment);
        process.lines = Some(&sink);
        let done = process.run(&LockSlot::default()).await.unwrap();
        assert_eq!(done.status.code(), Some(3));
        assert_eq!(done.last_lines, ["one", "two"]);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert!(seen[1].1 - seen[0].1 > Duration::from_millis(500), "both came at the end");
    }

    #[tokio::test]
    async fn cancel_ends_the_whole_group() {
        let environment = environment();
        let cancel = CancelToken::new();
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("pids");
        // The first shell ends on SIGTERM; its child ignores it.
        let script = format!("(trap '' TERM; echo $$ >{0}; sleep 60; sleep 60) & wait", note.display());
        let mut process = shell(&script, &environment);
        process.cancel = Some(&cancel);
        let stop = cancel.clone();
        let watcher = async move {
            let written = || std::fs::read_to_string(&note).ok().filter(|text| text.ends_with('\n'));
            let pid = loop {
                match written() {
                    Some(pid) => break pid,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            };
            stop.cancel();
            pid
        };
        let lock = LockSlot::default();
        let (ended, pid) = futures_util::join!(process.run(&lock), watcher);
        assert_eq!(ended.unwrap_err().kind(), BackendErrorKind::Cancelled);
        // In a subshell `$$` is the first shell's pid, and so the group's id.
        let group = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        for _ in 0..100 {
            if rustix::process::test_kill_process_group(group).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("a process of the group is left");
    }

    #[tokio::test]
    async fn is_stopped_after_its_time() {
        let environment = environment();
        let mut process = shell("sleep 60", &environment);
        process.limit = Duration::from_millis(200);
        let error = process.run(&LockSlot::default()).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_dropped_run_leaves_the_child_with_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let ours = File::create(&path).unwrap();
        ours.try_lock().unwrap();
        let slot = LockSlot::default();
        slot.set(ours);
        let environment = environment();
        let done = folder.path().join("done");
        let script = format!("read x; sleep 1; : >{}", done.display());
        let run = shell(&script, &environment).run(&slot);
        assert!(timeout(Duration::from_millis(300), run).await.is_err());
        slot.clear();
        let other = File::open(&path).unwrap();
        assert!(other.try_lock().is_err(), "the child does not hold the lock");
        for _ in 0..200 {
            if other.try_lock().is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(done.exists(), "the child was stopped");
    }

    #[tokio::test]
    async fn a_program_that_can_t_be_run_is_unavailable() {
        let environment = environment();
        assert_eq!(find_program(&environment, "no-such-program"), None);
        assert_eq!(find_program(&environment, "/etc/passwd"), None);
        assert!(find_program(&environment, "sh").is_some());
        let process = Process { program: Path::new("/no/such"), ..shell("", &environment) };
        let error = process.run(&LockSlot::default()).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    }
}
