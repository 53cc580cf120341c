//! What an environment means, by what runs, by settings and by convention. No Compose is called but where said.

use std::collections::BTreeMap;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::config::{
    BackupSettings, ComposeFiles, DatabaseChoice, EnvFileChoice, EnvironmentSettings, HealthSettings,
    IsolationSettings, Retention, Settings,
};
use ala_promote_core::domain::StackRef;

use super::super::tool::Tool;
use super::{Folder, composes, is_v1};
use crate::compose::{Compose, LockSlot, RunningProject};

const BASE: &str = "services:\n  api: {build: ., image: 'api:production'}\n  db: {image: pg}\n";
const OVER: &str = "services:\n  api: {image: 'api:staging'}\n";
const ALONE: &str = "services:\n  api: {build: ., image: 'api:staging'}\n  db: {image: pg}\n";

/// A folder `app` with the usual files.
fn usual() -> Folder {
    Folder::new(&[
        ("app/docker-compose.yml", BASE),
        ("app/docker-compose.staging.yml", OVER),
        ("app/.env", "A=1\n"),
        ("app/.env.staging", "A=2\n"),
    ])
}

/// A Compose that can't be called.
fn uncallable(number: (u32, u32)) -> Compose {
    let tool = Tool {
        program: "/bin/false".into(),
        prefix: vec![],
        name: "fake".into(),
        version: "fake".into(),
        number,
    };
    Compose {
        tool,
        shell: BTreeMap::new(),
        docker_host: "unix:///nowhere".into(),
        lock: LockSlot::default(),
        cache: Default::default(),
    }
}

fn settings(folder: &Folder) -> Settings {
    let dir = folder.path("app");
    let environment = |name: &str, env_file: &str, files| EnvironmentSettings {
        name: name.parse().unwrap(),
        from: None,
        dir: dir.clone(),
        files,
        env_file: Some(dir.join(env_file)),
        env_file_choice: EnvFileChoice::Convention { rivals: Vec::new() },
        project: None,
        map: BTreeMap::new(),
        protected: name == "production",
        beside: None,
    };
    let overlay = ComposeFiles::OverlayOn {
        overlay: dir.join("docker-compose.staging.yml"),
        base: "production".parse().unwrap(),
    };
    let staging = environment("staging", ".env.staging", overlay);
    let mut production = environment("production", ".env", ComposeFiles::AsRunning);
    production.from = Some(staging.name.clone());
    Settings {
        isolation: IsolationSettings::default(),
        stack: None,
        state_dir: dir.join(".ala-promote"),
        hooks: Vec::new(),
        backup: BackupSettings { dir: dir.join("../backups"), database: DatabaseChoice::Detect },
        dir,
        environments: [staging, production].into_iter().map(|e| (e.name.clone(), e)).collect(),
        services: BTreeMap::new(),
        health: HealthSettings::default(),
        retention: Retention::default(),
        engine_address: None,
    }
}

fn runs(folder: &Folder, project: &str, files: &[&str], env_file: Option<&str>) -> RunningProject {
    RunningProject {
        project: project.parse().unwrap(),
        working_dir: folder.path("app"),
        config_files: files.iter().map(Into::into).collect(),
        environment_file: env_file.map(Into::into),
        containers: 2,
    }
}

async fn resolve(folder: &Folder, environment: &str, running: &[RunningProject]) -> BackendResult<StackRef> {
    resolve_with(&settings(folder), environment, running).await
}

async fn resolve_with(
    settings: &Settings,
    environment: &str,
    running: &[RunningProject],
) -> BackendResult<StackRef> {
    uncallable((2, 40)).resolve(settings, &environment.parse().unwrap(), running).await
}

#[tokio::test]
async fn an_overlay_of_the_base_alone_is_no_part_of_another() {
    let folder = usual();
    folder.write("app/docker-compose.prod.yml", "services:\n  api: {restart: always}\n");
    let started = ["docker-compose.yml", "docker-compose.prod.yml"];
    let running = [runs(&folder, "app", &started, Some(".env"))];
    assert_eq!(names(&resolve(&folder, "production", &running).await.unwrap()), started);
    let staging = resolve(&folder, "staging", &running).await.unwrap();
    assert_eq!(names(&staging), ["docker-compose.yml", "docker-compose.staging.yml"]);
}

#[tokio::test]
async fn where_nothing_tells_production_the_lines_to_choose_from_are_shown() {
    let folder = usual();
    folder.write("app/docker-compose.prod.yml", "services:\n  api: {restart: always}\n");
    let error = resolve(&folder, "production", &[]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Invalid);
    let hint = error.hint().unwrap();
    for line in [
        "[environments.production]",
        "files = [\"docker-compose.yml\", \"docker-compose.prod.yml\"]",
        "files = [\"docker-compose.yml\"]",
    ] {
        assert!(hint.lines().any(|found| found == line), "{hint}");
    }
}

fn project(settings: &mut Settings, environment: &str, project: &str) {
    settings.environments.get_mut(environment).unwrap().project = Some(project.parse().unwrap());
}

fn names(stack: &StackRef) -> Vec<String> {
    let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    stack.files.iter().map(name).collect()
}

