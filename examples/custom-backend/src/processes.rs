//! Processes of services. They are found by a mark in their environment: what is written down may be wrong after a
//! kill, the mark never is.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::file::Config;
use crate::host::failed;

/// Set in the environment of each process, to the container it is of.
const MARK: &str = "CUSTOM_BACKEND_CONTAINER";
/// How long a process may take to end by itself, in tenths of a second.
const GRACE: u32 = 20;

/// Starts a service's process in its release. It outlives us, and belongs to no terminal.
pub(crate) fn start(container: &str, config: &Config, release: &Path, log: &Path) -> BackendResult<()> {
    let what = format!("start {}", config.command.join(" "));
    let Some((program, arguments)) = config.command.split_first() else {
        return Err(BackendError::new(BackendErrorKind::Invalid, what, "its command is empty"));
    };
    let out = File::create(log).map_err(|error| failed(&what, log, error))?;
    let err = out.try_clone().map_err(|error| failed(&what, log, error))?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(release).process_group(0);
    command.envs(&config.environment).env(MARK, container);
    command.envs(config.port.map(|port| ("PORT", port.to_string())));
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let mut child = command.spawn().map_err(|error| failed(&what, release, error))?;
    // Whoever started it must hear of its end, else it stays in the list of processes.
    std::thread::spawn(move || child.wait());
    Ok(())
}

/// The processes of a container; the youngest has the highest number on most days.
pub(crate) fn of(container: &str) -> Vec<Pid> {
    let mark = format!("{MARK}={container}");
    let is_marked = |pid: &Pid| {
        // One that has ended has no environment any more.
        let environment =
            std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?));
    let mut found: Vec<Pid> = pids.filter(is_marked).collect();
    found.sort_by_key(|pid| pid.as_raw_nonzero());
    found
}

/// Ensures that no process of a container is at work.
pub(crate) async fn stop(container: &str) -> BackendResult<()> {
    for tenths in 0..=2 * GRACE {
        let left = of(container);
        if left.is_empty() {
            return Ok(());
        }
        if tenths % GRACE == 0 {
            let signal = if tenths == 0 { Signal::TERM } else { Signal::KILL };
            // Each began a group of its own; one that is gone already needs no signal.
            for pid in left {
                let _ = kill_process_group(pid, signal);
            }
        }
        tokio::time::sleep(Duration::from_millis(if tenths == 0 { 10 } else { 100 })).await;
    }
    let detail = "it is at work after it was killed";
    Err(BackendError::new(BackendErrorKind::TimedOut, format!("stop {container}"), detail))
}
