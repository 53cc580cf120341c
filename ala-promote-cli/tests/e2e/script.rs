//! Calls the binaries as users do, and looks at the engine independently.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ala_promote_demo::{Environment, Sample};

use crate::engines::heeding_signals;

/// What a call came to.
pub(crate) struct Called {
    pub(crate) code: Option<i32>,
    /// Standard output, then standard error.
    pub(crate) text: String,
}

impl Called {
    /// Checks the exit code, and that every line is there.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, lines: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for line in lines {
            assert!(self.text.contains(line), "`{line}` is missing from:\n{}", self.text);
        }
    }
}

pub(crate) fn binary(name: &str) -> &'static str {
    match name {
        "ala-promote" => env!("CARGO_BIN_EXE_ala-promote"),
        "deploy-staging" => env!("CARGO_BIN_EXE_deploy-staging"),
        "promote-to-production" => env!("CARGO_BIN_EXE_promote-to-production"),
        "deploy" => env!("CARGO_BIN_EXE_deploy"),
        "rollback" => env!("CARGO_BIN_EXE_rollback"),
        other => panic!("no binary {other}"),
    }
}

/// A call in the deployment folder, ready to be changed or spawned.
pub(crate) fn command(sample: &Sample, line: &[&str]) -> Command {
    let mut command = heeding_signals(binary(line[0]));
    command.env_clear().envs(&sample.engine().variables);
    command.args(&line[1..]).current_dir(sample.deployment());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Calls a binary with an empty standard input.
pub(crate) fn call(sample: &Sample, line: &[&str]) -> Called {
    answer(sample, line, "")
}

/// Calls a binary, and types an answer.
pub(crate) fn answer(sample: &Sample, line: &[&str], typed: &str) -> Called {
    let mut child = command(sample, line).stdin(Stdio::piped()).spawn().expect("the binary starts");
    // It may have refused before it reads.
    let _ = child.stdin.take().expect("piped").write_all(typed.as_bytes());
    called(&child.wait_with_output().expect("the binary ends"))
}

pub(crate) fn called(output: &Output) -> Called {
    let text =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    Called { code: output.status.code(), text }
}

/// What runs of an environment, as the engine tells it: service → (container id, image id).
pub(crate) fn running(sample: &Sample, environment: Environment) -> BTreeMap<String, (String, String)> {
    let filter = format!("label=com.docker.compose.project={}", sample.project(environment));
    let docker = |arguments: &[&str]| sample.engine().docker(arguments).expect("docker answers");
    let ids = docker(&["ps", "-q", "--no-trunc", "--filter", &filter]);
    let service = "{{index .Config.Labels \"com.docker.compose.service\"}}";
    let inspect = |id: &str| {
        let line = docker(&["inspect", "--format", &format!("{service} {{{{.Id}}}} {{{{.Image}}}}"), id]);
        let mut fields = line.split(' ').map(ToOwned::to_owned);
        let mut next = || fields.next().expect("three fields");
        (next(), (next(), next()))
    };
    ids.split_whitespace().map(inspect).collect()
}

/// The image ids by service.
pub(crate) fn images(sample: &Sample, environment: Environment) -> BTreeMap<String, String> {
    running(sample, environment).into_iter().map(|(service, (_, image))| (service, image)).collect()
}

/// What the environment's API answers at this path; `None` when it does not answer with success.
pub(crate) fn get(sample: &Sample, environment: Environment, path: &str) -> Option<String> {
    let url = format!("{}/{path}", sample.api(environment));
    let output = Command::new("curl").args(["-sf", "--max-time", "5", &url]).output().expect("curl runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes the watch over what is healthy short, for tests that are about something else. The first start of a database
/// on a machine at work may take long.
pub(crate) fn hurry(sample: &Sample) {
    let config = "[health]\ntimeout = \"180s\"\nwindow = \"1s\"\n";
    std::fs::write(sample.deployment().join("ala-promote.toml"), config).expect("the config is written");
}

/// Gives the frontend a health URL that never answers well, and this long to do so.
pub(crate) fn never_healthy(sample: &Sample, timeout: &str) {
    let config = format!(
        "[health]\ntimeout = \"{timeout}\"\nwindow = \"1s\"\n\n[services.frontend]\nhealth_path = \"/nothing\"\n"
    );
    std::fs::write(sample.deployment().join("ala-promote.toml"), config).expect("the config is written");
}

/// Starts a call, and lets it run until the record is written that starts the step whose action has this mark.
pub(crate) fn started_until(sample: &Sample, line: &[&str], marker: &str) -> Child {
    let ledger = sample.deployment().join(".ala-promote/ledger/000001.jsonl");
    let records = || std::fs::read_to_string(&ledger).unwrap_or_default();
    let before = records().len();
    let mut child = command(sample, line).spawn().expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_started = || step_is_started(records().get(before..).unwrap_or_default(), marker);
    while !is_started() {
        if Instant::now() > deadline {
            child.kill().expect("it is killed");
            child.wait().expect("it is gone");
            panic!("the step {marker} of {line:?} never started: {}", records());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// Whether the new records start the step that does this.
fn step_is_started(records: &str, marker: &str) -> bool {
    let Some(plan) = records.lines().find(|line| line.contains("operation-started")) else { return false };
    let Some(action) = plan.find(marker) else { return false };
    // The step's id is the last one before its action.
    let Some(at) = plan[..action].rfind("\"step-") else { return false };
    let id: String = plan[at + 1..].chars().take_while(|c| *c != '"').collect();
    let started = format!("\"record\":\"step-started\",\"step\":\"{id}\"");
    records.lines().any(|line| line.contains(&started))
}

/// Ctrl-C, once.
pub(crate) fn interrupt(child: Child) -> Called {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
    called(&child.wait_with_output().expect("it ends"))
}

/// `docker-compose` or `docker compose`, whichever this engine is used with, in the deployment folder.
pub(crate) fn compose(sample: &Sample, arguments: &[&str]) {
    let engine = sample.engine();
    let is_standalone =
        engine.command("docker-compose").arg("version").output().is_ok_and(|o| o.status.success());
    let tool: &[&str] = if is_standalone { &["docker-compose"] } else { &["docker", "compose"] };
    let mut command = engine.command(tool[0]);
    command.args(&tool[1..]).args(arguments).current_dir(sample.deployment());
    let output = command.output().expect("compose runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