fn assert_says(error: &BackendError, kind: BackendErrorKind, parts: &[&str]) {
    let text = format!("{error} HINT {}", error.hint().unwrap_or_default());
    assert_eq!(error.kind(), kind, "{text}");
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[tokio::test]
async fn by_convention_where_nothing_runs() {
    let folder = usual();
    let production = resolve(&folder, "production", &[]).await.unwrap();
    assert_eq!(production.project.as_str(), "app");
    assert_eq!(production.dir, folder.path("app"));
    assert_eq!(names(&production), ["docker-compose.yml"]);
    assert_eq!(production.env_file, Some(folder.path("app/.env")));
    let staging = resolve(&folder, "staging", &[]).await.unwrap();
    assert_eq!(staging.project.as_str(), "app-staging");
    assert_eq!(names(&staging), ["docker-compose.yml", "docker-compose.staging.yml"]);
    assert_eq!(staging.env_file, Some(folder.path("app/.env.staging")));
}

#[tokio::test]
async fn an_override_file_is_production_s_and_lies_below_no_overlay() {
    let folder = usual();
    folder.write("app/docker-compose.override.yml", "services: {}\n");
    let own = ["docker-compose.yml", "docker-compose.override.yml"];
    let over = ["docker-compose.yml", "docker-compose.staging.yml"];
    let with_override = ["docker-compose.yml", "docker-compose.override.yml", "docker-compose.staging.yml"];
    let production = runs(&folder, "app", &own, None);
    let staging = |files: &[&str]| runs(&folder, "app-staging", files, Some(".env.staging"));
    for (running, expected) in [
        (vec![], &over[..]),
        (vec![production.clone()], &over),
        (vec![production.clone(), staging(&over)], &over),
        // It was started so.
        (vec![production, staging(&with_override)], &with_override),
    ] {
        assert_eq!(names(&resolve(&folder, "production", &running).await.unwrap()), own);
        assert_eq!(names(&resolve(&folder, "staging", &running).await.unwrap()), expected);
    }
    // Over files of production's own names, too.
    std::fs::remove_file(folder.path("app/docker-compose.yml")).unwrap();
    std::fs::remove_file(folder.path("app/docker-compose.override.yml")).unwrap();
    folder.write("app/docker-compose.live.yml", BASE);
    let live = runs(&folder, "app", &["docker-compose.live.yml"], None);
    folder.write("app/compose.yaml", BASE);
    folder.write("app/compose.override.yaml", "services: {}\n");
    let error = resolve(&folder, "staging", &[live]).await.unwrap_err();
    let line = "files = [\"compose.yaml\", \"docker-compose.staging.yml\"]";
    assert_says(&error, BackendErrorKind::Conflict, &[line]);
}

#[tokio::test]
async fn env_files_choose_project_and_files() {
    let folder = usual();
    folder.write("app/.env", "COMPOSE_FILE=a.yml:b.yml\nCOMPOSE_PROJECT_NAME=shop\n");
    folder.write("app/a.yml", BASE);
    folder.write("app/b.yml", "services: {}\n");
    let production = resolve(&folder, "production", &[]).await.unwrap();
    assert_eq!(
        (production.project.as_str(), names(&production)),
        ("shop", vec!["a.yml".into(), "b.yml".into()])
    );
    let listed = "COMPOSE_FILE=a.yml:docker-compose.staging.yml\n";
    folder.write("app/.env.staging", listed);
    let staging = resolve(&folder, "staging", &[]).await.unwrap();
    assert_eq!(staging.project.as_str(), "shop-staging");
    assert_eq!(names(&staging), ["a.yml", "docker-compose.staging.yml"]);
    folder.write("app/.env.staging", &format!("{listed}COMPOSE_PROJECT_NAME=\"shop-qa\"\n"));
    assert_eq!(resolve(&folder, "staging", &[]).await.unwrap().project.as_str(), "shop-qa");
    folder.write("app/.env", "COMPOSE_FILE=a.yml,b.yml\nCOMPOSE_PATH_SEPARATOR=,\n");
    assert_eq!(names(&resolve(&folder, "production", &[]).await.unwrap()), ["a.yml", "b.yml"]);
}

#[tokio::test]
async fn a_name_in_the_file_is_the_project_with_v2() {
    let folder = usual();
    folder.write("app/docker-compose.yml", &format!("name: named\n{BASE}"));
    assert_eq!(resolve(&folder, "production", &[]).await.unwrap().project.as_str(), "named");
    assert_eq!(resolve(&folder, "staging", &[]).await.unwrap().project.as_str(), "named-staging");
    let one = uncallable((1, 29)).resolve(&settings(&folder), &"production".parse().unwrap(), &[]).await;
    assert_eq!(one.unwrap().project.as_str(), "app");
}

#[tokio::test]
async fn values_that_need_reading_are_read_by_compose() {
    let folder = usual();
    folder.write("app/.env", "APP=shop\nCOMPOSE_PROJECT_NAME=\"${APP}-live\"\n");
    for compose in composes().await {
        let stack = compose.resolve(&settings(&folder), &"production".parse().unwrap(), &[]).await.unwrap();
        assert_eq!(stack.project.as_str(), "shop-live", "{}", compose.describe());
    }
    folder.write("app/.env", "APP=shop\n");
    folder.write("app/docker-compose.yml", &format!("name: ${{APP}}-file\n{BASE}"));
    for compose in composes().await.into_iter().filter(|compose| !is_v1(compose)) {
        let stack = compose.resolve(&settings(&folder), &"production".parse().unwrap(), &[]).await.unwrap();
        assert_eq!(stack.project.as_str(), "shop-file");
    }
}

#[tokio::test]
async fn what_runs_is_adopted() {
    let folder = usual();
    folder.write("app/prod.yml", BASE);
    folder.write("app/.env.prod", "A=1\n");
    // v1 writes relative paths, v2 absolute ones.
    let mut running = runs(&folder, "by-hand", &["prod.yml"], Some(".env.prod"));
    for absolute in [false, true] {
        if absolute {
            running.config_files = vec![folder.path("app/prod.yml")];
            running.environment_file = Some(folder.path("app/.env.prod"));
        }
        let production = resolve(&folder, "production", std::slice::from_ref(&running)).await.unwrap();
        assert_eq!(production.project.as_str(), "by-hand");
        assert_eq!(production.files, [folder.path("app/prod.yml")]);
        assert_eq!(production.env_file, Some(folder.path("app/.env.prod")));
    }
    std::fs::remove_file(folder.path("app/docker-compose.yml")).unwrap();
    let staging = resolve(&folder, "staging", std::slice::from_ref(&running)).await.unwrap();
    assert_eq!(staging.project.as_str(), "by-hand-staging");
    assert_eq!(names(&staging), ["prod.yml", "docker-compose.staging.yml"]);
    assert_eq!(staging.env_file, Some(folder.path("app/.env.staging")));
}

#[tokio::test]
async fn staging_beside_it_is_not_taken_for_production() {
    let folder = usual();
    let both = [
        runs(&folder, "app", &["docker-compose.yml"], None),
        runs(
            &folder,
            "app-staging",
            &["docker-compose.yml", "docker-compose.staging.yml"],
            Some(".env.staging"),
        ),
    ];
    assert_eq!(resolve(&folder, "production", &both).await.unwrap().project.as_str(), "app");
    assert_eq!(resolve(&folder, "staging", &both).await.unwrap().project.as_str(), "app-staging");
    // Staging alone is up.
    assert_eq!(resolve(&folder, "production", &both[1..]).await.unwrap().project.as_str(), "app");
}

#[tokio::test]
async fn containers_started_by_us_and_by_hand_agree() {
    let folder = usual();
    let ways = [
        runs(&folder, "app", &["docker-compose.yml"], None),
        runs(&folder, "app", &[folder.path("app/docker-compose.yml").to_str().unwrap()], Some(".env")),
    ];
    assert_eq!(resolve(&folder, "production", &ways).await.unwrap().project.as_str(), "app");
}

#[tokio::test]
async fn a_folder_reached_by_a_link_is_the_same() {
    let folder = usual();
    std::os::unix::fs::symlink(folder.path("app"), folder.path("link")).unwrap();
    let running = RunningProject {
        working_dir: folder.path("link"),
        ..runs(&folder, "mine", &["docker-compose.yml"], None)
    };
    let production = resolve(&folder, "production", &[running]).await.unwrap();
    assert_eq!(production.project.as_str(), "mine");
    assert_eq!(production.dir, folder.path("link"), "spelt as on the containers");
}

#[tokio::test]
async fn what_can_t_be_decided_is_refused() {
    let folder = usual();
    let one = runs(&folder, "one", &["docker-compose.yml"], None);
    let two = runs(&folder, "two", &["docker-compose.yml"], None);
    let error = resolve(&folder, "production", &[one.clone(), two.clone()]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["`one`", "`two`", "set `project`"]);
    // Named, it is decided.
    let mut named = settings(&folder);
    project(&mut named, "production", "two");
    let stack = resolve_with(&named, "production", &[one.clone(), two]).await.unwrap();
    assert_eq!(stack.project.as_str(), "two");
    // What is named does not run, but another one does.
    let error = resolve_with(&named, "production", std::slice::from_ref(&one)).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["ala-promote.toml", "`two`", "`one`"]);
    folder.write("app/.env", "COMPOSE_PROJECT_NAME=two\n");
    let error = resolve(&folder, "production", std::slice::from_ref(&one)).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["COMPOSE_PROJECT_NAME", "`two`", "`one`"]);
    // Parts of it were started from other files.
    folder.write("app/.env", "");
    folder.write("app/debug.yml", BASE);
    let other = runs(&folder, "one", &["docker-compose.yml", "debug.yml"], None);
    let error = resolve(&folder, "production", &[one, other]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["different files", "debug.yml"]);
}

