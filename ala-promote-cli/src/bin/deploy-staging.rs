//! Builds, tags and deploys to staging.

fn main() -> std::process::ExitCode {
    ala_promote_cli::process::run(ala_promote_cli::Program::DeployStaging)
}
