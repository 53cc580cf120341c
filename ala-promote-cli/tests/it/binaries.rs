//! The real binaries, where no engine is needed.

use assert_cmd::Command;

const BINARIES: [&str; 5] = ["ala-promote", "deploy-staging", "promote-to-production", "deploy", "rollback"];

fn command(binary: &str, dir: &std::path::Path) -> Command {
    let mut command = Command::cargo_bin(binary).unwrap();
    command
        .current_dir(dir)
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env_remove("DOCKER_CONTEXT");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_has_an_example_and_a_wrong_flag_is_usage() {
    let dir = tempfile::tempdir().unwrap();
    for binary in BINARIES {
        let help = command(binary, dir.path()).arg("--help").assert().code(0);
        let help = text(&help.get_output().stdout);
        assert!(help.contains("Example"), "{help}");
        let wrong = command(binary, dir.path()).arg("--nonsense").assert().code(2);
        assert!(text(&wrong.get_output().stderr).contains("--nonsense"));
        command(binary, dir.path()).arg("--version").assert().code(0);
    }
    for verb in ["deploy", "promote", "rollback", "plan", "status", "history", "recover", "version"] {
        let help = command("ala-promote", dir.path()).args([verb, "--help"]).assert().code(0);
        let help = text(&help.get_output().stdout);
        assert!(help.contains("Example"), "{help}");
    }
    command("ala-promote", dir.path()).assert().code(2);
}

#[test]
fn a_folder_without_compose_files_is_usage() {
    let dir = tempfile::tempdir().unwrap();
    for binary in &BINARIES[1..] {
        let ran = command(binary, dir.path()).assert().code(2);
        assert!(text(&ran.get_output().stderr).contains("--dir"), "{:?}", ran.get_output());
    }
}

#[test]
fn without_an_engine_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["docker-compose.yml", "docker-compose.staging.yml", ".env", ".env.staging"] {
        std::fs::write(dir.path().join(file), "services: {}\n").unwrap();
    }
    for binary in &BINARIES[1..] {
        // From another folder, as from cron: the folder is that of the called program.
        let link = dir.path().join(binary);
        std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin(binary), &link).unwrap();
        let mut called = Command::new(&link);
        called
            .current_dir("/")
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .env_remove("DOCKER_CONTEXT");
        let ran = called.write_stdin("yes\n").assert().code(1);
        let err = text(&ran.get_output().stderr);
        assert!(err.contains("/nonexistent/docker.sock") && err.contains("→ "), "{err}");
        assert!(err.ends_with("Nothing was changed.\n"), "{err}");
    }
    assert!(!dir.path().join(".ala-promote").exists());
    let ran = command("ala-promote", dir.path()).arg("status").assert().code(1);
    assert!(text(&ran.get_output().stdout).is_empty());
    command("ala-promote", dir.path()).arg("history").assert().code(0);
    command("ala-promote", dir.path()).arg("version").assert().code(0);
}