#[tokio::test]
async fn staging_under_another_name_is_refused() {
    let folder = usual();
    let overlaid = ["docker-compose.yml", "docker-compose.staging.yml"];
    let by_hand = runs(&folder, "qa", &overlaid, None);
    let error = resolve(&folder, "staging", std::slice::from_ref(&by_hand)).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["`app-staging`", "`qa`", "project = \"qa\""]);
    let mut named = settings(&folder);
    project(&mut named, "staging", "qa");
    let stack = resolve_with(&named, "staging", &[by_hand]).await.unwrap();
    assert_eq!(stack.project.as_str(), "qa");
}

#[tokio::test]
async fn what_was_started_without_inherited_ports_is_staging() {
    let folder = usual();
    folder.write("app/.ala-promote/compose/staging.json", "{}");
    let derived = [".ala-promote/compose/staging.json"];
    let running = |project| runs(&folder, project, &derived, Some(".env.staging"));
    let production = runs(&folder, "app", &["docker-compose.yml"], None);
    let both = [production.clone(), running("app-staging")];
    assert_eq!(resolve(&folder, "production", &both).await.unwrap().project.as_str(), "app");
    let staging = resolve(&folder, "staging", &both).await.unwrap();
    assert_eq!(names(&staging), ["docker-compose.yml", "docker-compose.staging.yml"]);
    let error = resolve(&folder, "staging", &[running("qa")]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["`app-staging`", "`qa`"]);
    let error = resolve(&folder, "production", &[production, running("app")]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["files of staging", "staging.json"]);
    // With files of its own it is known again by that file, too.
    let mut exact = settings(&folder);
    let files = vec![folder.path("app/docker-compose.yml"), folder.path("app/docker-compose.staging.yml")];
    exact.environments.get_mut("staging").unwrap().files = ComposeFiles::Exactly(files.clone());
    let stack = resolve_with(&exact, "staging", &[running("qa")]).await.unwrap();
    assert_eq!((stack.project.as_str(), stack.files), ("qa", files));
}

