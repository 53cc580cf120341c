//! Each gate refuses what it is for, and passes what it should.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};

use ala_promote_core::backend::Witnessed;
use ala_promote_core::config::{Beside, ComposeFiles, DatabaseChoice, DatabaseSettings, ServiceSettings};
use ala_promote_core::domain::{Bind, PortMapping, Request, Verb};
use ala_promote_core::plan::{self, Finding, Observed, Plan, PlanInput, Refusal};
use ala_promote_testkit::memory::{EnvironmentEditor, MemoryBackend, State};

use crate::host::{BACK, DEPLOY, Host, committed, refused};

const SKIP_BUILD: Verb = Verb::Deploy { build: false, keep_failed: false };

pub(crate) fn edit(host: &Host, environment: &str, edit: impl FnOnce(&mut EnvironmentEditor)) {
    host.world.edit(environment, edit).unwrap();
}

pub(crate) fn act(host: &Host, act: impl FnOnce(&mut State)) {
    host.world.act("meddle", act).unwrap();
}

pub(crate) async fn refusal(host: &Host, environment: &str, verb: Verb) -> String {
    refused(host.plan(environment, verb).await)
}

pub(crate) async fn passes(host: &Host, environment: &str, verb: Verb) -> Plan {
    host.plan(environment, verb).await.unwrap_or_else(|error| panic!("{environment}: {error}"))
}

#[track_caller]
pub(crate) fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

pub(crate) fn note<'a>(plan: &'a Plan, gate: &str) -> Option<&'a Finding> {
    plan.notes.iter().find(|note| note.gate == gate)
}

fn drop_reference(state: &mut State, reference: &str) {
    state.references.remove(&reference.parse().unwrap());
}

// Tested release

#[tokio::test]
async fn without_a_tested_release_there_is_nothing_to_promote() {
    let text = refusal(&Host::new(), "production", Verb::Promote).await;
    says(&text, &["[tested-release]", "no release has been tested on staging", "./deploy-staging first"]);
    let text = refusal(&Host::new(), "staging", Verb::Promote).await;
    says(&text, &["no environment before it"]);
}

#[tokio::test]
async fn a_tag_that_was_moved_since_the_test_is_told_once() {
    let host = Host::with_release(false).await;
    act(&host, |state| {
        let old = state.references[&"ala-api:production".parse().unwrap()].clone();
        state.references.insert("ala-api:staging".parse().unwrap(), old);
    });
    let text = refusal(&host, "production", Verb::Promote).await;
    says(&text, &["ala-api:staging is not what was tested", "./deploy-staging --skip-build", "docker tag"]);
    assert_eq!(text.lines().count(), 1, "backend and worker share it: {text}");
}

#[tokio::test]
async fn a_deleted_tag_pin_or_image_is_refused() {
    let host = Host::with_release(false).await;
    let tag = host.current("staging");
    act(&host, |state| drop_reference(state, "ala-web:staging"));
    says(
        &refusal(&host, "production", Verb::Promote).await,
        &["ala-web:staging is not what", "now names nothing"],
    );

    let host = Host::with_release(false).await;
    let pin = format!("ala-web:{tag}");
    act(&host, |state| drop_reference(state, &pin));
    says(&refusal(&host, "production", Verb::Promote).await, &[&pin, "now names nothing"]);

    let host = Host::with_release(false).await;
    act(&host, |state| {
        let id = state.references[&"ala-web:staging".parse().unwrap()].clone();
        state.references.retain(|_, named| *named != id);
        state.containers.retain(|_, container| container.image != id);
        state.images.remove(&id);
    });
    says(&refusal(&host, "production", Verb::Promote).await, &["the tested image of frontend is gone"]);
}

#[tokio::test]
async fn a_service_that_the_release_has_no_image_for_is_refused() {
    let host = Host::with_release(false).await;
    for environment in ["staging", "production"] {
        let image = format!("ala-new:{environment}");
        edit(&host, environment, |e| drop(e.service("new").image(&image).build()));
    }
    says(
        &refusal(&host, "production", Verb::Promote).await,
        &["[tested-release]", "service new has no image in"],
    );
}

#[tokio::test]
async fn a_tested_service_that_nothing_in_production_takes_is_refused_unless_it_is_left_out_on_purpose() {
    let mut host = Host::new();
    edit(&host, "staging", |e| drop(e.service("extra").image("ala-extra:staging").build()));
    host.deploy("with an extra service").await;
    says(
        &refusal(&host, "production", Verb::Promote).await,
        &["[tested-release]", "takes the tested image of extra", "map = { extra =", "promoted = false"],
    );
    let left_out = ServiceSettings { promoted: Some(false), ..ServiceSettings::default() };
    host.settings.services.insert("extra".parse().unwrap(), left_out);
    passes(&host, "production", Verb::Promote).await;
}

#[tokio::test]
async fn uncommitted_changes_are_noted() {
    let host = Host::new();
    assert!(note(&passes(&host, "staging", DEPLOY).await, "source").is_none());
    host.world.edit_source(|tree| tree.dirty = true);
    assert!(note(&passes(&host, "staging", DEPLOY).await, "source").is_some());
    committed(host.operate("staging", DEPLOY).await);
    host.world.edit_source(|tree| tree.dirty = false);
    assert!(note(&passes(&host, "production", Verb::Promote).await, "source").is_some(), "of the release");
}

