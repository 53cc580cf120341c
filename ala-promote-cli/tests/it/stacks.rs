//! Several stacks in one folder: each with a ledger of its own.

use super::world::World;

/// Puts the sample's stack under a name, beside another one.
fn two() -> World {
    let world = World::sample();
    let text = |project: &str| {
        format!(
            "[environments.staging]\nfiles = [\"docker-compose.yml\", \"docker-compose.staging.yml\"]\n\
             project = \"{project}-staging\"\n[environments.production]\nfiles = [\"docker-compose.yml\"]\n\
             project = \"{project}\"\n[backup]\ndir = \"../backups\"\n"
        )
    };
    std::fs::write(world.dir().join("ala-promote.app.toml"), text("ala")).unwrap();
    std::fs::write(world.dir().join("ala-promote.tools.toml"), text("tools")).unwrap();
    world
}

#[tokio::test]
async fn each_has_its_own_record_and_none_is_taken_for_another() {
    let world = two();
    let refused = world.run("./deploy-staging").await;
    assert_eq!(refused.code, 1, "{}", refused.screen);
    assert!(refused.err.contains("--stack app, --stack tools"), "{}", refused.screen);
    assert!(!world.dir().join(".ala-promote").exists(), "{}", refused.screen);

    let deployed = world.run("./deploy-staging --stack app").await;
    assert_eq!(deployed.code, 0, "{}", deployed.screen);
    assert!(world.dir().join(".ala-promote.app/ledger").is_dir());
    assert!(!world.dir().join(".ala-promote.tools").exists());
    let records = world.run("ala-promote history --stack app").await;
    assert!(records.out.contains("deploy"), "{}", records.screen);
    // The other one has no record, and the engine does not remember the first one's ledger as its own.
    let records = world.run("ala-promote history --stack tools").await;
    assert!(!records.out.contains("deploy "), "{}", records.screen);
    // Its project is another one's here, which is refused, and no reason is a ledger that was lost.
    let refused = world.run("./deploy-staging --stack tools").await;
    assert_eq!(refused.code, 3, "{}", refused.screen);
    assert!(refused.screen.contains("project tools-staging"), "{}", refused.screen);
    let again = world.run("./deploy-staging --stack app").await;
    assert_eq!(again.code, 0, "{}", again.screen);
}
