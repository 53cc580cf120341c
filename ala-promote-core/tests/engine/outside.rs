//! Backups of what is no container of the stack: a database by its URL, and what a command writes.

use ala_promote_core::config::{DatabaseChoice, DatabaseSettings};
use ala_promote_core::domain::{BackedUp, BackupCommand, BackupManifest, UrlDatabase, Verb};
use ala_promote_core::event::Event;
use ala_promote_core::plan::{Action, Output, Plan};
use ala_promote_testkit::memory::rows_of_dump;

use crate::gates::{act, edit, note, passes, refusal, says};
use crate::host::{DEPLOY, Host, rolled_back};

const URL: &str = "postgres://ala:hunter2000@db.example.com/ala?sslmode=require";

fn url() -> DatabaseSettings {
    let image = "postgres:16".parse().unwrap();
    DatabaseSettings::Url(UrlDatabase { url_env: "DATABASE_URL".into(), image, network: None })
}

fn command(words: &[&str]) -> DatabaseSettings {
    DatabaseSettings::Command(BackupCommand {
        name: "notes.txt".parse().unwrap(),
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        timeout: std::time::Duration::from_secs(60),
    })
}

/// Production's database is outside of its stack.
async fn managed(database: DatabaseChoice) -> Host {
    let mut host = Host::with_release(false).await;
    edit(&host, "production", |e| _ = e.variable("DATABASE_URL", URL));
    act(&host, |state| drop(state.outside.insert(URL.into(), vec!["of outside".into()])));
    host.settings.backup.database = database;
    host
}

fn files(plan: &Plan) -> Vec<String> {
    let name = |action: &Action| match action {
        Action::Backup { file, .. } => Some(file.file_name().unwrap().to_string_lossy().into_owned()),
        _ => None,
    };
    plan.steps().filter_map(|step| name(&step.action)).collect()
}

async fn promote(host: &Host, plan: Plan) -> (Vec<BackupManifest>, Result<(), String>) {
    let mut manifests = Vec::new();
    let watch = |event: Event| {
        if let Event::StepFinished { output: Output::BackedUp(manifest), .. } = event {
            manifests.push(manifest);
        }
    };
    let outcome = host.engine().run(plan).finish(watch).await;
    let outcome = match &outcome {
        Ok(ala_promote_core::domain::Outcome::Committed { .. }) => Ok(()),
        _ => Err(rolled_back(outcome)),
    };
    (manifests, outcome)
}

#[tokio::test]
async fn a_database_outside_of_the_stack_is_backed_up_before_the_change() {
    let host = managed(DatabaseChoice::One(url())).await;
    let plan = passes(&host, "production", Verb::Promote).await;
    let [file] = files(&plan).try_into().unwrap();
    assert!(
        file.starts_with("backup-") && file.ends_with(".sql") && !file.contains("DATABASE_URL"),
        "{file}"
    );
    // Neither the plan nor what is recorded holds the URL.
    assert!(!serde_json::to_string(&plan).unwrap().contains("hunter2000"));
    says(&note(&plan, "database").unwrap().reason, &["not backed up, by the config: db"]);
    let (manifests, outcome) = promote(&host, plan).await;
    outcome.unwrap();
    assert!(matches!(&manifests[0].of, BackedUp::Url { url_env, .. } if url_env == "DATABASE_URL"));
    assert!(manifests[0].of.is_checked());
    assert_eq!(rows_of_dump(&manifests[0].file).unwrap(), ["of outside"]);
}

#[tokio::test]
async fn one_that_can_t_be_reached_or_is_named_nowhere_is_refused() {
    let host = managed(DatabaseChoice::One(url())).await;
    act(&host, |state| state.outside.clear());
    let said = refusal(&host, "production", Verb::Promote).await;
    says(&said, &["the database of DATABASE_URL can't be backed up", "does not answer"]);
    assert!(!said.contains("hunter2000"), "{said}");
    edit(&host, "production", |e| _ = e.variable("DATABASE_URL", ""));
    let said = refusal(&host, "production", Verb::Promote).await;
    says(
        &said,
        &["the database of DATABASE_URL can't be backed up", "the env file does not set DATABASE_URL"],
    );
    // A rollback and a deployment to staging take no backup, and are not held up.
    passes(&host, "staging", DEPLOY).await;
}

