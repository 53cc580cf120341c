//! Images that were built elsewhere and are pulled.

use ala_promote_core::backend::Backend as _;
use ala_promote_core::config::{Beside, ServiceSettings};
use ala_promote_core::domain::{ImageId, Outcome, ServiceName, Verb};
use ala_promote_core::plan::{Action, StageKind};
use ala_promote_testkit::memory::ImageBehaviour;

use crate::host::{DEPLOY, Host, committed, rolled_back};

const STAGING: &str = "registry.example.com/team/api:staging";
const PRODUCTION: &str = "registry.example.com/team/api:production";

/// The usual host, but for its backend's image, which comes from a registry.
fn host() -> Host {
    let host = Host::new();
    for (environment, image) in [("staging", STAGING), ("production", PRODUCTION)] {
        host.world.edit(environment, |e| drop(e.service("backend").without_build().image(image))).unwrap();
    }
    host
}

fn pushed(host: &Host, version: &str) -> ImageId {
    ImageId::new(host.world.push(STAGING, version).unwrap().digest())
}

fn backend() -> ServiceName {
    ServiceName::new("backend").unwrap()
}

fn runs(host: &Host, environment: &str) -> ImageId {
    host.world.running(environment)[&backend()][0].clone()
}

/// Takes an image off the engine, containers and all.
fn lose(host: &Host, id: &ImageId) {
    host.world
        .act("docker rm, docker rmi", |state| {
            state.containers.retain(|_, container| &container.image != id);
            state.references.retain(|_, named| named != id);
            state.images.remove(id);
        })
        .unwrap();
}

#[tokio::test]
async fn what_was_pulled_and_tested_is_what_is_promoted() {
    let host = host();
    let first = pushed(&host, "first");
    let tag = host.deploy("second").await;
    assert_eq!(runs(&host, "staging"), first);
    let digest = host.view().releases[&tag].images[&backend()].digest.clone();
    assert_eq!(digest.expect("a digest").digest(), first.as_str());

    // Both tags move in the registry before the promotion.
    let second = pushed(&host, "second");
    host.world.push(PRODUCTION, "second").unwrap();
    host.promote().await;
    assert_eq!(runs(&host, "production"), first);
    assert_eq!(host.world.image(PRODUCTION), Some(first.clone()));
    host.deploy("third").await;
    assert_eq!((runs(&host, "staging"), runs(&host, "production")), (second, first));
}

#[tokio::test]
async fn an_image_that_is_gone_comes_back_by_its_digest_or_nothing_changes() {
    let host = host();
    let first = pushed(&host, "first");
    let tag = host.deploy("second").await;
    pushed(&host, "second");
    lose(&host, &first);
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    assert!(plan.steps().any(|step| matches!(step.action, Action::Pull { .. })), "{plan:?}");
    host.promote().await;
    assert_eq!(runs(&host, "production"), first);
    assert_eq!(host.current("production"), tag);

    let second = pushed(&host, "second");
    host.deploy("third").await;
    let digest = host.view().current(&"staging".parse().unwrap()).unwrap().images[&backend()].digest.clone();
    lose(&host, &second);
    host.world.delete_pushed(&digest.unwrap()).unwrap();
    let before = (host.production(), host.world.state().references.clone());
    rolled_back(host.operate("production", Verb::Promote).await);
    assert_eq!((host.production(), host.world.state().references.clone()), before);
}

#[tokio::test]
async fn an_image_that_came_back_without_a_name_can_be_promoted() {
    let host = host();
    let first = pushed(&host, "first");
    let tag = host.deploy("second").await;
    // As a promotion leaves it that brought it back, and was taken back itself.
    host.world.act("untag", |state| state.references.retain(|_, named| named != &first)).unwrap();
    host.promote().await;
    assert_eq!((runs(&host, "production"), host.current("production")), (first, tag));

    // A name that is given to another image is a question.
    let second = pushed(&host, "second");
    host.deploy("third").await;
    let named = host.world.image("postgres:15").unwrap();
    host.world.images().tag(&named, &STAGING.parse().unwrap()).await.unwrap();
    let refused = host.plan("production", Verb::Promote).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("{STAGING} is not what was tested")), "{refused} of {second}");
}

#[tokio::test]
async fn a_pull_that_fails_claims_nothing() {
    let host = host();
    pushed(&host, "first");
    host.deploy("second").await;
    let references = host.world.state().references.clone();
    let running = host.world.running("staging");
    pushed(&host, "second");
    host.world.set_registries_down(true).unwrap();
    rolled_back(host.operate("staging", DEPLOY).await);
    assert_eq!(host.world.state().references, references);
    assert_eq!(host.world.running("staging"), running);
    host.world.set_registries_down(false).unwrap();
    committed(host.operate("staging", DEPLOY).await);
    assert_ne!(host.world.running("staging"), running);
}

#[tokio::test]
async fn a_release_that_fails_after_its_pull_gives_the_tag_back() {
    let host = host();
    let first = pushed(&host, "first");
    host.deploy("second").await;
    pushed(&host, "second");
    host.world
        .act("nobody listens", |state| {
            state.registry.images.values_mut().for_each(|image| {
                image.behaviour = ImageBehaviour::Never;
            });
        })
        .unwrap();
    rolled_back(host.operate("staging", DEPLOY).await);
    assert_eq!(host.world.image(STAGING), Some(first.clone()));
    assert_eq!(runs(&host, "staging"), first);
}

