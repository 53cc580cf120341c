//! What a stack has otherwise than its files say is told in its plan: host ports that an overlay inherits and maps
//! elsewhere are left out; where the config says so, ports, container names and image references are moved out of another
//! environment's way.

use std::path::PathBuf;

use crate::config::{ComposeFiles, ConfigLine};
use crate::domain::{Places, Render, ServiceName, StackChange, located};
use crate::plan::{Finding, PlanInput};

const GATE: &str = "stack-changes";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    let changes = &target.render.stack.changes;
    let (dropped, others): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| matches!(change, StackChange::PortDropped { .. }));
    let environment = &input.request.environment;
    let places = &target.render.places;
    let inherits = format!(
        "{environment} is started without host ports that it inherits and maps elsewhere (Compose appends `ports`)"
    );
    let beside = format!(
        "{environment} is started with other host ports, container names or image references than its files have, as \
         [environments.{environment}] beside in ala-promote.toml says"
    );
    let mend =
        "to be rid of this note, take the host port from a variable in the base: \"${PORT:-5000}:5000\"";
    let dropped = note(inherits, &dropped, places).map(|note| note.mend(mend));
    dropped
        .into_iter()
        .chain(note(beside, &others, places))
        .chain(env_files(&target.render))
        .chain(files_to_say(input))
        .chain(unseen(input))
        .collect()
}

/// Env files that services read in the place of others: who reads them. One that nobody reads is a mistake.
fn env_files(render: &Render) -> Vec<Finding> {
    let name = &render.stack.environment;
    let pair = |(given, read): (&PathBuf, &PathBuf)| {
        let readers = render.services.iter().filter(|(_, spec)| spec.env_files.contains(read));
        let readers: Vec<&str> = readers.map(|(service, _)| service.as_str()).collect();
        let (given, read) = (given.display(), read.display());
        if readers.is_empty() {
            let reason = format!("no service of {name} reads {read} in the place of {given}");
            return Finding::refuse(GATE, reason)
                .mend(format!("take it out of [environments.{name}] beside in ala-promote.toml"));
        }
        Finding::note(GATE, format!("services of {name} read {read} in the place of {given}"))
            .seen(readers.join(", "))
    };
    render.stack.service_env_files.iter().map(pair).collect()
}

/// What is to be moved out of the way of an environment is not known while that can't be rendered. A rollback, which
/// others' files hold up nowhere else, would start it under the other's names.
fn unseen(input: &PlanInput<'_>) -> Option<Finding> {
    input.environment()?.beside.as_ref().filter(|beside| beside.looks_at_others())?;
    let environments = &input.observed.environments;
    let unseen = input.settings.environments.keys().find(|name| !environments.contains_key(*name))?;
    let name = &input.request.environment;
    let reason =
        format!("{unseen} can't be rendered, so what {name} moves out of its way (`beside`) is not known");
    Some(Finding::refuse(GATE, reason).mend(format!("mend the files of {unseen}, then try again")))
}

/// An environment that is found by what runs would be found by what it was started from, with the changes in it: later
/// edits of its files would mean nothing.
fn files_to_say(input: &PlanInput<'_>) -> Option<Finding> {
    let settings = input.environment().filter(|settings| settings.files == ComposeFiles::AsRunning)?;
    settings.beside.as_ref()?;
    let name = &settings.name;
    let stack = &input.target()?.render.stack;
    let named = |file: &PathBuf| file.strip_prefix(&stack.dir).unwrap_or(file).display().to_string();
    let names: Vec<String> = stack.files.iter().map(named).collect();
    let finding = Finding::refuse(GATE, format!("{name} has `beside`, but does not say its files"));
    let line = ConfigLine::new(&["environments", name.as_str()], "files", names);
    Some(finding.mend_in_config("write them", [line]))
}

fn note(reason: String, changes: &[&StackChange], places: &Places) -> Option<Finding> {
    let note = Finding::note(GATE, reason);
    (!changes.is_empty()).then(|| changes.iter().fold(note, |note, change| note.seen(shown(change, places))))
}

fn shown(change: &StackChange, places: &Places) -> String {
    let at = |service: &ServiceName, key: &str, text: &str| {
        located(places.of(&format!("services.{service}.{key}")), &format!("{service}: {text}"))
    };
    let number = |published: Option<u16>| published.map_or_else(String::new, |p| p.to_string());
    match change {
        StackChange::PortDropped { service, port } => {
            let text = format!("{} -> {}/{}", number(port.published), port.target, port.protocol);
            at(service, "ports", &text)
        }
        StackChange::PortMoved { service, port, to } => {
            let text =
                format!("{} becomes {to} -> {}/{}", number(port.published), port.target, port.protocol);
            at(service, "ports", &text)
        }
        StackChange::ContainerRenamed { service, name, to, .. } => {
            at(service, "container_name", &format!("{name} becomes {to}"))
        }
        StackChange::ImageRenamed { service, image, to } => {
            at(service, "image", &format!("{image} becomes {to}"))
        }
    }
}
