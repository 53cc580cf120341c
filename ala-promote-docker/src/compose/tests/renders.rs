//! What both versions render means the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ala_promote_core::domain::{Render, Secret, ServiceSpec, StackRef};

use super::super::model::Model;
use super::super::render::Context;
use super::super::tool::Family;
use super::{Folder, RawFiles, composes, environment, is_v1};
use crate::compose::{Compose, LockSlot};
use crate::scrub::Scrubber;

const SAMPLE: &str = include_str!("../../../tests/compose/sample/compose.yml");
const ENV: &str = include_str!("../../../tests/compose/sample/.env.staging");
const EXTRA: &str = include_str!("../../../tests/compose/sample/.env.extra");
const OF_V1: &str = include_str!("../../../tests/compose/rendered-1.29.2.yml");
const OF_V2: &str = include_str!("../../../tests/compose/rendered-2.40.3.json");

fn sample() -> Folder {
    Folder::new(&[
        ("compose.yml", SAMPLE),
        (".env.staging", ENV),
        (".env.extra", EXTRA),
        ("app/more.env", "MORE=1\n"),
        ("app/Dockerfile", ""),
        ("app/Dockerfile.prod", ""),
    ])
}

/// The render of a captured output; it was captured in `/srv/app`, as project `pp`.
fn captured(family: Family) -> Render {
    let stack = StackRef {
        environment: "staging".parse().unwrap(),
        project: "pp".parse().unwrap(),
        dir: "/srv/app".into(),
        files: vec!["/srv/app/compose.yml".into()],
        env_file: Some("/srv/app/.env.staging".into()),
        service_env_files: BTreeMap::new(),
        changes: Vec::new(),
        derived_file: None,
    };
    let model: Model = match family {
        Family::One => serde_saphyr::from_str(OF_V1).unwrap(),
        Family::Two => serde_json::from_str(OF_V2).unwrap(),
    };
    let env_files = BTreeMap::from([("web".to_owned(), vec![PathBuf::from("/srv/app/.env.extra")])]);
    let scrub = Scrubber::default();
    let raw = RawFiles::read(Path::new("/srv/app"), &[]).unwrap();
    let separator = if family == Family::One { '_' } else { '-' };
    Context {
        stack: &stack,
        family,
        profiles: &["extra".into()],
        separator,
        env_files: &env_files,
        raw: &raw,
        scrub: &scrub,
    }
    .render(&model, Vec::new())
    .unwrap()
}

fn service<'a>(render: &'a Render, name: &str) -> &'a ServiceSpec {
    render.services.get(name).unwrap_or_else(|| panic!("no service {name}"))
}

fn ports(spec: &ServiceSpec) -> Vec<String> {
    let shown = |port: &ala_promote_core::domain::PortMapping| {
        let ip = port.host_ip.as_deref().unwrap_or("*");
        let published = port.published.map_or("?".into(), |p| p.to_string());
        format!("{ip}:{published}:{}/{}", port.target, port.protocol)
    };
    spec.ports.iter().map(shown).collect()
}

