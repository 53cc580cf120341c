//! Before a protected environment changes, its database can be backed up.

use std::path::PathBuf;

use crate::config::DatabaseChoice;
use crate::domain::{ServiceName, Verb};
use crate::plan::{Finding, PlanInput};

const GATE: &str = "database";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    if !takes_backup(input) {
        return Vec::new();
    }
    let environment = &input.request.environment;
    if input.target().is_none_or(|target| target.containers.is_empty()) {
        return vec![Finding::note(
            GATE,
            format!("nothing runs in {environment} yet, so there is nothing to back up"),
        )];
    }
    if let Some(context) = build_context_of_backups(input) {
        return vec![
            Finding::refuse(GATE, "backups would lie in a build context, and could be copied into an image")
                .seen(format!("backups: {}", input.settings.backup.dir.display()))
                .seen(format!("build context: {}", context.display()))
                .mend("set [backup] dir in ala-promote.toml to a folder outside of it"),
        ];
    }
    match &input.settings.backup.database {
        DatabaseChoice::None { reason } => {
            vec![Finding::note(GATE, format!("no backup is taken, by the config: {reason}"))]
        }
        DatabaseChoice::Service(service) => {
            match input.observed.databases.iter().find(|d| &d.service == service) {
                Some(database) => usable(input, database),
                None => vec![not_a_database(input, service)],
            }
        }
        DatabaseChoice::Detect => detected(input),
    }
}

/// Whether this operation takes a backup before it changes anything that is seen.
pub(crate) fn takes_backup(input: &PlanInput<'_>) -> bool {
    let protected = input.environment().is_some_and(|environment| environment.protected);
    protected && matches!(input.request.verb, Verb::Promote | Verb::Deploy { .. })
}

/// The build context, of any environment, that backups would lie in.
fn build_context_of_backups(input: &PlanInput<'_>) -> Option<PathBuf> {
    let services = input.observed.environments.values().flat_map(|e| e.render.services.values());
    let contexts = services.filter_map(|service| service.build.as_ref()?.settings.get("context"));
    contexts
        .map(|context| PathBuf::from(context.reveal()))
        .find(|context| context.is_absolute() && input.settings.backup.dir.starts_with(context))
}

fn detected(input: &PlanInput<'_>) -> Vec<Finding> {
    match input.observed.databases.as_slice() {
        [] => none_found(input),
        [database] => usable(input, database),
        several => {
            let finding = Finding::refuse(GATE, "more than one service could be the database to back up");
            let finding = several.iter().fold(finding, |f, d| {
                f.seen(format!("{}: database {} as {}", d.service, d.database, d.user))
            });
            vec![finding.mend("name it in ala-promote.toml: [backup] service = \"…\"")]
        }
    }
}

fn not_a_database(input: &PlanInput<'_>, service: &ServiceName) -> Finding {
    let has_container = input.target().is_some_and(|target| target.containers_of(service).next().is_some());
    let what = if has_container { "is no PostgreSQL database" } else { "has no container" };
    Finding::refuse(GATE, format!("service {service}, named in the config as the database, {what}"))
        .mend("start it, or correct [backup] service in ala-promote.toml")
}

fn none_found(input: &PlanInput<'_>) -> Vec<Finding> {
    let volumes: Vec<&String> = input.target().map(|t| t.render.volumes.keys().collect()).unwrap_or_default();
    if volumes.is_empty() {
        return vec![Finding::note(
            GATE,
            "no database and no volume was found, so there is nothing to back up",
        )];
    }
    let finding = Finding::refuse(GATE, "no PostgreSQL database was found, but data is kept in volumes");
    let finding = volumes.iter().fold(finding, |f, volume| f.seen(format!("volume {volume}")));
    vec![finding.mend("if no backup is needed, say why in ala-promote.toml: [backup] none = \"…\"")]
}

fn usable(input: &PlanInput<'_>, database: &crate::backend::DatabaseTarget) -> Vec<Finding> {
    if !database.running {
        return vec![
            Finding::refuse(
                GATE,
                format!("the database {} is down, so it can't be backed up", database.service),
            )
            .mend(format!("start it, or look why it stopped: docker compose logs {}", database.service)),
        ];
    }
    match input.observed.room {
        Some(room) if room.free_bytes < room.database_bytes / 10 => vec![
            Finding::refuse(GATE, "there is not enough room for a backup")
                .seen(format!(
                    "free in {}: {} MB",
                    input.settings.backup.dir.display(),
                    room.free_bytes / 1_000_000
                ))
                .seen(format!("the database takes {} MB", room.database_bytes / 1_000_000))
                .mend("make room, or set [backup] dir in ala-promote.toml"),
        ],
        Some(room) if room.free_bytes < room.database_bytes => vec![Finding::note(
            GATE,
            format!(
                "the backup may not fit: {} MB are free, and the database takes {} MB",
                room.free_bytes / 1_000_000,
                room.database_bytes / 1_000_000
            ),
        )],
        _ => Vec::new(),
    }
}

/// The database that this operation backs up; `None` where there is none, or none is wanted.
pub(crate) fn to_back_up(input: &PlanInput<'_>) -> Option<crate::backend::DatabaseTarget> {
    let databases = &input.observed.databases;
    let found = match &input.settings.backup.database {
        DatabaseChoice::None { .. } => None,
        DatabaseChoice::Service(service) => databases.iter().find(|d| &d.service == service),
        DatabaseChoice::Detect => databases.first().filter(|_| databases.len() == 1),
    };
    found.filter(|database| database.running).cloned()
}