#[tokio::test]
async fn one_database_outside_for_both_environments_is_refused_without_its_url() {
    let host = managed(DatabaseChoice::One(url())).await;
    // Another user, another password, the port said: it is the same database.
    let other = "postgresql://staging:hunter2001@DB.example.com:5432/ala";
    edit(&host, "staging", |e| _ = e.variable("DATABASE_URL", other));
    for (environment, verb) in [("production", Verb::Promote), ("staging", DEPLOY)] {
        let said = refusal(&host, environment, verb).await;
        says(
            &said,
            &[
                "use the same database",
                "production: DATABASE_URL in its env file",
                "staging: DATABASE_URL in its",
            ],
        );
        assert!(!said.contains("hunter") && !said.contains("example.com"), "{said}");
    }
    edit(&host, "staging", |e| _ = e.variable("DATABASE_URL", &other.replace("/ala", "/ala_staging")));
    passes(&host, "production", Verb::Promote).await;
}

#[tokio::test]
async fn what_is_outside_is_backed_up_though_nothing_runs_yet() {
    let host = managed(DatabaseChoice::Listed(vec![url(), command(&["echo", "x"])])).await;
    act(&host, |state| state.containers.retain(|_, c| c.project().as_str() != "ala"));
    let plan = passes(&host, "production", Verb::Promote).await;
    let [file] = files(&plan).try_into().unwrap();
    assert!(file.ends_with("-DATABASE_URL.sql"), "{file}");
}

#[tokio::test]
async fn a_command_s_output_is_a_backup_whose_content_nobody_checked() {
    let host = managed(DatabaseChoice::Listed(vec![url(), command(&["echo", "all", "notes"])])).await;
    let plan = passes(&host, "production", Verb::Promote).await;
    assert!(files(&plan)[1].ends_with("-notes.txt"), "{:?}", files(&plan));
    says(&note(&plan, "database").unwrap().reason, &["unless a command of the config does it: db"]);
    let (manifests, outcome) = promote(&host, plan).await;
    outcome.unwrap();
    let of_command = manifests.iter().find(|manifest| !manifest.of.is_checked()).unwrap();
    assert!(matches!(&of_command.of, BackedUp::Command { command, .. } if command[0] == "echo"));
    assert_eq!(std::fs::read_to_string(&of_command.file).unwrap(), "all notes\n");
    assert_eq!(manifests.len(), 2);
}

#[tokio::test]
async fn a_command_that_fails_stops_the_promotion() {
    let host = managed(DatabaseChoice::One(command(&["false"]))).await;
    let ids = host.world.container_ids("production");
    let plan = passes(&host, "production", Verb::Promote).await;
    let (manifests, outcome) = promote(&host, plan).await;
    let reason = outcome.unwrap_err();
    assert!(reason.contains("back up notes.txt by command") && reason.contains("exit code 1"), "{reason}");
    assert!(manifests.is_empty());
    assert_eq!(host.world.container_ids("production"), ids);
}

#[tokio::test]
async fn a_database_that_is_built_in_both_environments_is_never_promoted() {
    let host = Host::with_release(false).await;
    for environment in ["production", "staging"] {
        edit(&host, environment, |e| {
            let image = format!("ala-db:{environment}");
            _ = e.service("db").image(&image).build();
        });
    }
    let plan = passes(&host, "production", Verb::Promote).await;
    let release = plan.release.as_ref().unwrap();
    let promoted: Vec<&str> = release.images.keys().map(|service| service.as_str()).collect();
    assert_eq!(promoted, ["backend", "frontend", "worker"]);
    assert_eq!(files(&plan).len(), 1, "and it is backed up");
}