#[tokio::test]
async fn one_project_for_both_is_refused() {
    let folder = usual();
    // The document's flaw: staging was started into production's project.
    let mixed = [
        runs(&folder, "app", &["docker-compose.yml"], None),
        runs(&folder, "app", &["docker-compose.yml", "docker-compose.staging.yml"], None),
    ];
    for environment in ["staging", "production"] {
        for running in [&mixed[..], &mixed[1..]] {
            let error = resolve(&folder, environment, running).await.unwrap_err();
            assert_says(&error, BackendErrorKind::Conflict, &["`app`", "docker-compose.staging.yml"]);
        }
    }
    // Both env files name the same.
    folder.write("app/.env", "COMPOSE_PROJECT_NAME=same\n");
    folder.write("app/.env.staging", "COMPOSE_PROJECT_NAME=same\n");
    let running = runs(&folder, "same", &["docker-compose.yml"], None);
    for environment in ["staging", "production"] {
        for running in [&[][..], std::slice::from_ref(&running)] {
            let error = resolve(&folder, environment, running).await.unwrap_err();
            assert_says(&error, BackendErrorKind::Conflict, &["staging", "production", "`same`"]);
        }
    }
}

#[tokio::test]
async fn a_project_of_another_folder_is_not_taken_over() {
    let folder = usual();
    let foreign = RunningProject {
        working_dir: "/srv/other/app".into(),
        ..runs(&folder, "app", &["docker-compose.yml"], None)
    };
    let error = resolve(&folder, "production", &[foreign]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["`app`", "/srv/other/app", "COMPOSE_PROJECT_NAME"]);
}

#[tokio::test]
async fn what_is_gone_is_named() {
    let folder = usual();
    let running = runs(&folder, "app", &["gone.yml"], None);
    let error = resolve(&folder, "production", &[running]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Invalid, &["gone.yml", "`app`"]);
    folder.write("app/.env.staging.example", "");
    std::fs::remove_file(folder.path("app/.env.staging")).unwrap();
    let error = resolve(&folder, "staging", &[]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Invalid, &["cp .env.staging.example .env.staging"]);
    // Staging does not need production's env file.
    folder.write("app/.env.staging", "");
    std::fs::remove_file(folder.path("app/.env")).unwrap();
    assert_eq!(resolve(&folder, "staging", &[]).await.unwrap().project.as_str(), "app-staging");
    assert_says(
        &resolve(&folder, "production", &[]).await.unwrap_err(),
        BackendErrorKind::Invalid,
        &["app/.env does not exist"],
    );
    std::fs::remove_file(folder.path("app/docker-compose.staging.yml")).unwrap();
    let error = resolve(&folder, "staging", &[]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Invalid, &["docker-compose.staging.yml does not exist"]);
    std::fs::remove_file(folder.path("app/docker-compose.yml")).unwrap();
    let error = resolve(&folder, "production", &[]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Invalid, &["no Compose file", "--dir"]);
}

#[tokio::test]
async fn a_file_that_is_a_whole_stack_stands_alone() {
    let folder = usual();
    for (text, alone) in [
        (ALONE, true),
        // Only other names for images: the base's builds are wanted.
        (OVER, false),
        ("services:\n  api: {image: x}\n  db: {image: pg}\n", false),
        ("services:\n  api: {build: .}\n  db: {ports: []}\n", false),
        ("services: {}\n", false),
        // It says neither what is built nor how the image is called.
        ("services:\n  api: {build: {args: {A: b}}}\n  db: {image: pg}\n", false),
        // The volume is the base's.
        ("services:\n  api: {build: .}\n  db: {image: pg, volumes: ['data:/data']}\n", false),
    ] {
        folder.write("app/docker-compose.staging.yml", text);
        let staging = resolve(&folder, "staging", &[]).await.unwrap();
        assert_eq!(staging.files.len() == 1, alone, "{text}");
    }
    // Under other names it may be either.
    folder.write("app/docker-compose.staging.yml", "services:\n  api-staging: {build: .}\n");
    let error = resolve(&folder, "staging", &[]).await.unwrap_err();
    let alone = "files = [\"docker-compose.staging.yml\"]";
    let over = "files = [\"docker-compose.yml\", \"docker-compose.staging.yml\"]";
    assert_says(&error, BackendErrorKind::Conflict, &["can't be told", alone, over]);
    folder.write("app/docker-compose.staging.yml", "services:\n  proxy: {ports: []}\n");
    assert_eq!(resolve(&folder, "staging", &[]).await.unwrap().files.len(), 2);
}

#[tokio::test]
async fn a_whole_stack_that_leaves_something_out_may_be_either() {
    let folder = usual();
    let base = "name: shop\nservices:\n  api: {build: ./api}\n  web: {build: ./web}\n  db: {image: pg}\n  proxy: {image: nginx}\n";
    folder.write("app/docker-compose.yml", base);
    let alone = "files = [\"docker-compose.staging.yml\"]";
    let over = "files = [\"docker-compose.yml\", \"docker-compose.staging.yml\"]";
    for (text, asked) in [
        // It builds again what it has of the base's builds.
        ("services:\n  api: {build: api}\n  web: {build: ./web}\n  db: {image: pg}\n", true),
        (
            "services:\n  api: {build: {context: ., dockerfile: staging}, depends_on: [db]}\n  db: {image: pg}\n",
            true,
        ),
        // One that replaces builds by images, and has all services.
        (
            "services:\n  api: {build: api}\n  web: {image: x}\n  db: {image: pg}\n  proxy: {image: nginx}\n",
            true,
        ),
        // A name of its own.
        ("name: shop-staging\nservices:\n  api: {image: x}\n", true),
        ("name: shop\nservices:\n  api: {image: x}\n", false),
        // Other images, a build of something else, and what differs between the two.
        ("services:\n  api: {image: x}\n  web: {image: y}\n", false),
        ("services:\n  api: {image: x, ports: ['1:1'], environment: {A: b}}\n  mail: {build: mail}\n", false),
        ("services:\n  api: {build: api}\n  web: {image: x}\n", false),
        (
            "services:\n  api: {image: x, build: {args: {A: b}}}\n  web: {image: x, build: {target: t}}\n",
            false,
        ),
        // It names what only the base has.
        ("services:\n  api: {build: api, depends_on: [db]}\n", false),
        ("name: apart\nservices:\n  api: {image: x, networks: [inner]}\n", false),
    ] {
        folder.write("app/docker-compose.staging.yml", text);
        match resolve(&folder, "staging", &[]).await {
            Ok(staging) => assert!(!asked && staging.files.len() == 2, "{text}"),
            Err(error) => {
                assert!(asked, "{text}: {error}");
                assert_says(&error, BackendErrorKind::Conflict, &["can't be told", alone, over]);
            }
        }
    }
    // What runs of it tells.
    folder.write("app/docker-compose.staging.yml", "services:\n  api: {build: api}\n");
    for files in [&["docker-compose.staging.yml"][..], &["docker-compose.yml", "docker-compose.staging.yml"]]
    {
        let running = [runs(&folder, "shop-staging", files, Some(".env.staging"))];
        assert_eq!(names(&resolve(&folder, "staging", &running).await.unwrap()), files);
    }
}