// Images

#[tokio::test]
async fn images_that_are_missing_mixed_up_or_a_release_s_own_are_refused() {
    let host = Host::with_release(false).await;
    act(&host, |state| drop_reference(state, "ala-web:staging"));
    let text = refusal(&host, "staging", SKIP_BUILD).await;
    says(&text, &["[images]", "there is no image ala-web:staging", "docker tag YOUR-IMAGE ala-web:staging"]);

    let mut host = Host::new();
    edit(&host, "staging", |e| drop(e.service("listed").image("listed:1")));
    let listed = ServiceSettings { promoted: Some(true), ..ServiceSettings::default() };
    host.settings.services.insert("listed".parse().unwrap(), listed);
    says(&refusal(&host, "staging", DEPLOY).await, &["there is no image listed:1"]);

    let host = Host::new();
    edit(&host, "staging", |e| drop(e.service("frontend").image("ala-api:web")));
    let text = refusal(&host, "staging", DEPLOY).await;
    says(&text, &["different images in one repository", "ala-api:web", "ala-api:staging"]);

    let host = Host::new();
    edit(&host, "staging", |e| drop(e.service("worker").build_setting("target", "worker")));
    says(&refusal(&host, "staging", DEPLOY).await, &["different images in one repository"]);

    let host = Host::with_release(false).await;
    let own = format!("ala-web:{}", host.current("staging"));
    edit(&host, "staging", |e| drop(e.service("frontend").image(&own)));
    says(&refusal(&host, "staging", SKIP_BUILD).await, &["started by a release's own tag", "production"]);
}

#[tokio::test]
async fn a_line_pairs_a_service_only_with_the_one_that_it_is_like() {
    let host = Host::new();
    edit(&host, "staging", |e| drop(e.service("api-staging").image("one:1").build()));
    edit(&host, "production", |e| {
        drop(e.service("api-prod").image("two:1").build());
        drop(e.service("mailer").image("mailer:1").build());
    });
    let text = refusal(&host, "production", Verb::Promote).await;
    says(&text, &["map = { api-staging = \"api-prod\" }", "map = { NAME = \"mailer\" }"]);
    // Of two, neither.
    edit(&host, "staging", |e| drop(e.service("api-stage").image("three:1").build()));
    says(&refusal(&host, "production", Verb::Promote).await, &["map = { NAME = \"api-prod\" }"]);
}

#[tokio::test]
async fn only_images_that_could_be_one_s_own_are_listed() {
    let listed = |services: &'static [(&'static str, &'static str)]| {
        Host::of(MemoryBackend::builder().environment("staging", |e| {
            services.iter().for_each(|(service, image)| drop(e.service(service).image(image)));
            drop(e.service("db").image("acme/postgres:15").postgres("ala", "ala"));
            e.running();
        }))
    };
    let text = refusal(&listed(&[("web", "acme/web:1"), ("cache", "redis:7")]), "staging", DEPLOY).await;
    says(&text, &["in ala-promote.toml: [services.web] promoted = true"]);
    let several = listed(&[("web", "acme/web:1"), ("worker", "acme/web:1"), ("proxy", "other/proxy:1")]);
    let expected = "[services.NAME] promoted = true, where NAME is one of yours among proxy, web";
    let text = refusal(&several, "staging", DEPLOY).await;
    says(&text, &[expected]);
    assert!(!text.contains("among db") && !text.contains("worker"), "{text}");
}

// Build parity

#[tokio::test]
async fn what_is_built_differently_for_a_reason_is_promoted_and_the_plan_says_why() {
    let mut host = Host::with_release(false).await;
    edit(&host, "production", |e| {
        drop(e.service("frontend").build_setting("args.STAGE", "x").build_setting("target", "small"));
    });
    let text = refusal(&host, "production", Verb::Promote).await;
    let line = "built_differently = { \"build.args.STAGE\" = \"…\", \"build.target\" = \"…\" }";
    says(&text, &["[isolation]", line]);
    let reasons = &mut host.settings.isolation.built_differently;
    reasons.insert("build.args.STAGE".into(), "only the footer shows it".into());
    let text = refusal(&host, "production", Verb::Promote).await;
    says(&text, &["built_differently = { \"build.target\" = \"…\" }"]);
    let reasons = &mut host.settings.isolation.built_differently;
    reasons.insert("build.target".into(), "it has the same files".into());
    let plan = passes(&host, "production", Verb::Promote).await;
    let evidence = &note(&plan, "build-parity").unwrap().evidence;
    let expected = ["build.args.STAGE: only the footer shows it", "build.target: it has the same files"];
    assert_eq!(*evidence, expected.map(|reason| format!("by the config: {reason}")));
    // Nothing is announced that will not come.
    assert_eq!(note(&passes(&host, "staging", DEPLOY).await, "build-parity"), None);
}

#[tokio::test]
async fn no_reason_excuses_another_source() {
    for key in ["context", "dockerfile_inline"] {
        let mut host = Host::with_release(false).await;
        edit(&host, "production", |e| drop(e.service("frontend").build_setting(key, "other")));
        let reasons = &mut host.settings.isolation.built_differently;
        reasons.insert(format!("build.{key}"), "it is the same".into());
        let text = refusal(&host, "production", Verb::Promote).await;
        says(&text, &["[build-parity]", &format!("build.{key}")]);
        assert!(!text.contains("built_differently"), "{text}");
    }
}

