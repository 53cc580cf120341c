//! The engine over the backend of this example: two releases come to production, one is put back by itself, and one is
//! rolled back. `cargo run -p ala-promote-custom-backend` shows it; it takes some seconds and needs nothing.

mod serve;
mod story;

use std::error::Error;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        // What the services of the story run.
        Some("serve") => serve::serve()?,
        Some(_) => return Ok(ExitCode::FAILURE),
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(story::tell(&mut std::io::stdout()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