#[tokio::test]
async fn two_files_that_could_be_staging_s_are_asked_about() {
    let folder = usual();
    folder.write("app/docker-compose.stage.yml", ALONE);
    let error = resolve(&folder, "staging", &[]).await.unwrap_err();
    let parts = [
        "\"docker-compose.staging.yml\", \"docker-compose.stage.yml\" could each be of staging",
        "\nfiles = [\"docker-compose.yml\", \"docker-compose.staging.yml\"]\nfiles = [\"docker-compose.stage.yml\"]",
    ];
    assert_says(&error, BackendErrorKind::Conflict, &parts);
    // What runs tells.
    let overlaid = ["docker-compose.yml", "docker-compose.staging.yml"];
    let running = [runs(&folder, "app-staging", &overlaid, Some(".env.staging"))];
    assert_eq!(names(&resolve(&folder, "staging", &running).await.unwrap()), overlaid);
    folder.write("app/.ala-promote/compose/staging.json", "{}");
    let derived = [".ala-promote/compose/staging.json"];
    let running = [runs(&folder, "app-staging", &derived, Some(".env.staging"))];
    let error = resolve(&folder, "staging", &running).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &parts);
}

#[tokio::test]
async fn where_all_files_have_other_names_they_are_listed() {
    let folder = usual();
    std::fs::remove_file(folder.path("app/docker-compose.yml")).unwrap();
    folder.write("app/docker-compose.deploy.yml", BASE);
    folder.write("app/compose.platform.production.yaml", "include: [docker-compose.deploy.yml]\n");
    let error = resolve(&folder, "production", &[]).await.unwrap_err();
    let lines = "[environments.production]\nfiles = [\"compose.platform.production.yaml\"]\nfiles = [\"docker-compose.deploy.yml\"]";
    assert_says(&error, BackendErrorKind::Invalid, &["by itself", lines]);
    let running = [runs(&folder, "app", &["docker-compose.deploy.yml"], None)];
    assert_eq!(
        names(&resolve(&folder, "production", &running).await.unwrap()),
        ["docker-compose.deploy.yml"]
    );
}

#[tokio::test]
async fn a_whole_file_of_production_s_is_among_the_lines() {
    let folder = usual();
    let over = "files = [\"docker-compose.yml\", \"docker-compose.prod.yml\"]\n";
    let alone = "\nfiles = [\"docker-compose.prod.yml\"]\n";
    for (text, offered) in [
        ("services:\n  api: {image: x}\n", [true, true]),
        ("services:\n  api: {image: x, depends_on: [db]}\n", [true, false]),
        ("services:\n  api: {restart: always}\n", [true, false]),
        (ALONE, [false, true]),
    ] {
        folder.write("app/docker-compose.prod.yml", text);
        let error = resolve(&folder, "production", &[]).await.unwrap_err();
        let hint = error.hint().unwrap();
        assert_eq!([over, alone].map(|line| hint.contains(line)), offered, "{text}: {hint}");
        assert!(hint.ends_with("\nfiles = [\"docker-compose.yml\"]"), "{hint}");
    }
}

#[tokio::test]
async fn a_name_in_staging_s_own_file_is_its_project() {
    let folder = usual();
    let stage = ["docker-compose.staging.yml"];
    folder.write("app/docker-compose.yml", &format!("name: shop\n{BASE}"));
    folder.write("app/docker-compose.staging.yml", &format!("name: shop-qa\n{ALONE}"));
    let mut exact = settings(&folder);
    let files = vec![folder.path("app/docker-compose.staging.yml")];
    exact.environments.get_mut("staging").unwrap().files = ComposeFiles::Exactly(files);
    let one = runs(&folder, "shop-qa", &stage, Some(".env.staging"));
    // By an earlier version.
    let before = runs(&folder, "shop-staging", &stage, Some(".env.staging"));
    for settings in [settings(&folder), exact.clone()] {
        for (running, expected) in
            [(vec![], "shop-qa"), (vec![one.clone()], "shop-qa"), (vec![before.clone()], "shop-staging")]
        {
            let staging = resolve_with(&settings, "staging", &running).await.unwrap();
            assert_eq!(
                (staging.project.as_str(), names(&staging)),
                (expected, stage.map(String::from).into())
            );
            let production = resolve_with(&settings, "production", &running).await.unwrap();
            assert_eq!(production.project.as_str(), "shop");
        }
        let error = resolve_with(&settings, "staging", &[one.clone(), before.clone()]).await.unwrap_err();
        assert_says(&error, BackendErrorKind::Conflict, &["`shop-qa`", "`shop-staging`"]);
    }
    // v1 does not know names in files.
    let staging = "staging".parse().unwrap();
    let by_one = uncallable((1, 29)).resolve(&settings(&folder), &staging, &[]).await.unwrap();
    assert_eq!(by_one.project.as_str(), "app-staging");
    // Config and env file win.
    folder.write("app/.env.staging", "COMPOSE_PROJECT_NAME=by-env\n");
    assert_eq!(resolve(&folder, "staging", &[]).await.unwrap().project.as_str(), "by-env");
    project(&mut exact, "staging", "by-config");
    assert_eq!(resolve_with(&exact, "staging", &[]).await.unwrap().project.as_str(), "by-config");
    // Production's own is nobody else's.
    folder.write("app/.env.staging", "");
    folder.write("app/docker-compose.staging.yml", &format!("name: shop\n{ALONE}"));
    assert_eq!(resolve(&folder, "staging", &[]).await.unwrap().project.as_str(), "shop-staging");
    folder.write("app/.env", "COMPOSE_PROJECT_NAME=live\n");
    folder.write("app/docker-compose.staging.yml", OVER);
    let files = vec![folder.path("app/docker-compose.yml"), folder.path("app/docker-compose.staging.yml")];
    let mut listed = settings(&folder);
    listed.environments.get_mut("staging").unwrap().files = ComposeFiles::Exactly(files);
    assert_eq!(resolve_with(&listed, "staging", &[]).await.unwrap().project.as_str(), "live-staging");
}

