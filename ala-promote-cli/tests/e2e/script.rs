//! Calls the binaries as users do, and looks at the engine independently.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use ala_promote_demo::{Environment, Sample};

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
    let mut command = Command::new(binary(line[0]));
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

/// Makes health checks short, for tests that are about something else.
pub(crate) fn hurry(sample: &Sample) {
    let config = "[health]\ntimeout = \"60s\"\nwindow = \"1s\"\n";
    std::fs::write(sample.deployment().join("ala-promote.toml"), config).expect("the config is written");
}
