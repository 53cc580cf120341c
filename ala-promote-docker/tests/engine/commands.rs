//! What a command of the team's own writes is a backup.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ala_promote_core::backend::{Backend, BackendErrorKind, BackendResult, Call, CancelToken};
use ala_promote_core::domain::{BackedUp, BackupCommand, BackupManifest, DatabaseTarget, OperationId};
use ala_promote_docker::DockerBackend;

use super::support::{Stage, engines, eventually};

struct Script {
    stage: Stage,
    backend: DockerBackend,
}

impl Script {
    /// On one engine: the command runs on the host.
    async fn new() -> Option<Self> {
        let engine = engines().into_iter().next()?;
        let stage = Stage::new(&engine);
        stage.compose_file("services: {a: {image: a, environment: {TOKEN: $TOKEN}}}\n");
        std::fs::write(stage.dir.path().join(".env"), "TOKEN=hunter2000\n").unwrap();
        let backend = engine.backend().await;
        Some(Self { stage, backend })
    }

    fn file(&self) -> PathBuf {
        self.stage.dir.path().join("backups/backup-20251029-143022-notes")
    }

    async fn run(&self, text: &str, seconds: u64, call: &Call) -> BackendResult<BackupManifest> {
        let script = self.stage.dir.path().join("dump.sh");
        std::fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let target = DatabaseTarget::Command(BackupCommand {
            name: "notes".parse().unwrap(),
            command: vec!["./dump.sh".into(), "a b".into()],
            timeout: Duration::from_secs(seconds),
        });
        let operation: OperationId = "op-1".parse().unwrap();
        let (stack, file) = (self.stage.stack(), self.file());
        let database = self.backend.database();
        let room = database.room(&stack, &target, &file).await.unwrap();
        assert_eq!(room.database_bytes, 0, "nobody knows");
        let dumped = database.dump(&stack, &target, &operation, &file, call).await;
        let left = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(left, if dumped.is_ok() { 2 } else { 0 }, "{dumped:?}");
        dumped
    }
}

#[tokio::test]
async fn a_command_s_standard_output_is_the_backup() {
    let Some(script) = Script::new().await else { return };
    let print = r#"printf '%s|' "$1" "$ALA_PROMOTE_ENVIRONMENT" "$ALA_PROMOTE_PROJECT" "$ALA_PROMOTE_OPERATION" \
        "$ALA_PROMOTE_BACKUP" "${TOKEN:-no token}" "$(basename "$PWD")"; echo told >&2"#;
    let lines = std::sync::Mutex::new(Vec::new());
    let lines = std::sync::Arc::new(lines);
    let kept = std::sync::Arc::clone(&lines);
    let call = Call::new(CancelToken::new(), move |line| kept.lock().unwrap().push(line.to_owned()));
    let manifest = script.run(print, 20, &call).await.unwrap();
    let folder = script.stage.dir.path().file_name().unwrap().to_string_lossy().into_owned();
    let expected = format!("a b|production|{}|op-1|notes|no token|{folder}|", script.stage.prefix);
    assert_eq!(std::fs::read_to_string(script.file()).unwrap(), expected);
    assert_eq!(script.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(manifest.bytes, expected.len() as u64);
    let sha256 = std::process::Command::new("sha256sum").arg(script.file()).output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&sha256).split_whitespace().next().unwrap(), manifest.sha256);
    assert!(matches!(&manifest.of, BackedUp::Command { command, .. } if command == &["./dump.sh", "a b"]));
    assert!(lines.lock().unwrap().iter().any(|line| line == "told"), "{lines:?}");
}

#[tokio::test]
async fn a_command_that_fails_or_writes_nothing_leaves_no_file() {
    let Some(script) = Script::new().await else { return };
    let error =
        script.run("echo half; echo 'no access with hunter2000' >&2; exit 3", 20, &Call::silent()).await;
    let said = error.unwrap_err().to_string();
    assert!(said.contains("exit code 3") && said.contains("no access with <TOKEN>"), "{said}");
    let error = script.run("true", 20, &Call::silent()).await.unwrap_err();
    assert!(error.to_string().contains("wrote nothing"), "{error}");
    let error = script.run("echo half; kill -9 $$", 20, &Call::silent()).await.unwrap_err();
    assert!(error.to_string().contains("signal: 9"), "{error}");
}

#[tokio::test]
async fn a_command_that_takes_too_long_or_is_not_wanted_any_more_is_ended_with_all_it_began() {
    let Some(script) = Script::new().await else { return };
    let mark = script.stage.dir.path().join("pids");
    let slow = format!("echo half; sleep 300 & echo $! > {0}; wait", mark.display());
    let is_gone = || {
        let pid = std::fs::read_to_string(&mark).unwrap().trim().to_owned();
        assert!(!pid.is_empty());
        // On a busy machine a process that was killed takes its time.
        eventually("its child has ended", || {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        });
    };
    let begun = Instant::now();
    let error = script.run(&slow, 1, &Call::silent()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TimedOut, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    is_gone();
    std::fs::remove_file(&mark).unwrap();
    let cancel = CancelToken::new();
    let call = Call::new(cancel.clone(), |_| {});
    let stop = async {
        while !std::fs::read_to_string(&mark).is_ok_and(|pid| pid.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cancel.cancel();
    };
    let (dumped, ()) = futures_util::join!(script.run(&slow, 60, &call), stop);
    assert_eq!(dumped.unwrap_err().kind(), BackendErrorKind::Cancelled);
    is_gone();
    // What it leaves behind when it ends well goes too.
    let left = format!("sleep 300 & echo $! > {0}; echo whole", mark.display());
    script.run(&left, 20, &Call::silent()).await.unwrap();
    is_gone();
}