#[tokio::test]
async fn a_file_that_has_the_base_s_own_under_other_names_may_be_either() {
    let folder = usual();
    let base = "services:\n  api: {build: {context: ./api}}\n  db: {image: 'pg:15'}\n";
    folder.write("app/docker-compose.yml", base);
    let names_db = "  db: {image: 'pg:15'}\n";
    for (text, asked) in [
        // The same folder, or the same image by another tag.
        (format!("services:\n  api-staging: {{build: api}}\n{names_db}"), true),
        (
            format!(
                "services:\n  api-staging: {{build: {{context: api, dockerfile: Dockerfile}}}}\n{names_db}"
            ),
            true,
        ),
        ("services:\n  api: {build: api}\n  db-staging: {image: 'pg:16'}\n".to_owned(), true),
        // Another image, file or target, or a tag that says that it is none of its own.
        (format!("services:\n  mailhog: {{image: mailhog}}\n{names_db}"), false),
        (format!("services:\n  job: {{build: {{context: api, target: job}}}}\n{names_db}"), false),
        (format!("services:\n  job: {{build: !reset null, image: x}}\n{names_db}"), false),
        // It names the one that it is made of the same thing as.
        ("services:\n  api: {image: 'x:1'}\n  worker: {build: api}\n".to_owned(), false),
        // It can't stand alone.
        (format!("services:\n  api-staging: {{build: api}}\n  proxy: {{ports: []}}\n{names_db}"), false),
    ] {
        folder.write("app/docker-compose.staging.yml", &text);
        match resolve(&folder, "staging", &[]).await {
            Ok(staging) => assert!(!asked && staging.files.len() == 2, "{text}"),
            Err(error) => {
                assert!(asked, "{text}: {error}");
                assert_says(&error, BackendErrorKind::Conflict, &["can't be told"]);
            }
        }
    }
    // What runs of it tells.
    let text = format!("services:\n  api-staging: {{build: api}}\n{names_db}");
    folder.write("app/docker-compose.staging.yml", &text);
    let running = [
        runs(&folder, "app", &["docker-compose.yml"], None),
        runs(&folder, "app-staging", &["docker-compose.staging.yml"], Some(".env.staging")),
    ];
    assert_eq!(names(&resolve(&folder, "staging", &running).await.unwrap()), ["docker-compose.staging.yml"]);
}

#[tokio::test]
async fn exactly_the_files_of_the_settings() {
    let folder = usual();
    let mut exact = settings(&folder);
    let files = vec![folder.path("app/qa.yml")];
    exact.environments.get_mut("staging").unwrap().files = ComposeFiles::Exactly(files.clone());
    let error = resolve_with(&exact, "staging", &[]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Invalid, &["qa.yml does not exist"]);
    folder.write("app/qa.yml", ALONE);
    let stack = resolve_with(&exact, "staging", &[]).await.unwrap();
    assert_eq!((stack.project.as_str(), &stack.files), ("app-staging", &files));
    let running =
        [runs(&folder, "qa", &["qa.yml"], None), runs(&folder, "app", &["docker-compose.yml"], None)];
    assert_eq!(resolve_with(&exact, "staging", &running).await.unwrap().project.as_str(), "qa");
    assert_eq!(resolve_with(&exact, "production", &running).await.unwrap().project.as_str(), "app");
}

/// One Compose file for both, and an env file for each.
fn one_file() -> (Folder, Settings) {
    let folder = usual();
    std::fs::remove_file(folder.path("app/docker-compose.staging.yml")).unwrap();
    let mut settings = settings(&folder);
    let staging = settings.environments.get_mut("staging").unwrap();
    staging.files = ComposeFiles::Exactly(vec![folder.path("app/docker-compose.yml")]);
    staging.env_file_choice = EnvFileChoice::Named;
    (folder, settings)
}

