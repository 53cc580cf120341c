//! What an environment means, by what runs, by settings and by convention. No Compose is called but where said.

use std::collections::BTreeMap;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::config::{
    BackupSettings, ComposeFiles, DatabaseChoice, EnvironmentSettings, HealthSettings, IsolationSettings,
    Retention, Settings,
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
    // As Compose does, the override file counts, for both.
    folder.write("app/docker-compose.override.yml", "services: {}\n");
    let staging = resolve(&folder, "staging", &[]).await.unwrap();
    assert_eq!(
        names(&staging),
        ["docker-compose.yml", "docker-compose.override.yml", "docker-compose.staging.yml"]
    );
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
    let staging = resolve(&folder, "staging", &[]).await.unwrap();
    assert_eq!(staging.project.as_str(), "shop-staging");
    assert_eq!(names(&staging), ["a.yml", "b.yml", "docker-compose.staging.yml"]);
    folder.write("app/.env.staging", "COMPOSE_PROJECT_NAME=\"shop-qa\"\n");
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
        let staging = resolve(&folder, "staging", std::slice::from_ref(&running)).await.unwrap();
        assert_eq!(staging.project.as_str(), "by-hand-staging");
        assert_eq!(names(&staging), ["prod.yml", "docker-compose.staging.yml"]);
        assert_eq!(staging.env_file, Some(folder.path("app/.env.staging")));
    }
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
        ("services:\n  api: {build: .}\n", false),
        ("services:\n  api: {build: .}\n  db: {ports: []}\n", false),
        ("services: {}\n", false),
    ] {
        folder.write("app/docker-compose.staging.yml", text);
        let staging = resolve(&folder, "staging", &[]).await.unwrap();
        assert_eq!(staging.files.len() == 1, alone, "{text}");
    }
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
