//! Host ports that an overlay inherits from its base while it maps the same container port elsewhere are left out, and
//! the plan says so.

use crate::domain::located;
use crate::plan::ports::dropped_ports;
use crate::plan::{Finding, PlanInput};

const GATE: &str = "inherited-ports";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let dropped = dropped_ports(input);
    if dropped.is_empty() {
        return Vec::new();
    }
    let environment = &input.request.environment;
    let note = Finding::note(
        GATE,
        format!(
            "{environment} is started without host ports that it inherits and maps elsewhere (Compose appends `ports`)"
        ),
    );
    let note = dropped.iter().fold(note, |note, d| {
        let port = d.port.published.map_or_else(String::new, |p| p.to_string());
        let places = input.target().map(|t| t.render.places.of(&format!("services.{}.ports", d.service)));
        let text = format!("{}: {port} -> {}/{}", d.service, d.port.target, d.port.protocol);
        note.seen(located(places.unwrap_or_default(), &text))
    });
    vec![note.mend(
        "to be rid of this note, take the host port from a variable in the base: \"${PORT:-5000}:5000\"",
    )]
}
