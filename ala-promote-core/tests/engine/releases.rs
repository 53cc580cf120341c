//! What releases are kept by, for how long, and by which names, over many operations.

use ala_promote_core::domain::{ImageId, ReleaseTag, Verb};
use ala_promote_core::plan::Action;
use ala_promote_testkit::memory::{EnvironmentEditor, MemoryBackend, SourceCommit};

use crate::host::{BACK, DEPLOY, Host, bad_in_production, committed, image_of, rolled_back};

fn keeping(releases: usize) -> Host {
    let mut host = Host::new();
    host.settings.retention.releases = releases;
    host
}

/// Whether each image of a release is in the store, under a tag of the release's own.
fn is_kept(host: &Host, tag: &ReleaseTag) -> bool {
    let (view, state) = (host.view(), host.world.state());
    view.releases[tag]
        .images
        .values()
        .all(|image| state.references.get(&image.pin(tag).unwrap()) == Some(&image.identity.id))
}

/// As `docker image prune -a` would, but for what containers use: images without any tag.
fn prune(host: &Host) {
    host.world
        .act("docker image prune", |state| {
            let (tags, used) = (state.references.clone(), state.containers.clone());
            let named =
                |id: &ImageId| tags.values().any(|t| t == id) || used.values().any(|c| &c.image == id);
            state.images.retain(|id, _| named(id));
        })
        .unwrap();
}

#[tokio::test]
async fn all_that_can_be_gone_back_to_survives_a_prune() {
    let host = keeping(3);
    let mut ran = vec![host.production()];
    for message in ["second", "third", "fourth", "fifth"] {
        host.deploy(message).await;
        host.promote().await;
        ran.push(host.production());
        prune(&host);
    }
    assert_eq!(host.line("production").len(), 3);
    for _ in 0..2 {
        committed(host.operate("production", BACK).await);
        prune(&host);
    }
    assert_eq!(host.production(), ran[2]);
    let view = host.view();
    let kept = view.releases.keys().filter(|tag| is_kept(&host, tag)).count();
    assert!(kept < view.releases.len(), "some were let go: {kept}");
}

#[tokio::test]
async fn a_rollback_lets_go_of_nothing_that_comes_before_its_target() {
    let host = keeping(2);
    host.deploy("second").await;
    let second = host.promote().await;
    host.deploy("third").await;
    host.promote().await;
    // Now one more is kept than two, so that a rollback has somewhere to go from its target.
    let mut host = host;
    host.settings.retention.releases = 3;
    host.deploy("fourth").await;
    let fourth = host.promote().await;
    host.settings.retention.releases = 2;
    let line = host.line("production");
    assert_eq!((line.len(), &line[0]), (3, &second));
    committed(host.operate("production", BACK).await);
    assert!(is_kept(&host, &second), "the next one to go back to");
    assert!(is_kept(&host, &fourth), "what a rollback leaves is kept until the next operation");
    prune(&host);
    committed(host.operate("production", BACK).await);
    assert_eq!(host.current("production"), second);
}

#[tokio::test]
async fn what_a_rollback_left_is_let_go_by_the_operation_after_it() {
    let host = Host::with_release(true).await;
    host.world.commit(SourceCommit::new("built here"));
    committed(host.operate("production", DEPLOY).await);
    let left = host.current("production");
    committed(host.operate("production", BACK).await);
    assert!(is_kept(&host, &left));
    host.deploy("third").await;
    assert!(is_kept(&host, &left), "an operation elsewhere lets go of nothing here");
    host.promote().await;
    assert!(!is_kept(&host, &left));
    assert!(host.view().environments.values().all(|e| !e.left.contains(&left)));
}

#[tokio::test]
async fn staging_lets_go_of_nothing_that_production_can_go_back_to() {
    let host = keeping(2);
    host.deploy("second").await;
    let second = host.promote().await;
    let third = host.deploy("third").await;
    host.promote().await;
    for message in ["fourth", "fifth", "sixth"] {
        host.deploy(message).await;
    }
    assert!(is_kept(&host, &second) && is_kept(&host, &third));
    prune(&host);
    committed(host.operate("production", BACK).await);
    assert_eq!(host.current("production"), second);
}