#[tokio::test]
async fn one_file_is_two_environments_by_their_projects() {
    let (folder, unnamed) = one_file();
    let mut listed = unnamed.clone();
    let production = listed.environments.get_mut("production").unwrap();
    production.files = ComposeFiles::Exactly(vec![folder.path("app/docker-compose.yml")]);
    let mut named = unnamed.clone();
    project(&mut named, "staging", "shop-staging");
    let mut both = listed.clone();
    project(&mut both, "staging", "shop-staging");
    for (settings, staging) in [
        (&unnamed, "app-staging"),
        (&listed, "app-staging"),
        (&named, "shop-staging"),
        (&both, "shop-staging"),
    ] {
        let production = runs(&folder, "app", &["docker-compose.yml"], Some(".env"));
        let beside = runs(&folder, staging, &["docker-compose.yml"], Some(".env.staging"));
        let alone = [vec![], vec![production.clone()], vec![beside.clone()], vec![production, beside]];
        for running in alone {
            let found = resolve_with(settings, "production", &running).await.unwrap();
            assert_eq!((found.project.as_str(), names(&found)), ("app", vec!["docker-compose.yml".into()]));
            assert_eq!(found.env_file, Some(folder.path("app/.env")));
            let found = resolve_with(settings, "staging", &running).await.unwrap();
            assert_eq!((found.project.as_str(), names(&found)), (staging, vec!["docker-compose.yml".into()]));
            assert_eq!(found.env_file, Some(folder.path("app/.env.staging")));
        }
    }
}

#[tokio::test]
async fn what_has_all_services_but_not_all_that_they_name_may_be_either() {
    let folder = usual();
    folder.write(
        "app/docker-compose.staging.yml",
        "services:\n  api: {build: {dockerfile: Dockerfile.staging}, image: 'api:staging'}\n  db: {image: pg}\n",
    );
    let error = resolve(&folder, "staging", &[]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["files = [\"docker-compose.staging.yml\"]"]);
    for files in
        [vec!["docker-compose.staging.yml"], vec!["docker-compose.yml", "docker-compose.staging.yml"]]
    {
        let running = [runs(&folder, "app-staging", &files, Some(".env.staging"))];
        assert_eq!(names(&resolve(&folder, "staging", &running).await.unwrap()), files);
    }
    // An image overlay that runs alone is what runs.
    folder.write("app/docker-compose.staging.yml", OVER);
    let running = [runs(&folder, "app-staging", &["docker-compose.staging.yml"], Some(".env.staging"))];
    let found = resolve(&folder, "staging", &running).await.unwrap();
    assert_eq!(names(&found), ["docker-compose.staging.yml"]);
}

#[tokio::test]
async fn what_runs_of_one_file_under_a_third_name_is_asked_for() {
    let (folder, unnamed) = one_file();
    let running = [runs(&folder, "other", &["docker-compose.yml"], Some(".env"))];
    for environment in ["staging", "production"] {
        let error = resolve_with(&unnamed, environment, &running).await.unwrap_err();
        assert_says(
            &error,
            BackendErrorKind::Conflict,
            &["would both be Compose project `other`", "project"],
        );
    }
    let mut named = unnamed;
    project(&mut named, "staging", "shop-staging");
    assert_eq!(resolve_with(&named, "production", &running).await.unwrap().project.as_str(), "other");
    let error = resolve_with(&named, "staging", &running).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Conflict, &["what runs is: project `other`", "set that one's"]);
    project(&mut named, "production", "other");
    assert_eq!(resolve_with(&named, "staging", &running).await.unwrap().project.as_str(), "shop-staging");
}

#[tokio::test]
async fn names_that_compose_refuses_are_refused() {
    let folder = usual();
    folder.write("app/.env", "COMPOSE_PROJECT_NAME=Shop.App\n");
    let error = resolve(&folder, "production", &[]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Invalid, &["COMPOSE_PROJECT_NAME", "Shop.App"]);
    // v1 makes one of it.
    let one = uncallable((1, 29)).resolve(&settings(&folder), &"production".parse().unwrap(), &[]).await;
    assert_eq!(one.unwrap().project.as_str(), "shopapp");
}

#[tokio::test]
async fn an_unknown_environment_is_not_found() {
    let error = resolve(&usual(), "qa", &[]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::NotFound, &["`qa`"]);
}

#[tokio::test]
async fn what_an_overlay_lies_over_is_asked_for_where_production_has_files_of_its_own() {
    let folder = usual();
    folder.write("app/docker-compose.live.yml", "services:\n  api: {restart: always}\n");
    let production = runs(&folder, "app", &["docker-compose.yml", "docker-compose.live.yml"], None);
    let error = resolve(&folder, "staging", std::slice::from_ref(&production)).await.unwrap_err();
    let choices = [
        "\nfiles = [\"docker-compose.yml\", \"docker-compose.staging.yml\"]\n",
        "\nfiles = [\"docker-compose.yml\", \"docker-compose.live.yml\", \"docker-compose.staging.yml\"]",
    ];
    assert_says(&error, BackendErrorKind::Conflict, &choices);
    // What runs of it tells.
    let overlaid = ["docker-compose.yml", "docker-compose.staging.yml"];
    let both = [production.clone(), runs(&folder, "app-staging", &overlaid, Some(".env.staging"))];
    assert_eq!(names(&resolve(&folder, "staging", &both).await.unwrap()), overlaid);
    // Alone it lies over nothing.
    folder.write("app/docker-compose.staging.yml", ALONE);
    let staging = resolve(&folder, "staging", std::slice::from_ref(&production)).await.unwrap();
    assert_eq!(names(&staging), ["docker-compose.staging.yml"]);
    // Production runs from one file of its own, beside the one that Compose takes.
    folder.write("app/docker-compose.staging.yml", OVER);
    for own in ["docker-compose.live.yml", "docker-compose.prod.yml"] {
        folder.write(&format!("app/{own}"), BASE);
        let error = resolve(&folder, "staging", &[runs(&folder, "app", &[own], None)]).await.unwrap_err();
        let over = format!("files = [\"{own}\", \"docker-compose.staging.yml\"]");
        assert_says(&error, BackendErrorKind::Conflict, &[choices[0], &over]);
    }
}

