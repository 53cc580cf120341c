//! What the team tests. Run it: `cargo test -p ala-promote-testkit-in-ci`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ala_promote_core::config::{Overrides, Settings};
use ala_promote_core::domain::{EnvironmentName, ImageId, ImageReference, Outcome, Request, Verb};
use ala_promote_core::engine::EngineError;
use ala_promote_testkit::memory::{ImageBehaviour, MemoryBackend, SourceCommit};
use ala_promote_testkit::mocks::MockImageStore;
use ala_promote_testkit::patched::Patched;
use ala_promote_testkit::sweep::{Ended, Extent, Host, Rig, Scenario, Sweep};
use ala_promote_testkit_in_ci::{our_steps, ours, rename};
use mockall::Sequence;

const DEPLOY: Verb = Verb::Deploy { build: true, keep_failed: false };

fn request(environment: &str, verb: Verb) -> Request {
    Request { environment: environment.parse().unwrap(), verb }
}

/// A host whose settings are those of our own file. The Compose files stand for the real ones: what they say is what
/// the in-memory world was told.
fn host() -> Host {
    let mut host = Host::new(MemoryBackend::ala_medical()).unwrap();
    let dir = host.settings().dir.clone();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("deployment/ala-promote.toml");
    std::fs::copy(ours, dir.join("ala-promote.toml")).unwrap();
    for (file, text) in [
        ("docker-compose.yml", "services: {}\n"),
        ("docker-compose.staging.yml", "services: {}\n"),
        (".env", ""),
        (".env.staging", ""),
    ] {
        std::fs::write(dir.join(file), text).unwrap();
    }
    host.set_settings(Settings::load(&dir, &BTreeMap::new(), &Overrides::default()).unwrap());
    host
}

async fn committed(host: &Host, environment: &str, verb: Verb) {
    let ended = host.operate(&request(environment, verb)).await;
    assert!(matches!(ended, Ended::Done(Ok(Outcome::Committed { .. }))), "{ended:?}");
}

#[test]
fn our_file_says_what_we_mean() {
    let host = host();
    let settings = host.settings();
    let names: Vec<&str> = settings.environments.keys().map(EnvironmentName::as_str).collect();
    assert_eq!(names, ["production", "staging"]);
    assert_eq!(settings.health.window, Duration::from_secs(10));
    assert_eq!(settings.retention.releases, 3);
    assert_eq!(settings.display_name(&"backend".parse().unwrap()), "Backend API");
}

#[tokio::test]
async fn with_our_window_a_release_that_lives_for_eight_seconds_is_put_back() {
    let host = host();
    let crashes = ImageBehaviour::CrashesAfter(Duration::from_secs(8));
    host.by_hand(|world| world.commit(SourceCommit::new("leak").behaviour("backend", crashes)));
    let before = host.world().running("staging");

    let ended = host.operate(&request("staging", DEPLOY)).await;

    assert!(matches!(ended, Ended::Done(Ok(Outcome::RolledBack { .. }))), "{ended:?}");
    assert_eq!(host.world().running("staging"), before);
}

#[tokio::test]
async fn nobody_promotes_on_a_friday() {
    let host = Host::new(MemoryBackend::ala_medical()).unwrap().rigged(Rig::honest().engine(ours));
    host.by_hand(|world| world.commit(SourceCommit::new("second")));
    // The virtual clock starts on Wednesday 29 October 2025.
    committed(&host, "staging", DEPLOY).await;
    host.world().clock().advance(Duration::from_secs(2 * 24 * 3600));

    let ended = host.operate(&request("production", Verb::Promote)).await;

    match ended {
        Ended::Done(Err(EngineError::Refused(refusal))) => assert_eq!(refusal.findings[0].gate, "no-fridays"),
        other => panic!("not refused: {other:?}"),
    }
    host.world().clock().advance(Duration::from_secs(3 * 24 * 3600));
    committed(&host, "production", Verb::Promote).await;
}

/// Our step in every promotion, and a fault at every so many calls: all that is promised holds with it too.
#[tokio::test]
async fn with_our_step_a_promotion_keeps_its_promises() {
    let rig = Rig::honest().engine(ours).plan(our_steps);
    let sweep = Sweep::of(Scenario::promote_that_fails(), rig).await.unwrap();
    let sweep = sweep.repeated_by("cargo test -p ala-promote-testkit-in-ci");
    sweep.run(Extent::singles().every_nth(29).or_as_told()).await.unwrap().assert_clean();
}

/// What no fake can state, since it only knows what came of calls: that the new name is there before the old one goes,
/// and that each is asked for once. An engine may remove an image with its last name.
#[tokio::test]
async fn an_image_is_never_without_a_name() {
    let (old, new): (ImageReference, ImageReference) =
        ("ala-api:old".parse().unwrap(), "ala-api:new".parse().unwrap());
    let (mut images, mut order) = (MockImageStore::new(), Sequence::new());
    let (first, second) = (new.clone(), old.clone());
    images
        .expect_tag()
        .once()
        .in_sequence(&mut order)
        .withf(move |_, to| *to == first)
        .returning(|_, _| Ok(()));
    images.expect_untag().once().in_sequence(&mut order).withf(move |r| *r == second).returning(|_| Ok(()));

    let backend = Patched::new(MemoryBackend::ala_medical().build().unwrap()).with_images(images);
    rename(&backend, &ImageId::new("sha256:1"), &old, &new).await.unwrap();
}
