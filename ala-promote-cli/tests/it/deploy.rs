//! Deployments.

use super::world::World;

#[tokio::test]
async fn dump() {
    let world = World::sample();
    for (line, input) in [
        ("./deploy-staging", ""),
        ("./deploy-staging", ""),
        ("./promote-to-production", "yes\n"),
        ("./promote-to-production --dry-run", ""),
        ("ala-promote status", ""),
        ("./deploy", ""),
        ("./deploy-staging", ""),
        ("./promote-to-production", "no\n"),
        ("./rollback --list", ""),
        ("./rollback", "yes\n"),
        ("ala-promote history --verify", ""),
        ("ala-promote recover", ""),
        ("ala-promote version", ""),
        ("./promote-to-production --json --confirm production", ""),
        ("ala-promote nonsense", ""),
        ("ala-promote status --json", ""),
    ] {
        let ran = world.run_with(line, ala_promote_cli::input::Script::new(input)).await;
        println!("$ {line}\n{}[{}]\n", ran.screen, ran.code);
    }
}
