//! A killed process, and a lost state folder.

use std::sync::Arc;

use ala_promote_cli::input::Script;
use ala_promote_testkit::faults::{Fate, FaultPlan, Faulty};

use super::promote::tested;
use super::world::World;

const PROMOTE: &str = "./promote-to-production --confirm production";

/// Runs a promotion that is killed at the first call of a port method.
async fn killed_at(method: &str) -> World {
    // Once without faults, to learn the call's number.
    let world = tested().await;
    let (backend, faults) = Faulty::new(world.backend.clone(), FaultPlan::new());
    let (app, output) = world.app(Arc::new(backend), Script::new(""));
    assert_eq!(world.run_in(&app, &output, PROMOTE).await.code, 0);
    let calls = faults.calls();
    let number = calls.iter().find(|call| call.method == method).unwrap().number;

    let world = tested().await;
    let plan = FaultPlan::new().at(number, Fate::CrashWithin { polls: 4 });
    let (backend, faults) = Faulty::new(world.backend.clone(), plan);
    let (app, output) = world.app(Arc::new(backend), Script::new(""));
    assert!(faults.drive(world.run_in(&app, &output, PROMOTE)).await.is_none());
    world
}

#[tokio::test]
async fn a_killed_promotion_is_taken_back() {
    let world = killed_at("stacks.up").await;
    let ran = world.run("./deploy --from-staging").await;
    assert_eq!(ran.code, 7, "{}", ran.screen);
    insta::assert_snapshot!("needs_recovery", ran.screen);
    let ran = world.run("ala-promote status").await;
    assert!(ran.out.contains("is not done → ala-promote recover"), "{}", ran.screen);

    let ran = world.run("ala-promote recover").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    insta::assert_snapshot!("recovered", ran.screen);
    let status = world.run("ala-promote status production").await;
    assert_eq!(status.out.matches("✅ healthy").count(), 4, "{}", status.screen);
    assert_eq!(
        world.run("ala-promote recover").await.screen,
        "Nothing to recover: no operation is half done.\n"
    );
}

#[tokio::test]
async fn a_lost_state_folder_is_noticed_until_a_new_one_is_asked_for() {
    let world = tested().await;
    assert_eq!(world.run(PROMOTE).await.code, 0);
    std::fs::remove_dir_all(world.dir().join(".ala-promote")).unwrap();
    let plan = world.run("./promote-to-production --dry-run").await;
    assert_eq!(plan.code, 3, "{}", plan.screen);
    insta::assert_snapshot!("state_loss", plan.screen.replace(&ledger_id(&plan.screen), "LEDGER"));
    // Refused, and refused again, although by now there is a ledger.
    for _ in 0..2 {
        assert_eq!(world.run("./deploy-staging").await.code, 3);
    }
    std::fs::remove_dir_all(world.dir().join(".ala-promote")).unwrap();

    let ran = world.run("ala-promote recover --new-ledger").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert!(ran.out.contains("A new record begins; given up: ledger"), "{}", ran.screen);
    let ran = world.run("./deploy-staging").await;
    assert_eq!(ran.code, 0, "{}", ran.screen);
    assert_eq!(world.run(PROMOTE).await.code, 0);
    assert!(world.run("ala-promote history").await.out.contains("begin a new record"));
    assert_eq!(world.run("ala-promote history --verify").await.code, 0);
    let ran = world.run("ala-promote recover --new-ledger").await;
    assert!(ran.out.contains("it is kept"), "{}", ran.screen);
}

fn ledger_id(screen: &str) -> String {
    let after = screen.split("the engine remembers: ").nth(1).unwrap();
    after.split_whitespace().next().unwrap().to_owned()
}