#[tokio::test]
async fn no_second_production_is_started_from_other_files() {
    let folder = usual();
    folder.write("app/live.yml", "services:\n  api: {restart: always}\n");
    let mut exact = settings(&folder);
    let files = vec![folder.path("app/docker-compose.yml"), folder.path("app/live.yml")];
    exact.environments.get_mut("production").unwrap().files = ComposeFiles::Exactly(files.clone());
    let staged = ["docker-compose.yml", "docker-compose.staging.yml"];
    let staging = runs(&folder, "app-staging", &staged, Some(".env.staging"));
    let by_hand = runs(&folder, "by-hand", &["docker-compose.yml"], None);
    let error = resolve_with(&exact, "production", &[staging.clone(), by_hand.clone()]).await.unwrap_err();
    let parts = [
        "project `app` from \"docker-compose.yml\", \"live.yml\"",
        "project `by-hand`",
        "(2 containers run)",
        "\nproject = \"by-hand\"  # if that is production\nproject = \"app\"  # if it is something else",
    ];
    assert_says(&error, BackendErrorKind::Conflict, &parts);
    assert!(!error.to_string().contains("app-staging"), "{error}");
    // Named, it is decided, either way.
    for name in ["by-hand", "app"] {
        let mut named = exact.clone();
        project(&mut named, "production", name);
        let stack = resolve_with(&named, "production", &[staging.clone(), by_hand.clone()]).await.unwrap();
        assert_eq!((stack.project.as_str(), stack.files), (name, files.clone()));
    }
    // Other files for the same project are how files are changed.
    let before = runs(&folder, "app", &["docker-compose.yml"], None);
    let stack = resolve_with(&exact, "production", &[staging.clone(), before.clone()]).await.unwrap();
    assert_eq!((stack.project.as_str(), stack.files), ("app", files.clone()));
    // So it is for staging, and what staging ran from before is not taken for production.
    let stage = vec![folder.path("app/docker-compose.yml"), folder.path("app/stage.yml")];
    folder.write("app/stage.yml", OVER);
    for with_files in [true, false] {
        let mut changed = if with_files { exact.clone() } else { settings(&folder) };
        changed.environments.get_mut("staging").unwrap().files = ComposeFiles::Exactly(stage.clone());
        for running in [&[before.clone(), staging.clone()][..], std::slice::from_ref(&staging)] {
            let production = resolve_with(&changed, "production", running).await.unwrap();
            assert_eq!(production.project.as_str(), "app");
            let staging = resolve_with(&changed, "staging", running).await.unwrap();
            assert_eq!((staging.project.as_str(), staging.files), ("app-staging", stage.clone()));
        }
    }
}

#[tokio::test]
async fn an_env_file_that_could_be_another_is_asked_for() {
    let folder = usual();
    folder.write("app/.env.production", "A=3\n");
    let mut rivals = settings(&folder);
    let production = rivals.environments.get_mut("production").unwrap();
    production.env_file_choice =
        EnvFileChoice::Convention { rivals: vec![folder.path("app/.env.production")] };
    let error = resolve_with(&rivals, "production", &[]).await.unwrap_err();
    let lines = "[environments.production]\nenv_file = \".env\"\nenv_file = \".env.production\"";
    assert_says(&error, BackendErrorKind::Invalid, &[lines]);
    // What staging is can be told all the same.
    assert_eq!(resolve_with(&rivals, "staging", &[]).await.unwrap().project.as_str(), "app-staging");
    // What runs tells, also where the config names the files.
    let files = vec![folder.path("app/docker-compose.yml")];
    for exact in [false, true] {
        if exact {
            let production = rivals.environments.get_mut("production").unwrap();
            production.files = ComposeFiles::Exactly(files.clone());
        }
        for (label, taken) in
            [(None, ".env"), (Some(".env"), ".env"), (Some(".env.production"), ".env.production")]
        {
            let running = runs(&folder, "app", &["docker-compose.yml"], label);
            let stack = resolve_with(&rivals, "production", &[running]).await.unwrap();
            assert_eq!(stack.env_file, Some(folder.path(&format!("app/{taken}"))), "{exact} {label:?}");
        }
    }
    // The config is obeyed.
    rivals.environments.get_mut("production").unwrap().env_file_choice = EnvFileChoice::Named;
    let running = runs(&folder, "app", &["docker-compose.yml"], Some(".env.production"));
    for running in [&[][..], &[running]] {
        let stack = resolve_with(&rivals, "production", running).await.unwrap();
        assert_eq!(stack.env_file, Some(folder.path("app/.env")));
    }
}

#[tokio::test]
async fn what_is_no_file_or_no_small_one_is_told() {
    let folder = usual();
    let compose = folder.path("app/docker-compose.yml");
    let says = async |parts: &[&str]| {
        let error = resolve(&folder, "production", &[]).await.unwrap_err();
        assert_says(&error, BackendErrorKind::Invalid, parts);
    };
    std::fs::remove_file(&compose).unwrap();
    std::os::unix::fs::symlink("docker-compose.yml", &compose).unwrap();
    says(&["docker-compose.yml is no file", "a link must lead to a file"]).await;
    std::fs::remove_file(&compose).unwrap();
    std::fs::create_dir(&compose).unwrap();
    says(&["docker-compose.yml is no file"]).await;
    std::fs::remove_dir(&compose).unwrap();
    folder.write("app/docker-compose.yml", &"#\n".repeat(5 * 1024 * 1024));
    says(&["docker-compose.yml is longer than 4 MiB"]).await;
    folder.write("app/docker-compose.yml", BASE);
    folder.write("app/.env", &"#\n".repeat(5 * 1024 * 1024));
    says(&[".env is longer than 4 MiB"]).await;
    // Nobody writes to this pipe.
    let env_file = folder.path("app/.env");
    std::fs::remove_file(&env_file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&env_file).status().unwrap();
    assert!(made.success());
    let error = resolve(&folder, "production", &[]).await.unwrap_err();
    assert_says(&error, BackendErrorKind::Invalid, &[".env"]);
}