#[tokio::test]
async fn what_is_built_differently_is_not_promoted_and_only_the_keys_are_named() {
    let differences: [(&str, &str); 4] = [
        ("args.VITE_API_URL", "s3cr3t"),
        ("target", "staging"),
        ("dockerfile", "Other"),
        ("context", "../other"),
    ];
    for (key, value) in differences {
        let host = Host::with_release(false).await;
        edit(&host, "production", |e| drop(e.service("frontend").build_setting(key, value)));
        let text = refusal(&host, "production", Verb::Promote).await;
        says(&text, &["[build-parity]", &format!("build.{key}"), "frontend", "run time"]);
        assert!(!text.contains("s3cr3t"));
        // Announced before the build is waited for.
        let early = passes(&host, "staging", DEPLOY).await;
        says(&note(&early, "build-parity").unwrap().reason, &["promotion to production will be refused"]);
        // A rollback promotes nothing.
        let host = Host::with_release(true).await;
        edit(&host, "production", |e| drop(e.service("frontend").build_setting(key, value)));
        passes(&host, "production", BACK).await;
    }
    let host = Host::with_release(false).await;
    edit(&host, "production", |e| {
        drop(e.service("frontend").build_setting("cache_from.0", "x").build_setting("pull", "true"));
    });
    passes(&host, "production", Verb::Promote).await;
    let host = Host::with_release(false).await;
    edit(&host, "production", |e| drop(e.service("frontend").without_build()));
    passes(&host, "production", Verb::Promote).await;
}

// Isolation

type Editing = fn(&mut EnvironmentEditor);

/// Edits that each let the two environments share something, and what is said of it.
const SHARED: [(Editing, Editing, &str); 9] = [
    (
        |e| drop(e.service("backend").port(9000, 9)),
        |e| drop(e.service("frontend").port(9000, 9)),
        "both publish port 9000",
    ),
    (
        |e| drop(e.service("db").container_name("db")),
        |e| drop(e.service("db").container_name("db")),
        "both name a container db",
    ),
    (
        |e| {
            e.volume("x", "data", false);
        },
        |e| {
            e.volume("y", "data", true);
        },
        "use the same volume data",
    ),
    (
        |e| {
            e.network("net", "shared", true);
            drop(e.service("db").network("net"));
        },
        |e| {
            e.network("other", "shared", true);
            drop(e.service("db").network("other"));
        },
        "share the network shared, where these names mean either: db",
    ),
    (
        |e| drop(e.service("backend").bind("uploads")),
        |e| drop(e.service("worker").bind("uploads/images")),
        "production and staging mount the same data of the host: ",
    ),
    (
        |_| {},
        |e| drop(e.service("frontend").image("ala-web:production")),
        "use the same image reference ala-web:production",
    ),
    (
        |e| {
            drop(
                e.service("backend")
                    .environment("URL", "postgres://a:pa55/w@rd@db.example.com:5432/ala?ssl=1"),
            )
        },
        |e| drop(e.service("worker").environment("DSN", "postgresql+psycopg://b:0ther@DB.example.com/ala")),
        "use the same database",
    ),
    (
        |_| {},
        |e| drop(e.service("backend").env_file(".env")),
        "service backend of staging gets the values of production",
    ),
    (
        |e| drop(e.service("backend").env_file(".env.staging")),
        |_| {},
        "service backend of production gets the values",
    ),
];