#[tokio::test]
async fn of_two_pulls_one_that_came_is_taken_back_when_the_other_does_not() {
    let host = host();
    let (image, other) =
        ("registry.example.com/team/web:staging", "registry.example.com/team/web:production");
    for (environment, image) in [("staging", image), ("production", other)] {
        host.world.edit(environment, |e| drop(e.service("frontend").without_build().image(image))).unwrap();
    }
    pushed(&host, "first");
    let web = host.world.push(image, "web").unwrap();
    host.deploy("second").await;
    let references = host.world.state().references.clone();
    pushed(&host, "second");
    host.world.delete_pushed(&web).unwrap();
    rolled_back(host.operate("staging", DEPLOY).await);
    assert_eq!(host.world.state().references, references);
}

const ONE: &str = "registry.example.com/team/api:latest";

/// Both environments call the image alike.
fn with_one_reference() -> Host {
    let mut host = Host::new();
    for environment in ["staging", "production"] {
        host.world.edit(environment, |e| drop(e.service("backend").without_build().image(ONE))).unwrap();
    }
    let listed = ServiceSettings { promoted: Some(true), ..ServiceSettings::default() };
    host.settings.services.insert(backend(), listed);
    host
}

fn add_suffix(host: &mut Host, environment: &str, suffix: &str) {
    let beside = Beside { image_suffix: Some(suffix.into()), ..Beside::default() };
    host.settings.environments.get_mut(environment).unwrap().beside = Some(beside);
}

fn pushed_as_one(host: &Host, version: &str) -> ImageId {
    ImageId::new(host.world.push(ONE, version).unwrap().digest())
}

#[tokio::test]
async fn an_image_that_both_pull_by_one_tag_is_tested_beside_the_tag_that_production_has() {
    let mut host = with_one_reference();
    let told = host.plan("staging", DEPLOY).await.unwrap_err().to_string();
    assert!(told.contains("use the same image reference registry.example.com/team/api:latest"), "{told}");
    add_suffix(&mut host, "staging", "-staging");

    // Nothing is left by production's name where nothing was.
    let first = pushed_as_one(&host, "first");
    host.deploy("second").await;
    assert_eq!((runs(&host, "staging"), host.world.image(ONE)), (first.clone(), None));
    host.promote().await;
    assert_eq!((runs(&host, "production"), host.world.image(ONE)), (first.clone(), Some(first.clone())));
    // What staging tests next moves it neither, be it kept or not.
    let second = pushed_as_one(&host, "second");
    host.deploy("third").await;
    assert_eq!((runs(&host, "staging"), host.world.image(ONE)), (second.clone(), Some(first.clone())));
    host.promote().await;
    assert_eq!(host.world.image(ONE), Some(second.clone()));
    host.world.set_registries_down(true).unwrap();
    rolled_back(host.operate("staging", DEPLOY).await);
    assert_eq!((runs(&host, "staging"), host.world.image(ONE)), (second.clone(), Some(second)));
}

#[tokio::test]
async fn the_tag_that_production_has_names_its_own_again_before_anything_else_is_done() {
    let mut host = with_one_reference();
    add_suffix(&mut host, "staging", "-staging");
    for before in [None, Some("first")] {
        if let Some(version) = before {
            pushed_as_one(&host, version);
            host.deploy("second").await;
            host.promote().await;
        }
        let named = host.world.image(ONE);
        pushed_as_one(&host, "that nobody tested");
        let plan = host.plan("staging", DEPLOY).await.unwrap();
        let kinds: Vec<_> = plan.stages.iter().map(|stage| stage.kind).collect();
        let pull = kinds.iter().position(|kind| *kind == StageKind::Pull).unwrap();
        assert_eq!(kinds[pull + 1..pull + 3], [StageKind::GiveBack; 2], "{kinds:?}");
        // A failed release that is left running does not leave it production's name.
        host.world
            .act("nobody listens", |state| {
                let images = state.registry.images.values_mut();
                images.for_each(|image| image.behaviour = ImageBehaviour::Never);
            })
            .unwrap();
        let outcome = host.operate("staging", Verb::Deploy { build: true, keep_failed: true }).await;
        assert!(matches!(outcome, Ok(Outcome::Kept { .. })), "{outcome:?}");
        assert_eq!(host.world.image(ONE), named);
        host.world
            .act("it listens again", |state| {
                let images = state.registry.images.values_mut();
                images.for_each(|image| image.behaviour = ImageBehaviour::Healthy);
            })
            .unwrap();
    }
}

#[tokio::test]
async fn a_name_that_is_in_no_render_any_more_is_given_back_too() {
    let mut host = with_one_reference();
    pushed_as_one(&host, "first");
    add_suffix(&mut host, "staging", "-staging");
    host.deploy("second").await;
    host.promote().await;
    let named = host.world.image(ONE);
    assert!(named.is_some());
    add_suffix(&mut host, "production", "-live");
    pushed_as_one(&host, "second");
    host.deploy("third").await;
    assert_eq!(host.world.image(ONE), named);
}