#[tokio::test]
async fn a_promotion_that_is_put_back_leaves_the_tags_that_were_there() {
    let host = Host::with_release(true).await;
    let running = host.current("production");
    host.world.commit(bad_in_production("bad"));
    committed(host.operate("staging", DEPLOY).await);
    let tested = host.current("staging");
    rolled_back(host.operate("production", Verb::Promote).await);
    assert!(is_kept(&host, &running), "what runs");
    assert!(is_kept(&host, &tested), "staging shares this tag");
    committed(host.operate("staging", DEPLOY).await);
}

/// Staging and production that call the same things otherwise.
fn other_names() -> Host {
    let services = |e: &mut EnvironmentEditor, backend: &str, repository: &str, port: u16| {
        let image = format!("{repository}:latest");
        e.service(backend).image(&image).build().build_setting("context", "../api").port(port, 80);
        e.service("worker").image(&image);
        e.running();
    };
    let world = MemoryBackend::builder()
        .environment("staging", |e| services(e, "api", "api-staging", 8080))
        .environment("production", |e| {
            e.from("staging").protected();
            services(e, "backend", "api-production", 80);
        });
    let mut host = Host::of(world);
    let production = host.settings.environments.get_mut("production").unwrap();
    production.map.insert("backend".parse().unwrap(), "api".parse().unwrap());
    host
}

#[tokio::test]
async fn a_release_stays_the_source_s_own_where_production_calls_things_otherwise() {
    let host = other_names();
    let tag = host.deploy("second").await;
    let as_tested = host.view().releases[&tag].clone();
    host.promote().await;
    assert_eq!(host.production()["backend"], host.staging()["api"]);
    assert_eq!(host.production()["worker"], host.staging()["api"], "it is started by the moved reference");
    let promoted = host.view().releases[&tag].clone();
    assert!(as_tested.images.iter().all(|(service, image)| promoted.images[service] == *image));
    // Neither environment is taken for one that drifted, nor adopted again.
    for environment in ["staging", "production"] {
        let status = host.engine().status(&environment.parse().unwrap()).await.unwrap();
        assert!(status.is_good(), "{status:?}");
        let plan = host.plan(environment, DEPLOY).await.unwrap();
        assert_eq!(plan.before.release.map(|r| r.tag), Some(tag.clone()), "{environment}");
    }
    let state = host.world.state();
    assert_eq!(image_of(&state, &format!("api-production:{tag}")), image_of(&state, "api-production:latest"));
}

#[tokio::test]
async fn tags_under_production_s_own_repository_are_let_go_too() {
    let mut host = other_names();
    host.settings.retention.releases = 2;
    let mut tags = Vec::new();
    for message in ["second", "third", "fourth"] {
        host.deploy(message).await;
        tags.push(host.promote().await);
    }
    host.deploy("fifth").await;
    host.promote().await;
    let state = host.world.state();
    let old = |reference: String| image_of(&state, &reference);
    assert_eq!(old(format!("api-production:{}", tags[0])), None);
    assert_eq!(old(format!("api-staging:{}", tags[0])), None);
    assert!(old(format!("api-production:{}", tags[2])).is_some());
}

#[tokio::test]
async fn a_renamed_repository_and_a_new_service_keep_rollback_possible() {
    let host = Host::with_release(true).await;
    let before = host.production();
    for (environment, image) in [("staging", "ala-backend:staging"), ("production", "ala-backend:production")]
    {
        host.world
            .edit(environment, |e| {
                drop(e.service("backend").image(image));
                drop(e.service("worker").image(image));
            })
            .unwrap();
    }
    host.deploy("third").await;
    host.promote().await;
    prune(&host);
    assert_ne!(host.production()["backend"], before["backend"]);
    committed(host.operate("production", BACK).await);
    assert_eq!(host.production(), before);

    let more = |image: &str| {
        let image = image.to_owned();
        move |e: &mut EnvironmentEditor| drop(e.service("reports").image(&image).build())
    };
    host.world.edit("staging", more("ala-reports:staging")).unwrap();
    host.world.edit("production", more("ala-reports:production")).unwrap();
    host.deploy("fourth").await;
    host.promote().await;
    assert_eq!(host.production()["reports"], host.staging()["reports"]);
    let refusal = crate::host::refused(host.plan("production", BACK).await);
    assert!(refusal.contains("no image for service reports"), "{refusal}");
    for environment in ["staging", "production"] {
        host.world
            .edit(environment, |e| {
                e.without_service("reports");
            })
            .unwrap();
    }
    committed(host.operate("production", BACK).await);
    assert_eq!(host.production()["backend"], before["backend"]);
}