fn check_sample(render: &Render, dir: &Path) {
    let names: Vec<_> = render.services.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["db", "job", "web", "worker"], "the profile `debug` is not active, `extra` is");
    let web = service(render, "web");
    assert_eq!(web.image.as_ref().unwrap().to_string(), "ala-web:staging");
    assert_eq!(
        ports(web),
        [
            "*:?:3000/tcp",
            "*:53:53/udp",
            "*:8080:80/tcp",
            "*:8181:81/tcp",
            "127.0.0.1:9000:90/tcp",
            "127.0.0.1:9001:91/tcp",
            "::1:6000:6000/tcp"
        ]
    );
    let value = |key: &str| web.environment.get(key).map(Secret::reveal);
    assert_eq!(value("B"), Some("pa$word${x}"));
    assert_eq!(value("PASS"), Some("s3cret word"));
    assert_eq!(value("VERSION"), Some("1e5"));
    assert_eq!(value("URL"), Some("http://x/$y?a=b"));
    assert_eq!(value("D"), Some("default"));
    assert_eq!(value("EX2"), Some("quo ted"), "env files are part of the environment");
    assert_eq!(value("NOWHERE"), None);
    let build = web.build.as_ref().unwrap();
    let setting = |key: &str| build.settings.get(key).map(Secret::reveal);
    assert_eq!(setting("context"), Some(dir.join("app").to_str().unwrap()));
    assert_eq!(setting("dockerfile"), Some("Dockerfile.prod"));
    assert_eq!(setting("target"), Some("final"));
    assert_eq!(setting("args.API_URL"), Some("http://x/$y?a=b"));
    assert_eq!(setting("args.EMPTY"), Some(""));
    assert_eq!(setting("args.COMMIT"), Some("12e4"));
    assert_eq!(setting("labels"), Some(r#"{"a":"b"}"#));
    assert_eq!(setting("cache_from"), Some(r#"["x:y","z:w"]"#));
    let worker = service(render, "worker");
    assert_eq!(worker.build.as_ref().unwrap().settings["dockerfile"].reveal(), "Dockerfile");
    assert_eq!(worker.restart.as_deref(), Some("no"));
    assert_eq!(worker.networks, ["default"]);
    assert_eq!((web.replicas, worker.replicas, service(render, "db").replicas), (2, 3, 1));
    assert_eq!(web.depends_on["db"], "service_healthy");
    assert_eq!(worker.depends_on["db"], "service_started");
    assert_eq!(web.networks, ["back", "front"]);
    assert_eq!(web.volumes, ["data", "data2"]);
    let binds = web.binds.iter().map(|bind| bind.source.clone()).collect::<Vec<_>>();
    assert_eq!(binds, [PathBuf::from("/abs"), dir.join("app"), dir.join("app")]);
    assert_eq!(web.env_files, [dir.join(".env.extra")]);
    let healthchecks = ["web", "worker", "db", "job"].map(|name| service(render, name).healthcheck);
    assert_eq!(healthchecks, [true, false, false, false]);
    let db = service(render, "db");
    assert_eq!(db.container_name.as_deref(), Some("the-db"));
    assert_eq!(db.network_mode.as_deref(), Some("host"));
    assert!(db.networks.is_empty());
    assert_eq!(service(render, "job").image, None, "named by digest");
    let resources = |all: &BTreeMap<String, ala_promote_core::domain::Resource>| -> Vec<String> {
        all.iter().map(|(key, r)| format!("{key}={}{}", r.name, if r.external { "!" } else { "" })).collect()
    };
    assert_eq!(
        resources(&render.networks),
        ["back=shared-back", "default=pp_default", "elsewhere=elsewhere!", "front=pp_front"]
    );
    assert_eq!(resources(&render.volumes), ["data=pp_data", "data2=named-data"]);
}

#[test]
fn captured_renders_are_understood_alike() {
    let (one, mut two) = (captured(Family::One), captured(Family::Two));
    check_sample(&one, Path::new("/srv/app"));
    check_sample(&two, Path::new("/srv/app"));
    // The one difference that is meant: what each calls an image that only it builds.
    let worker = two.services.get_mut("worker").unwrap();
    assert_eq!(worker.image.as_ref().unwrap().to_string(), "pp-worker:latest");
    worker.image = Some("pp_worker".parse().unwrap());
    assert_eq!(one, two);
}

#[tokio::test]
async fn each_compose_renders_the_sample_alike() {
    let folder = sample();
    let stack = folder.stack("pp", &["compose.yml"], ".env.staging");
    let mut renders = Vec::new();
    for compose in composes().await {
        let mut render = compose.render(&stack).await.unwrap();
        check_sample(&render, &folder.dir().canonicalize().unwrap());
        assert_eq!(
            service(&render, "job").env_files,
            [folder.path(".env.extra"), folder.path("app/more.env")]
        );
        let default = if is_v1(&compose) { "pp_worker:latest" } else { "pp-worker:latest" };
        let worker = render.services.get_mut("worker").unwrap();
        assert_eq!(worker.image.take().unwrap().to_string(), default);
        renders.push(render);
    }
    match renders.as_slice() {
        [one, two] => assert_eq!(one, two),
        _ => eprintln!("SKIPPED: parity needs both docker-compose 1.29 and docker compose in PATH"),
    }
}

#[tokio::test]
async fn nothing_of_the_shell_changes_a_render() {
    for compose in composes().await {
        let folder = Folder::new(&[
            ("compose.yml", "services:\n  a:\n    image: x:${TAG}\n  b: {image: y, profiles: [p]}\n"),
            (".env", "TAG=from-default-file\nCOMPOSE_PROFILES=p\n"),
            (".env.staging", "TAG=right\n"),
        ]);
        let mut shell = compose.shell.clone();
        for (key, value) in [
            ("TAG", "from-shell"),
            ("COMPOSE_PROFILES", "p"),
            ("COMPOSE_FILE", "/nonexistent.yml"),
            ("COMPOSE_PROJECT_NAME", "other"),
        ] {
            shell.insert(key.into(), value.into());
        }
        let compose = Compose::detect(&shell, &compose.docker_host, LockSlot::default()).await.unwrap();
        let render = compose.render(&folder.stack("right", &["compose.yml"], ".env.staging")).await.unwrap();
        assert_eq!(service(&render, "a").image.as_ref().unwrap().to_string(), "x:right");
        assert_eq!(render.services.len(), 1);
        assert_eq!(render.networks["default"].name, "right_default");
        let note = render.notes.first().expect("a note");
        for name in ["COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "TAG"] {
            assert!(note.contains(name), "{note}");
        }
        assert!(!note.contains("from-shell"), "{note}");
    }
}

#[tokio::test]
async fn is_asked_again_only_when_something_changed() {
    for compose in composes().await {
        let folder = sample();
        let stack = folder.stack("pp", &["compose.yml"], ".env.staging");
        let first = compose.render(&stack).await.unwrap();
        assert_eq!(compose.cache(|cache| cache.renders.len()), 1);
        assert_eq!(compose.render(&stack).await.unwrap(), first);
        assert_eq!(compose.cache(|cache| cache.renders.len()), 1);
        // Each of the files counts, also those that only a service names.
        for (name, text) in [
            (".env.extra", "EX=other\n"),
            (".env.staging", &format!("{ENV}TAG=other\n")),
            ("compose.yml", &format!("{SAMPLE}x-more: 1\n")),
            ("app/more.env", "MORE=2\n"),
        ] {
            let before = compose.cache(|cache| cache.renders.len());
            folder.write(name, text);
            compose.render(&stack).await.unwrap();
            assert_eq!(compose.cache(|cache| cache.renders.len()), before + 1, "{name}");
        }
    }
}

#[tokio::test]
async fn overlays_are_merged_as_compose_does() {
    for compose in composes().await {
        let folder = Folder::new(&[
            ("a.yml", "services:\n  a:\n    image: x:1\n    ports: [\"80:80\"]\n    env_file: .env\n"),
            (
                "b.yml",
                "services:\n  a:\n    image: x:2\n    ports: [\"8080:80\"]\n    env_file: .env.staging\n",
            ),
            (".env", "SECRET=production-secret\n"),
            (".env.staging", "A=1\n"),
        ]);
        let render = compose.render(&folder.stack("p", &["a.yml", "b.yml"], ".env.staging")).await.unwrap();
        let a = service(&render, "a");
        assert_eq!(a.image.as_ref().unwrap().tag(), "2");
        assert_eq!(ports(a), ["*:80:80/tcp", "*:8080:80/tcp"]);
        assert_eq!(a.env_files, [folder.path(".env"), folder.path(".env.staging")]);
        assert_eq!(a.environment["SECRET"].reveal(), "production-secret");
    }
}

#[tokio::test]
async fn an_env_file_takes_the_place_of_one_that_is_given_and_seen() {
    for compose in composes().await {
        let folder = Folder::new(&[
            ("compose.yml", "services:\n  a:\n    image: x\n    env_file: [.env, sub/../prod.env]\n"),
            ("sub/x", ""),
            (
                "extends.yml",
                "services:\n  b:\n    extends: {file: \"${OTHER:-more}.yml\", service: b}\n    env_file: prod.env\n",
            ),
            ("more.yml", "services:\n  b:\n    image: x\n    env_file: prod.env\n"),
            ("prod.env", "SECRET=production\n"),
            (".env", "A=1\n"),
        ]);
        let refused = async |files: &[&str], given: &str| {
            let mut stack = folder.stack("p", files, ".env");
            stack.service_env_files = BTreeMap::from([(folder.path(given), folder.path(".env"))]);
            compose
                .render(&stack)
                .await
                .err()
                .map(|error| format!("{error} HINT {}", error.hint().unwrap_or_default()))
        };
        assert_eq!(refused(&["compose.yml"], "prod.env").await, None);
        // Though a service reads what should take its place.
        let error = refused(&["compose.yml"], "production.env").await.unwrap();
        assert!(error.contains("no service is given") && error.contains("production.env"), "{error}");
        assert!(error.contains("HINT correct `beside`"), "{error}");
        let error = refused(&["compose.yml", "extends.yml"], "prod.env").await.unwrap();
        assert!(error.contains("`env_file` entries") && error.contains("more"), "{error}");
    }
}

#[tokio::test]
async fn the_working_directory_is_the_folder() {
    for compose in composes().await {
        let folder = Folder::new(&[
            (
                "compose.yml",
                "services:\n  a:\n    image: x\n    volumes: [\"${PWD}/data:/data\", '/etc/passwd:/etc/passwd:ro']\n",
            ),
            (".env", ""),
        ]);
        let render = compose.render(&folder.stack("p", &["compose.yml"], ".env")).await.unwrap();
        let binds = &service(&render, "a").binds;
        let seen = |target: &str| {
            let bind = binds.iter().find(|bind| bind.target == target).unwrap();
            (bind.source.clone(), bind.read_only, bind.is_folder)
        };
        assert_eq!(seen("/data"), (folder.path("data"), false, true));
        assert_eq!(seen("/etc/passwd"), ("/etc/passwd".into(), true, false));
    }
}

#[tokio::test]
async fn images_without_a_name_are_named_as_compose_names_them() {
    for compose in composes().await {
        let folder = Folder::new(&[("compose.yml", "services:\n  a:\n    build: .\n"), (".env", "")]);
        let stack = folder.stack("p", &["compose.yml"], ".env");
        let separator = if is_v1(&compose) { "_" } else { "-" };
        let image = |render: &Render| service(render, "a").image.as_ref().unwrap().to_string();
        assert_eq!(image(&compose.render(&stack).await.unwrap()), format!("p{separator}a:latest"));
        folder.write(".env", "COMPOSE_COMPATIBILITY=true\n");
        assert_eq!(image(&compose.render(&stack).await.unwrap()), "p_a:latest");
    }
}

#[test]
fn raw_files_of_the_sample_are_understood() {
    let folder = sample();
    let raw = RawFiles::read(folder.dir(), &[folder.path("compose.yml")]).unwrap();
    assert!(raw.read.iter().all(|file| file.understood));
    assert!(!environment().is_empty());
}
