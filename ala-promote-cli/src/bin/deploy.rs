//! Builds and deploys to production, or promotes with `--from-staging`.

fn main() -> std::process::ExitCode {
    ala_promote_cli::process::run(ala_promote_cli::Program::Deploy)
}
