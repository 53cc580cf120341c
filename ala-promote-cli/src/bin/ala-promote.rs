//! The umbrella command.

fn main() -> std::process::ExitCode {
    ala_promote_cli::process::run(ala_promote_cli::Program::Umbrella)
}