#[tokio::test]
async fn what_environments_share_is_refused_in_either_direction_and_holds_up_no_rollback_needlessly() {
    for (production, staging, expected) in SHARED {
        let host = Host::with_release(true).await;
        edit(&host, "production", production);
        edit(&host, "staging", staging);
        for (environment, verb) in [("staging", DEPLOY), ("production", Verb::Promote)] {
            let text = refusal(&host, environment, verb).await;
            says(&text, &["[isolation]"]);
            for secret in ["pa55", "rd@", "0ther"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
        says(&refusal(&host, "staging", DEPLOY).await.replace("staging and production", ""), &[expected]);
        if expected.contains("image reference") {
            says(&refusal(&host, "production", BACK).await, &[expected]);
        } else {
            let plan = passes(&host, "production", BACK).await;
            assert!(note(&plan, "isolation").is_some(), "{expected}");
        }
    }
}

#[tokio::test]
async fn one_project_for_both_is_refused_even_for_a_rollback() {
    let host = Host::with_release(true).await;
    act(&host, |state| state.containers.retain(|_, c| c.stack.environment.as_str() == "production"));
    edit(&host, "staging", |e| {
        e.project("ala");
    });
    for (environment, verb) in [("staging", DEPLOY), ("production", Verb::Promote), ("production", BACK)] {
        says(
            &refusal(&host, environment, verb).await,
            &["are the same Compose project, ala", "COMPOSE_PROJECT_NAME"],
        );
    }
}

#[tokio::test]
async fn what_only_looks_alike_is_not_shared() {
    let host = Host::with_release(false).await;
    for (environment, ip) in [("staging", "127.0.0.1"), ("production", "192.0.2.1")] {
        edit(&host, environment, |e| {
            let port = PortMapping {
                host_ip: Some(ip.into()),
                published: Some(9000),
                target: 9,
                protocol: "tcp".into(),
            };
            e.service("backend").port_mapping(port).environment("URL", "postgres://a:b@db:5432/ala");
            e.service("cache").image("postgres:15");
        });
    }
    passes(&host, "production", Verb::Promote).await;
    passes(&host, "staging", DEPLOY).await;
}

#[tokio::test]
async fn a_broken_staging_holds_up_neither_a_rollback_nor_the_status_of_production() {
    let host = Host::with_release(true).await;
    edit(&host, "staging", |e| {
        e.broken("line 7: mapping values are not allowed here");
    });
    let text = host.plan("production", Verb::Promote).await.unwrap_err().to_string();
    says(&text, &["docker-compose.staging.yml", "line 7"]);
    assert!(host.engine().status(&"production".parse().unwrap()).await.unwrap().is_good());
    // Also where production's files build nothing.
    for service in ["backend", "frontend"] {
        edit(&host, "production", |e| drop(e.service(service).without_build()));
    }
    committed(host.operate("production", BACK).await);
}

// Ports

/// Staging's files, as Compose merges them: the base's ports and the overlay's.
fn inheriting(host: &Host) {
    edit(host, "staging", |e| {
        drop(e.service("backend").port(5000, 5000));
        drop(e.service("frontend").port(80, 80));
    });
}

#[tokio::test]
async fn ports_inherited_from_the_base_and_mapped_elsewhere_are_left_out_and_named() {
    let host = Host::new();
    inheriting(&host);
    let plan = passes(&host, "staging", DEPLOY).await;
    let found = note(&plan, "stack-changes").unwrap();
    assert_eq!(found.evidence, ["backend: 5000 -> 5000/tcp", "frontend: 80 -> 80/tcp"]);
    assert_eq!(plan.stack.as_ref().unwrap().changes.len(), 2);
    committed(host.operate("staging", DEPLOY).await);
    let state = host.world.state();
    let staging = state.containers.values().filter(|c| c.stack.environment.as_str() == "staging");
    let ports: Vec<u16> = staging.flat_map(|c| c.config.ports.iter().filter_map(|p| p.published)).collect();
    assert!(!ports.contains(&80) && !ports.contains(&5000), "{ports:?}");
}

#[tokio::test]
async fn a_port_that_is_inherited_and_mapped_nowhere_else_is_refused() {
    let host = Host::new();
    edit(&host, "staging", |e| drop(e.service("backend").without_ports().port(5000, 5000)));
    says(&refusal(&host, "staging", DEPLOY).await, &["both publish port 5000", "services.backend.ports"]);
    // Two ports of the base for one target: neither is the overlay's own.
    let host = Host::new();
    edit(&host, "production", |e| drop(e.service("frontend").port(8000, 80)));
    edit(&host, "staging", |e| drop(e.service("frontend").without_ports().port(80, 80).port(8000, 80)));
    says(&refusal(&host, "staging", DEPLOY).await, &["both publish ports 80, 8000"]);
}

/// Production's files and staging's, each with the same fixed name and the same ports.
fn colliding(host: &Host) {
    for environment in ["production", "staging"] {
        edit(host, environment, |e| {
            drop(e.service("backend").without_ports().port(5000, 5000).container_name("api"));
            drop(e.service("frontend").without_ports().port(60000, 80));
        });
    }
}

#[tokio::test]
async fn what_stands_beside_another_is_moved_out_of_its_way_and_the_plan_says_so() {
    let mut host = Host::new();
    colliding(&host);
    says(
        &refusal(&host, "staging", DEPLOY).await,
        &[
            "both publish ports 5000, 60000",
            "[environments.staging] beside = { port_offset = 1000 }",
            "both name a container api",
            "[environments.staging] beside = { container_suffix = \"-staging\" }",
        ],
    );
    let beside = Beside {
        port_offset: NonZeroU16::new(5000),
        container_suffix: Some("-staging".into()),
        ..Beside::default()
    };
    host.settings.environments.get_mut("staging").unwrap().beside = Some(beside);
    let plan = passes(&host, "staging", DEPLOY).await;
    let expected = [
        "backend: 5000 becomes 10000 -> 5000/tcp",
        "frontend: 60000 becomes 65000 -> 80/tcp",
        "backend: api becomes api-staging",
    ];
    assert_eq!(note(&plan, "stack-changes").unwrap().evidence, expected);
    committed(host.operate("staging", DEPLOY).await);
    let state = host.world.state();
    let running = state.containers.values().filter(|c| c.stack.environment.as_str() == "staging");
    let ports: Vec<u16> = running.flat_map(|c| c.config.ports.iter().filter_map(|p| p.published)).collect();
    assert!(ports.contains(&10000) && ports.contains(&65000), "{ports:?}");
    // Production, whose files are as they were, is not moved; staging is seen as it is.
    let plan = passes(&host, "production", Verb::Promote).await;
    assert_eq!(plan.stack.as_ref().unwrap().changes, []);
}

#[tokio::test]
async fn an_image_that_another_calls_the_same_is_called_otherwise_and_never_moves_the_other_s() {
    let mut host = Host::new();
    let called = "ala-api:latest";
    for environment in ["production", "staging"] {
        for service in ["backend", "worker"] {
            edit(&host, environment, |e| drop(e.service(service).image(called)));
        }
    }
    let expected = "[environments.staging] beside = { image_suffix = \"-staging\" }";
    says(&refusal(&host, "staging", DEPLOY).await, &["same image reference ala-api:latest", expected]);
    let beside = Beside { image_suffix: Some("-staging".into()), ..Beside::default() };
    host.settings.environments.get_mut("staging").unwrap().beside = Some(beside);
    let plan = passes(&host, "staging", DEPLOY).await;
    let expected = ["backend", "worker"].map(|s| format!("{s}: {called} becomes {called}-staging"));
    assert_eq!(note(&plan, "stack-changes").unwrap().evidence, expected);
    let first = host.world.running("production")["backend"][0].clone();
    act(&host, |state| drop(state.references.insert(called.parse().unwrap(), first.clone())));
    host.deploy("second").await;
    let (first, tested) = (Some(first), host.world.image("ala-api:latest-staging"));
    assert!(tested.is_some() && tested != first);
    assert_eq!(host.world.image(called), first);
    host.promote().await;
    assert_eq!(host.world.image(called), tested);
    committed(host.operate("production", BACK).await);
    assert_eq!((host.world.image(called), host.world.image("ala-api:latest-staging")), (first, tested));
}

#[tokio::test]
async fn one_image_by_two_spellings_is_one() {
    let mut host = Host::new();
    edit(&host, "staging", |e| drop(e.service("frontend").image("docker.io/team/app:latest")));
    edit(&host, "production", |e| drop(e.service("frontend").image("team/app:latest")));
    let text = refusal(&host, "staging", DEPLOY).await;
    says(&text, &["same image reference team/app:latest"]);
    let staging = host.settings.environments.get_mut("staging").unwrap();
    staging.beside = Some(Beside { image_suffix: Some("-two".into()), ..Beside::default() });
    let plan = passes(&host, "staging", DEPLOY).await;
    let expected = ["frontend: docker.io/team/app:latest becomes docker.io/team/app:latest-two"];
    assert_eq!(note(&plan, "stack-changes").unwrap().evidence, expected);
    // A name is taken in either spelling.
    edit(&host, "production", |e| drop(e.service("db").image("index.docker.io/team/app:latest-two")));
    says(&refusal(&host, "staging", DEPLOY).await, &["same image reference"]);
}

#[tokio::test]
async fn no_image_gets_the_name_that_production_goes_back_by() {
    let mut host = Host::new();
    for environment in ["production", "staging"] {
        edit(&host, environment, |e| drop(e.service("frontend").image("team/app:latest")));
    }
    let staging = host.settings.environments.get_mut("staging").unwrap();
    staging.beside = Some(Beside { image_suffix: Some("-old".into()), ..Beside::default() });
    says(&refusal(&host, "staging", DEPLOY).await, &["same image reference team/app:latest"]);
}

#[tokio::test]
async fn what_is_moved_out_of_the_way_of_an_environment_that_can_t_be_rendered_is_not_guessed() {
    let mut host = Host::with_release(false).await;
    host.deploy("third").await;
    edit(&host, "production", |e| {
        e.broken("line 7: mapping values are not allowed here");
    });
    passes(&host, "staging", BACK).await;
    let beside = Beside { image_suffix: Some("-staging".into()), ..Beside::default() };
    host.settings.environments.get_mut("staging").unwrap().beside = Some(beside);
    let expected = ["[stack-changes]", "what staging moves out of its way", "mend the files of production"];
    says(&refusal(&host, "staging", BACK).await, &expected);
    // Where env files are read depends on nobody else.
    let env_files = BTreeMap::from([(host.settings.dir.join(".env"), host.settings.dir.join("own.env"))]);
    edit(&host, "staging", |e| drop(e.service("backend").env_file(".env")));
    host.settings.environments.get_mut("staging").unwrap().beside =
        Some(Beside { env_files, ..Beside::default() });
    passes(&host, "staging", BACK).await;
}

#[tokio::test]
async fn the_line_for_env_files_says_where_they_lie() {
    let mut host = Host::new();
    edit(&host, "production", |e| {
        e.files(&["docker-compose.yml"], "live/.env");
    });
    let env_file = host.settings.dir.join("live/.env");
    host.settings.environments.get_mut("production").unwrap().env_file = Some(env_file);
    edit(&host, "staging", |e| drop(e.service("backend").env_file("live/.env")));
    let mend = "beside = { env_files = { \"live/.env\" = \".env.staging\" } }";
    says(&refusal(&host, "staging", DEPLOY).await, &[mend, "${ENV_FILE:-live/.env}"]);
}

#[tokio::test]
async fn services_read_another_env_file_where_the_config_says_so() {
    let mut host = Host::new();
    edit(&host, "staging", |e| drop(e.service("backend").env_file(".env")));
    let mend = "[environments.staging] beside = { env_files = { \".env\" = \".env.staging\" } }";
    says(&refusal(&host, "staging", DEPLOY).await, &[mend]);
    let dir = host.settings.dir.clone();
    let staging = host.settings.environments.get_mut("staging").unwrap();
    let env_files = BTreeMap::from([(dir.join(".env"), dir.join(".env.staging"))]);
    staging.beside = Some(Beside { env_files, ..Beside::default() });
    let plan = passes(&host, "staging", DEPLOY).await;
    assert_eq!(note(&plan, "stack-changes").unwrap().evidence, ["backend"]);
    let stack = plan.stack.as_ref().unwrap();
    assert!(stack.derived_file.is_some() && stack.service_env_files.len() == 1);
    committed(host.operate("staging", DEPLOY).await);
    // One that nobody reads is a mistake.
    let env_files = BTreeMap::from([(dir.join("other.env"), dir.join("x.env"))]);
    host.settings.environments.get_mut("staging").unwrap().beside =
        Some(Beside { env_files, ..Beside::default() });
    says(
        &refusal(&host, "staging", DEPLOY).await,
        &["no service of staging reads", "in the place of", "other.env"],
    );
}

#[tokio::test]
async fn a_folder_of_both_is_refused_unless_it_is_only_read_or_meant() {
    let bind = |read_only| Bind { source: "data".into(), target: "/data".into(), read_only, is_folder: true };
    // Who writes: production, staging.
    for (production, staging, is_refused) in
        [(true, true, true), (false, true, true), (true, false, false), (false, false, false)]
    {
        let mut host = Host::new();
        edit(&host, "production", |e| drop(e.service("backend").bind_at(bind(!production))));
        edit(&host, "staging", |e| drop(e.service("backend").bind_at(bind(!staging))));
        if !is_refused {
            passes(&host, "staging", DEPLOY).await;
            continue;
        }
        let folder = host.settings.dir.join("data");
        let line = format!("[isolation] shared_binds = [\"{}\"]", folder.display());
        says(
            &refusal(&host, "staging", DEPLOY).await,
            &["mount the same data of the host: ", "`:ro`", &line],
        );
        host.settings.isolation.shared_binds.insert(folder);
        passes(&host, "staging", DEPLOY).await;
    }
}

#[tokio::test]
async fn who_reads_the_whole_host_is_in_nobody_s_way() {
    let bind = |path: &str, read_only| Bind {
        source: path.into(),
        target: "/data".into(),
        read_only,
        is_folder: true,
    };
    let host = Host::new();
    edit(&host, "production", |e| drop(e.service("backend").bind_at(bind("/", true))));
    edit(&host, "staging", |e| drop(e.service("backend").bind_at(bind("/srv/data", false))));
    passes(&host, "staging", DEPLOY).await;
    // But not who reads a part of what is written.
    edit(&host, "production", |e| drop(e.service("worker").bind_at(bind("/srv/data/shared", true))));
    says(&refusal(&host, "staging", DEPLOY).await, &["mount the same data of the host: "]);
}

#[tokio::test]
async fn which_of_two_that_are_alike_is_moved_people_say() {
    let mut host = Host::new();
    colliding(&host);
    host.settings.environments.get_mut("staging").unwrap().protected = true;
    let plan = host.plan("staging", DEPLOY).await;
    let ala_promote_core::engine::EngineError::Refused(refusal) = plan.unwrap_err() else {
        panic!("refused")
    };
    let lines: Vec<_> = refusal.findings.iter().flat_map(|finding| &finding.config).collect();
    assert!(lines.iter().any(|line| line.key == "port_offset" && line.table[1] == "staging"), "{lines:?}");
    assert!(lines.iter().all(|line| line.if_so.is_some()), "{lines:?}");
}

#[tokio::test]
async fn what_is_built_in_production_and_pulled_in_staging_is_not_passed_over() {
    let host = Host::with_release(false).await;
    let image = "registry.example.com/ala-api";
    edit(&host, "production", |e| drop(e.service("backend").image(&format!("{image}:production")).build()));
    edit(&host, "staging", |e| drop(e.service("backend").image(&format!("{image}:staging")).without_build()));
    let text = refusal(&host, "production", Verb::Promote).await;
    says(&text, &["no service of staging is known to build the image of backend", "take `build` out of"]);
}

#[tokio::test]
async fn an_image_without_origin_is_one_s_own_where_its_tags_name_the_environments() {
    let host = Host::new();
    for (environment, own, foreign) in
        [("production", "toolkit:production", "nginx:latest"), ("staging", "toolkit:staging", "nginx:alpine")]
    {
        edit(&host, environment, |e| drop(e.service("toolkit").image(own)));
        edit(&host, environment, |e| drop(e.service("proxy").image(foreign)));
    }
    let absent = "toolkit:staging".parse().unwrap();
    act(&host, |state| drop(state.references.remove(&absent)));
    says(&refusal(&host, "staging", DEPLOY).await, &["there is no image toolkit:staging to deploy without"]);
    let image = host.world.image("ala-api:staging").unwrap();
    act(&host, |state| drop(state.references.insert(absent.clone(), image)));
    let images = passes(&host, "staging", DEPLOY).await.release.unwrap().images;
    assert!(images.contains_key("toolkit") && !images.contains_key("proxy"), "{images:?}");
}

#[tokio::test]
async fn an_image_named_by_digest_is_left_alone() {
    let host = Host::new();
    for environment in ["production", "staging"] {
        edit(&host, environment, |e| drop(e.service("cache")));
    }
    let plan = passes(&host, "staging", DEPLOY).await;
    assert!(!plan.release.unwrap().images.contains_key("cache"));
}

#[tokio::test]
async fn what_stands_beside_another_says_its_files() {
    let mut host = Host::new();
    let staging = host.settings.environments.get_mut("staging").unwrap();
    staging.files = ComposeFiles::AsRunning;
    staging.beside = Some(Beside { port_offset: NonZeroU16::new(5000), ..Beside::default() });
    let expected = "[environments.staging] files = [\"docker-compose.yml\", \"docker-compose.staging.yml\"]";
    says(&refusal(&host, "staging", DEPLOY).await, &["does not say its files", expected]);
}

#[tokio::test]
async fn a_container_that_another_lives_in_by_name_is_not_renamed() {
    let mut host = Host::new();
    colliding(&host);
    edit(&host, "staging", |e| drop(e.service("frontend").network_mode("container:api")));
    let beside = Beside {
        port_offset: NonZeroU16::new(5000),
        container_suffix: Some("-staging".into()),
        ..Beside::default()
    };
    host.settings.environments.get_mut("staging").unwrap().beside = Some(beside);
    says(&refusal(&host, "staging", DEPLOY).await, &["both name a container api"]);
}

#[tokio::test]
async fn a_port_that_can_t_be_moved_is_refused() {
    let mut host = Host::new();
    colliding(&host);
    edit(&host, "staging", |e| drop(e.service("frontend").port(15000, 81)));
    let beside = Beside {
        port_offset: NonZeroU16::new(10000),
        container_suffix: Some("-staging".into()),
        ..Beside::default()
    };
    host.settings.environments.get_mut("staging").unwrap().beside = Some(beside);
    // There is no port 70000, and 15000 is taken by the stack itself.
    let expected =
        ["both publish ports 5000, 60000", "[environments.staging] beside = { port_offset = 1000 }"];
    says(&refusal(&host, "staging", DEPLOY).await, &expected);
    // Nor may a port be moved to one of the other's; one that was moved counts by where it was.
    edit(&host, "production", |e| drop(e.service("frontend").port(6000, 81)));
    let staging = host.settings.environments.get_mut("staging").unwrap();
    staging.beside.as_mut().unwrap().port_offset = NonZeroU16::new(1000);
    let expected = ["both publish port 5000", "[environments.staging] beside = { port_offset = 2000 }"];
    says(&refusal(&host, "staging", DEPLOY).await, &expected);
    // Of no offset that is tried all are free: none is shown.
    edit(&host, "production", |e| {
        for port in [5100, 7000, 10000, 15000] {
            e.service("frontend").port(port, port);
        }
    });
    let text = refusal(&host, "staging", DEPLOY).await;
    says(&text, &["both publish port", "publish other ports in one of them"]);
    assert!(!text.contains("port_offset"), "{text}");
}

#[tokio::test]
async fn no_offset_is_shown_that_a_third_environment_has_taken() {
    let document = MemoryBackend::ala_medical();
    let host = Host::of(document.environment("qa", |e| {
        e.from("staging");
        drop(e.service("web").image("qa:1").port(15000, 80).port(61000, 81));
    }));
    colliding(&host);
    let expected = "[environments.staging] beside = { port_offset = 2000 }";
    says(&refusal(&host, "staging", DEPLOY).await, &[expected]);
}

#[tokio::test]
async fn a_port_that_something_else_holds_is_refused_by_name() {
    let host = Host::new();
    edit(&host, "staging", |e| drop(e.service("backend").port(7000, 7)));
    host.world.occupy_port(7000, "nginx (process 12)").unwrap();
    let text = refusal(&host, "staging", DEPLOY).await;
    says(&text, &["[ports-free]", "port 7000", "backend", "nginx (process 12)"]);
    // Its own containers hold the others.
    assert_eq!(text.lines().count(), 1, "{text}");
}

// Database

#[tokio::test]
async fn a_database_that_can_not_be_backed_up_is_refused() {
    let host = Host::with_release(false).await;
    act(&host, |state| {
        let db = state.containers.values_mut().find(|c| c.name == "ala-db-1").unwrap();
        db.told = ala_promote_testkit::memory::Told::Stop(0);
    });
    says(
        &refusal(&host, "production", Verb::Promote).await,
        &["[database]", "the database db is down", "logs db"],
    );
    says(&refusal(&host, "production", DEPLOY).await, &["the database db is down"]);
    passes(&host, "staging", DEPLOY).await;

    let host = Host::with_release(false).await;
    host.world.insert_row("production", "db", &"x".repeat(10_000));
    act(&host, |state| state.free_bytes = 100);
    says(&refusal(&host, "production", Verb::Promote).await, &["there is not enough room for a backup"]);
    act(&host, |state| state.free_bytes = 5_000);
    says(
        &note(&passes(&host, "production", Verb::Promote).await, "database").unwrap().reason,
        &["may not fit"],
    );
}

/// Production with another database beside `db`.
pub(crate) async fn two_databases() -> Host {
    let host = Host::with_release(false).await;
    act(&host, |state| {
        let mut other = state.containers.values().find(|c| c.name == "ala-db-1").unwrap().clone();
        (other.id, other.name) = ("another".into(), "ala-other-1".into());
        other.service = "other".parse().unwrap();
        other.config.ports.clear();
        state.databases.insert((other.project().clone(), other.service.clone()), vec!["of other".into()]);
        state.containers.insert(other.id.clone(), other);
    });
    edit(&host, "production", |e| drop(e.service("other").image("postgres:15").postgres("other", "o")));
    host
}

fn one(service: &str) -> DatabaseChoice {
    DatabaseChoice::One(DatabaseSettings::Service(service.parse().unwrap()))
}

pub(crate) fn listed(services: &[&str]) -> DatabaseChoice {
    let services = services.iter().map(|name| DatabaseSettings::Service(name.parse().unwrap()));
    DatabaseChoice::Listed(services.collect())
}

#[tokio::test]
async fn of_several_databases_one_must_be_named() {
    let mut host = two_databases().await;
    let text = refusal(&host, "production", Verb::Promote).await;
    says(
        &text,
        &[
            "more than one service",
            "db: database ala as ala",
            "other: database other",
            "[[backup.databases]]; service = \"db\"; [[backup.databases]]; service = \"other\"",
        ],
    );
    host.settings.backup.database = one("db");
    passes(&host, "production", Verb::Promote).await;
    host.settings.backup.database = one("frontend");
    says(&refusal(&host, "production", Verb::Promote).await, &["frontend", "is no database of PostgreSQL"]);
    host.settings.backup.database = one("nobody");
    says(&refusal(&host, "production", Verb::Promote).await, &["nobody", "has no container"]);
    host.settings.backup.database = listed(&["db", "nobody"]);
    says(&refusal(&host, "production", Verb::Promote).await, &["nobody", "has no container"]);
    host.settings.backup.database = listed(&["db"]);
    let plan = passes(&host, "production", Verb::Promote).await;
    says(&note(&plan, "database").unwrap().reason, &["not backed up, by the config: other"]);
    host.settings.backup.database = DatabaseChoice::None { reason: "it is backed up elsewhere".into() };
    let plan = passes(&host, "production", Verb::Promote).await;
    says(&note(&plan, "database").unwrap().reason, &["it is backed up elsewhere"]);
}

#[tokio::test]
async fn volumes_without_a_database_need_a_word_in_the_config() {
    let host = Host::with_release(false).await;
    act(&host, |state| state.images.values_mut().for_each(|image| image.postgres = false));
    says(
        &refusal(&host, "production", Verb::Promote).await,
        &["data is kept in volumes", "volume db-data", "none ="],
    );
}

// State

#[tokio::test]
async fn a_ledger_that_is_not_the_remembered_one_is_refused() {
    let host = Host::with_release(false).await;
    passes(&host, "staging", DEPLOY).await;
    let dir = host.settings.dir.clone();
    let written: Witnessed = host.world.state().witness[&dir].clone();
    let cases = [
        (Witnessed { ledger: "another".into(), ..written.clone() }, "holds another ledger"),
        (Witnessed { seq: written.seq + 1, ..written.clone() }, "its end is missing"),
        (Witnessed { hash: "0".repeat(64), ..written.clone() }, "was written anew"),
    ];
    for (witnessed, expected) in cases {
        act(&host, |state| drop(state.witness.insert(dir.clone(), witnessed)));
        says(&refusal(&host, "staging", DEPLOY).await, &["[state-loss]", expected, "--new-ledger"]);
    }
    act(&host, |state| {
        let older = Witnessed { seq: written.seq - 1, hash: "1".repeat(64), ..written };
        state.witness.insert(dir.clone(), older);
    });
    passes(&host, "staging", DEPLOY).await;
}

/// Plans anew from what an engine saw, changed.
async fn planned_with(host: &Host, request: Request, change: fn(&mut Observed)) -> Result<Plan, Refusal> {
    let decided = Arc::new(Mutex::new(None));
    let sink = Arc::clone(&decided);
    let gate = move |input: &PlanInput<'_>| {
        let mut observed = input.observed.clone();
        change(&mut observed);
        *sink.lock().unwrap() = Some(plan::plan(&PlanInput { observed: &observed, ..*input }, &[]));
        Vec::new()
    };
    let engine = host.builder().gate(gate).build();
    engine.plan(&request).await.unwrap();
    decided.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn what_runs_from_an_image_that_is_gone_can_not_be_adopted() {
    let host = Host::new();
    let gone = |observed: &mut Observed| {
        let staging = observed.environments.get_mut("staging").unwrap();
        staging.containers.iter_mut().for_each(|container| container.image.layers.clear());
    };
    let refusal = planned_with(&host, crate::host::request("staging", DEPLOY), gone).await.unwrap_err();
    says(&refusal.to_string(), &["[adoption]", "the image that backend runs is gone"]);
}

// What is refused on a protected environment

#[tokio::test]
async fn what_is_handy_on_staging_is_refused_on_production() {
    let host = Host::new();
    let kept = Verb::Deploy { build: true, keep_failed: true };
    says(&refusal(&host, "production", kept).await, &["[protected]", "left running on production"]);
    says(&refusal(&host, "production", SKIP_BUILD).await, &["[protected]", "not tested on staging"]);
}

#[tokio::test]
async fn backups_in_a_build_context_are_refused() {
    let host = Host::new();
    let root = host.world.root().display().to_string();
    edit(&host, "production", |e| {
        e.service("backend").build_setting("context", &root);
    });
    says(&refusal(&host, "production", DEPLOY).await, &["[database]", "build context"]);
}
