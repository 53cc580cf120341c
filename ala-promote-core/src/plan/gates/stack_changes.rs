//! What a stack has otherwise than its files say is told in its plan: host ports that an overlay inherits and maps
//! elsewhere are left out; where the config says so, ports and container names of another environment are moved out of
//! its way.

use crate::config::ComposeFiles;
use crate::domain::{Places, ServiceName, StackChange, located};
use crate::plan::changes::changes;
use crate::plan::{Finding, PlanInput};

const GATE: &str = "stack-changes";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    let changes = changes(input);
    let (dropped, others): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| matches!(change, StackChange::PortDropped { .. }));
    let environment = &input.request.environment;
    let places = &target.render.places;
    let inherits = format!(
        "{environment} is started without host ports that it inherits and maps elsewhere (Compose appends `ports`)"
    );
    let beside = format!(
        "{environment} is started with other host ports or container names than its files have, as [environments.\
         {environment}] beside in ala-promote.toml says"
    );
    let mend =
        "to be rid of this note, take the host port from a variable in the base: \"${PORT:-5000}:5000\"";
    let dropped = note(inherits, &dropped, places).map(|note| note.mend(mend));
    dropped.into_iter().chain(note(beside, &others, places)).chain(files_to_say(input)).collect()
}

/// An environment that is found by what runs would be found by what it was started from, with the changes in it: later
/// edits of its files would mean nothing.
fn files_to_say(input: &PlanInput<'_>) -> Option<Finding> {
    let settings = input.environment().filter(|settings| settings.files == ComposeFiles::AsRunning)?;
    settings.beside.as_ref()?;
    let name = &settings.name;
    let files = &input.target()?.render.stack.files;
    let names = files.iter().filter_map(|file| Some(format!("\"{}\"", file.file_name()?.to_string_lossy())));
    let finding = Finding::refuse(GATE, format!("{name} has `beside`, but does not say its files"));
    let names = names.collect::<Vec<_>>().join(", ");
    Some(finding.mend(format!("write in ala-promote.toml: [environments.{name}] files = [{names}]")))
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
    }
}
