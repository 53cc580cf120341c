//! The main job on the sample stack: staging, promotion, and a bad release that is put back by itself. Runs the real
//! commands: on the Docker engine if one answers, else on the in-memory backend, and says which.

mod scene;

use std::io::Write as _;
use std::process::ExitCode;

use ala_promote_core::backend::Backend as _;
use ala_promote_demo::EngineEnv;
use ala_promote_docker::{DockerBackend, DockerOptions};

use scene::{InMemory, OnEngine, Scene};

#[tokio::main]
async fn main() -> ExitCode {
    match show().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("❌ {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn show() -> Result<(), Box<dyn std::error::Error>> {
    let engine = EngineEnv::ambient();
    match DockerBackend::connect(DockerOptions::new(engine.variables.clone())).await {
        Ok(backend) => {
            say(&format!("On {}. The sample's images are built first.", backend.describe()));
            play(&OnEngine::new(&engine)?).await
        }
        Err(error) => {
            say(&format!(
                "No engine can be used ({error}), so this is the in-memory backend: nothing real is deployed."
            ));
            play(&InMemory::new()?).await
        }
    }
}

/// Plays the commands, and checks that each ends as it should.
async fn play(scene: &dyn Scene) -> Result<(), Box<dyn std::error::Error>> {
    scene.release("1.0.0")?;
    run(scene, "deploy-staging", "", 0).await?;
    run(scene, "promote-to-production", "yes\n", 0).await?;
    say("\nA release that works on staging and fails in production:");
    scene.release("1.1.0 broken")?;
    run(scene, "deploy-staging", "", 0).await?;
    run(scene, "promote-to-production", "yes\n", 5).await?;
    run(scene, "ala-promote status", "", 0).await?;
    run(scene, "ala-promote history --verify", "", 0).await
}

async fn run(
    scene: &dyn Scene,
    line: &str,
    typed: &str,
    expected: u8,
) -> Result<(), Box<dyn std::error::Error>> {
    say(&format!("\n$ {line}"));
    match scene.run(line, typed).await {
        code if code == expected => Ok(()),
        code => Err(format!("`{line}` ended with exit code {code}, not {expected}").into()),
    }
}

/// A closed terminal is no reason to stop half-way.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
