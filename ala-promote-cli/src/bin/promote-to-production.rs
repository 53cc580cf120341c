//! Promotes what was tested on staging to production.

fn main() -> std::process::ExitCode {
    ala_promote_cli::process::run(ala_promote_cli::Program::PromoteToProduction)
}
