//! Before a protected environment changes, its database can be backed up.

use std::path::PathBuf;

use crate::config::{DatabaseChoice, DatabaseSettings};
use crate::domain::{DatabaseTarget, ServiceDatabase, ServiceName, Verb};
use crate::plan::{Finding, PlanInput};

const GATE: &str = "database";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    if !takes_backup(input) {
        return Vec::new();
    }
    let environment = &input.request.environment;
    if runs_nothing(input) && input.settings.backup.database.outside().next().is_none() {
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
        DatabaseChoice::Detect => detected(input),
        choice => named(input, choice.named()),
    }
}

/// Then there is nothing to back up in the stack; a database outside of it may hold data all the same.
fn runs_nothing(input: &PlanInput<'_>) -> bool {
    input.target().is_none_or(|target| target.containers.is_empty())
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
        [database] => usable(input, &[database]),
        several => {
            let finding = Finding::refuse(GATE, "more than one service could be the database to back up");
            let finding = several.iter().fold(finding, |f, d| {
                f.seen(format!("{}: database {} as {}", d.service, d.database, d.user))
            });
            let finding = finding.mend("write into ala-promote.toml, without those that need no backup:");
            let entry = |f: Finding, d: &ServiceDatabase| {
                f.mend("[[backup.databases]]").mend(format!("service = \"{}\"", d.service))
            };
            vec![several.iter().fold(finding, entry)]
        }
    }
}

/// Those that the config names: each of the stack must be there and run. Whether one outside of it answers has been
/// asked already.
fn named(input: &PlanInput<'_>, named: &[DatabaseSettings]) -> Vec<Finding> {
    let found = |service: &ServiceName| input.observed.databases.iter().find(|d| d.service == *service);
    let services = || {
        // Where nothing runs, there is nothing in the stack to back up.
        let all = named.iter().filter(|_| !runs_nothing(input));
        all.filter_map(|database| match database {
            DatabaseSettings::Service(service) => Some(service),
            _ => None,
        })
    };
    let missing: Vec<Finding> = services()
        .filter(|service| found(service).is_none())
        .map(|service| not_a_database(input, service))
        .collect();
    if !missing.is_empty() {
        return missing;
    }
    let databases: Vec<&ServiceDatabase> = services().filter_map(found).collect();
    let mut findings = usable(input, &databases);
    findings.extend(left_out(input, named, &databases));
    findings
}

/// A database that nobody listed may have been forgotten, if it is not the one that a command is for.
fn left_out(
    input: &PlanInput<'_>,
    named: &[DatabaseSettings],
    databases: &[&ServiceDatabase],
) -> Option<Finding> {
    let others = input.observed.databases.iter().filter(|d| !databases.contains(d));
    let others = others.map(|d| d.service.as_str()).collect::<Vec<_>>().join(", ");
    let has_command = named.iter().any(|database| matches!(database, DatabaseSettings::Command(_)));
    let reason = match has_command {
        true => format!("not backed up, unless a command of the config does it: {others}"),
        false => format!("not backed up, by the config: {others}"),
    };
    (!others.is_empty()).then(|| Finding::note(GATE, reason))
}

fn not_a_database(input: &PlanInput<'_>, service: &ServiceName) -> Finding {
    let has_container = input.target().is_some_and(|target| target.containers_of(service).next().is_some());
    let what =
        if has_container { "is no database of PostgreSQL, MySQL or MariaDB" } else { "has no container" };
    Finding::refuse(GATE, format!("service {service}, named in the config as the database, {what}"))
        .mend("start it, or correct `service` of [backup] or [[backup.databases]] in ala-promote.toml")
}

fn none_found(input: &PlanInput<'_>) -> Vec<Finding> {
    let volumes: Vec<&String> = input.target().map(|t| t.render.volumes.keys().collect()).unwrap_or_default();
    if volumes.is_empty() {
        return vec![Finding::note(
            GATE,
            "no database and no volume was found, so there is nothing to back up",
        )];
    }
    let finding = Finding::refuse(
        GATE,
        "no database of PostgreSQL, MySQL or MariaDB was found, but data is kept in volumes",
    );
    let finding = volumes.iter().fold(finding, |f, volume| f.seen(format!("volume {volume}")));
    vec![
        finding
            .mend("one outside of the stack, in ala-promote.toml: [backup] url_env = \"DATABASE_URL\", image = \"postgres:16\"")
            .mend("one of another kind: [backup] name = \"…\", command = [\"./dump\"]")
            .mend("if no backup is needed, say why: [backup] none = \"…\""),
    ]
}

fn usable(input: &PlanInput<'_>, databases: &[&ServiceDatabase]) -> Vec<Finding> {
    let is_down = |database: &&&ServiceDatabase| !database.running;
    let down = databases.iter().filter(is_down).map(|ServiceDatabase { service, .. }| {
        Finding::refuse(GATE, format!("the database {service} is down, so it can't be backed up"))
            .mend(format!("start it, or look why it stopped: docker compose logs {service}"))
    });
    let down: Vec<Finding> = down.collect();
    if !down.is_empty() {
        return down;
    }
    let whose = if to_back_up(input).len() == 1 { "the database takes" } else { "the databases take" };
    match input.observed.room {
        Some(room) if room.free_bytes < room.database_bytes / 10 => vec![
            Finding::refuse(GATE, "there is not enough room for a backup")
                .seen(format!(
                    "free in {}: {} MB",
                    input.settings.backup.dir.display(),
                    room.free_bytes / 1_000_000
                ))
                .seen(format!("{whose} {} MB", room.database_bytes / 1_000_000))
                .mend("make room, or set [backup] dir in ala-promote.toml"),
        ],
        Some(room) if room.free_bytes < room.database_bytes => vec![Finding::note(
            GATE,
            format!(
                "the backup may not fit: {} MB are free, and {whose} {} MB",
                room.free_bytes / 1_000_000,
                room.database_bytes / 1_000_000
            ),
        )],
        _ => Vec::new(),
    }
}

/// The databases that this operation backs up; none where there are none, or none are wanted.
pub(crate) fn to_back_up(input: &PlanInput<'_>) -> Vec<DatabaseTarget> {
    let found = input.observed.databases.iter().filter(|database| database.running);
    let of_service = |database: &ServiceDatabase| DatabaseTarget::Service(database.clone());
    match &input.settings.backup.database {
        DatabaseChoice::None { .. } => Vec::new(),
        DatabaseChoice::Detect if input.observed.databases.len() > 1 => Vec::new(),
        DatabaseChoice::Detect => found.map(of_service).collect(),
        choice => {
            let target = |database: &DatabaseSettings| match database {
                DatabaseSettings::Service(service) => {
                    found.clone().find(|found| found.service == *service).map(of_service)
                }
                DatabaseSettings::Url(database) => Some(DatabaseTarget::Url(database.clone())),
                // What it is for is in the stack, as far as can be told.
                DatabaseSettings::Command(_) if runs_nothing(input) => None,
                DatabaseSettings::Command(command) => Some(DatabaseTarget::Command(command.clone())),
            };
            choice.named().iter().filter_map(target).collect()
        }
    }
}
