//! Puts production back to an earlier release.

fn main() -> std::process::ExitCode {
    ala_promote_cli::process::run(ala_promote_cli::Program::Rollback)
}
