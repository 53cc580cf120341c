//! Two users of one group who share a checkout: the state folder has one owner, and the record says who called.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::stack::{Stack, on_two_engines, spawn};
use super::tests::{PROMOTE, tested};

/// A user who is not the one that tests run as.
const MEMBER: &str = "65534";

#[test]
fn users_of_one_group() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI may skip nothing");
        return eprintln!("SKIPPED: other users need root");
    }
    on_two_engines(0, |stack| {
        let (code, text) = stack.run("deploy");
        assert_eq!(code, 0, "{text}");
        tested(stack, "2");
        let (image, records) = (stack.image(), stack.records());
        for line in [PROMOTE, "deploy-staging", "ala-promote recover"] {
            let (code, text) = as_member(stack, line);
            assert_eq!(code, 1, "{line}: {text}");
            assert!(text.contains("run it as") && text.contains("Nothing was changed"), "{line}: {text}");
        }
        assert_eq!((stack.image(), stack.records()), (image, records));
        // By sudo, as one user.
        let mut command = stack.command(PROMOTE);
        let (code, text) = spawn(command.env("SUDO_USER", "ann").stdin(Stdio::null())).end();
        assert_eq!(code, 0, "{text}");
        let (_, history) = stack.run("ala-promote history");
        assert!(history.contains("ann"), "{history}");
    });
}

/// Runs a command line as another user, who may write the folder and use the engine.
fn as_member(stack: &Stack<'_>, line: &str) -> (i32, String) {
    let (program, arguments) = line.split_once(' ').unwrap_or((line, ""));
    // The program may lie where that user can't go.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(program);
    fs::copy(assert_cmd::cargo::cargo_bin(program), &copy).unwrap();
    for path in [folder.path(), &stack.dir(), stack.dir().parent().unwrap()] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let ours = stack.command(line);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", MEMBER, "--regid", MEMBER, "--groups", &group_of_the_engine(&ours)]);
    command.arg(&copy).args(arguments.split_whitespace()).env_clear().current_dir(stack.dir());
    command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    spawn(command.env("HOME", folder.path()).stdin(Stdio::null())).end()
}

fn group_of_the_engine(command: &Command) -> String {
    let host = command.get_envs().find(|(name, _)| *name == "DOCKER_HOST").and_then(|(_, value)| value);
    let host = host.map_or_else(|| "unix:///var/run/docker.sock".into(), |value| value.to_string_lossy());
    let socket = Path::new(host.strip_prefix("unix://").unwrap());
    fs::metadata(socket).unwrap().gid().to_string()
}