#[tokio::test]
async fn the_same_images_under_another_name_are_no_place_to_go_back_to() {
    let host = Host::with_release(true).await;
    let first = host.line("production")[0].clone();
    // Nothing was changed, so the same images come out, as another release.
    committed(host.operate("staging", DEPLOY).await);
    host.promote().await;
    assert_eq!(host.line("production").len(), 3);
    committed(host.operate("production", BACK).await);
    assert_eq!(host.current("production"), first);
}

/// Somebody does what the document's "manual rollback" says.
fn put_back_by_hand(host: &Host) {
    host.world
        .act("docker tag …:production-old …:production, docker-compose up -d", |state| {
            for repository in ["ala-api", "ala-web"] {
                let (old, now) = (format!("{repository}:production-old"), format!("{repository}:production"));
                let old = state.references[&old.parse().unwrap()].clone();
                let new = state.references.insert(now.parse().unwrap(), old.clone()).unwrap();
                for container in state.containers.values_mut() {
                    if container.stack.environment.as_str() == "production" && container.image == new {
                        container.image = old.clone();
                    }
                }
            }
        })
        .unwrap();
}

#[tokio::test]
async fn what_somebody_put_back_by_hand_is_known_again_and_rollback_goes_on_from_there() {
    let host = Host::with_release(true).await;
    let second = host.production();
    host.deploy("third").await;
    host.promote().await;
    put_back_by_hand(&host);
    assert_eq!(host.production(), second);
    let status = host.engine().status(&"production".parse().unwrap()).await.unwrap();
    let drifted: Vec<&str> =
        status.services.iter().filter(|s| s.drift.is_some()).map(|s| s.service.as_str()).collect();
    assert_eq!(drifted, ["backend", "frontend", "worker"]);
    assert!(!status.is_good());
    let first = host.line("production")[0].clone();
    committed(host.operate("production", BACK).await);
    assert_eq!(host.current("production"), first, "not to the release that somebody left");
    assert_eq!(host.line("production"), [first]);
}

#[tokio::test]
async fn from_something_unknown_a_rollback_goes_to_the_last_known_release() {
    let host = Host::of(MemoryBackend::ala_medical().image("stray:1"));
    host.deploy("second").await;
    host.promote().await;
    let second = host.production();
    let stray = host.world.image("stray:1").unwrap();
    host.world
        .act("a stray image is put in the backend's place", |state| {
            for container in state.containers.values_mut() {
                if container.stack.environment.as_str() == "production"
                    && container.service.as_str() == "backend"
                {
                    container.image = stray.clone();
                }
            }
        })
        .unwrap();
    committed(host.operate("production", BACK).await);
    assert_eq!(host.production()["backend"], second["backend"]);
}

#[tokio::test]
async fn steps_of_one_plan_that_move_one_reference_agree_on_what_it_was() {
    let host = Host::new();
    host.deploy("second").await;
    let plan = host.plan("production", Verb::Promote).await.unwrap();
    let mut priors = std::collections::BTreeMap::new();
    for step in plan.steps() {
        if let Action::Tag { reference, prior, to } = &step.action {
            let first = priors.entry(reference.clone()).or_insert((prior.clone(), to.clone()));
            assert_eq!(first, &(prior.clone(), to.clone()), "{reference}");
        }
    }
    assert!(!priors.is_empty());
}
