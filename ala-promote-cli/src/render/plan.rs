//! A plan, for people.

use std::path::PathBuf;

use ala_promote_core::domain::{BackupCommand, DatabaseTarget, ImageIdentity, StackRef, StepId};
use ala_promote_core::plan::{Action, Finding, ImageSource, Plan};

use super::table::Table;
use super::{text, title};

/// What the plan comes to: the release, what it replaces, images, backup, notes.
pub(crate) fn summary(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(release) = &plan.release {
        let release = text::with_source(release.tag.as_str(), release.source.as_ref());
        lines.push(format!("Release:   {release}"));
    }
    let before = plan.before.release.as_ref();
    lines.push(format!("Replaces:  {}", before.map_or_else(|| "nothing".to_owned(), text::release)));
    lines.extend(images(plan));
    lines.extend(backups(plan));
    lines.extend(hooks(plan));
    lines.extend(plan.notes.iter().map(note));
    lines
}

/// Each promoted service with its image before and after.
fn images(plan: &Plan) -> Vec<String> {
    let Some(release) = &plan.release else { return Vec::new() };
    let mut table = Table::new(&[]);
    for (service, image) in &release.images {
        let before = plan.before.release.as_ref().and_then(|before| before.images.get(service));
        let old = before.map_or("none", |before| before.identity.id.short());
        let new = match &image.image {
            ImageSource::Known(identity) => short(identity),
            ImageSource::Built { step, .. } if is_pull(plan, step) => "pulled".to_owned(),
            _ => "built anew".to_owned(),
        };
        let change = if old == new { format!("{old}, as it is") } else { format!("{old} → {new}") };
        table.row(vec![service.to_string(), change]);
    }
    let rows = table.text();
    let lines = rows.trim().lines().enumerate();
    lines.map(|(at, row)| format!("{}{row}", if at == 0 { "Images:    " } else { "           " })).collect()
}

fn is_pull(plan: &Plan, step: &StepId) -> bool {
    plan.step(step).is_some_and(|step| matches!(step.action, Action::Pull { .. }))
}

/// Commands that will run, in their order: who agrees to the plan agrees to them.
fn hooks(plan: &Plan) -> impl Iterator<Item = String> {
    plan.steps().filter_map(|step| match &step.action {
        Action::Hook { hook, .. } => {
            let place = hook.service.as_ref().map_or_else(|| "on the host".to_owned(), |s| format!("in {s}"));
            Some(format!("Hook:      {} {place}: {}", hook.name, hook.command.join(" ")))
        }
        _ => None,
    })
}

fn short(identity: &ImageIdentity) -> String {
    identity.id.short().to_owned()
}

fn backups(plan: &Plan) -> impl Iterator<Item = String> {
    let dir = plan.stack.as_ref().map(|stack| stack.dir.as_path());
    plan.steps().filter_map(move |step| match &step.action {
        Action::Backup { database, file, .. } => {
            let file = dir.map_or_else(|| file.clone(), |dir| text::seen_from(file, dir));
            Some(format!("Backup:    {} to {}", told(database), file.display()))
        }
        _ => None,
    })
}

/// What is backed up, and what that proves.
fn told(database: &DatabaseTarget) -> String {
    match database {
        DatabaseTarget::Command(BackupCommand { name, command, .. }) => {
            format!("{name} by the command `{}`, content not checked,", command.join(" "))
        }
        database => database.to_string(),
    }
}

/// A gate's note, on as few lines as it has.
pub(crate) fn note(note: &Finding) -> String {
    let evidence = match note.evidence.as_slice() {
        [] => String::new(),
        lines => format!(" ({})", lines.join("; ")),
    };
    let mend: String = note.mend.iter().map(|line| format!("\n           → {line}")).collect();
    format!("Note:      {}{evidence}{mend}", note.reason)
}

/// What Compose is called with.
fn stack(stack: &StackRef) -> Vec<String> {
    let seen = |path: &PathBuf| text::seen_from(path, &stack.dir).display().to_string();
    let files = stack.files.iter().map(seen).collect::<Vec<_>>().join(", ");
    let env_file = stack.env_file.as_ref().map_or_else(|| "none".to_owned(), seen);
    vec![
        format!("Project:   {}", stack.project),
        format!("Files:     {files}"),
        format!("Env file:  {env_file}"),
    ]
}

/// The whole plan: summary, steps, addresses.
pub(crate) fn whole(plan: &Plan) -> String {
    let mut lines = vec![format!("Plan to {}", plan.request), String::new()];
    lines.extend(summary(plan));
    lines.extend(plan.stack.iter().flat_map(stack));
    lines.extend([String::new(), "Steps:".to_owned()]);
    let width = plan.steps().count().to_string().len();
    for (at, step) in plan.steps().enumerate() {
        lines.push(format!("{:>width$}. {}", at + 1, step.title));
    }
    let addresses = title::addresses(plan);
    if !addresses.is_empty() {
        lines.push(String::new());
        lines.extend(addresses);
    }
    lines.join("\n")
}
