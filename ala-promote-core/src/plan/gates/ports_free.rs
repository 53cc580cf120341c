//! Host ports that the stack asks for are free, or its own.

use super::lines::seen_in;
use crate::plan::ports::{collide, wanted_ports};
use crate::plan::{Finding, PlanInput};

const GATE: &str = "ports-free";

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    let own = &target.render.stack.project;
    let mut findings = Vec::new();
    for (service, port) in wanted_ports(&target.render) {
        let taken = input
            .observed
            .port_holders
            .iter()
            .find(|held| held.project.as_ref() != Some(own) && collide(&held.port, port));
        if let (Some(taken), Some(published)) = (taken, port.published) {
            let reason = format!("port {published} that service {service} publishes is taken");
            findings.push(
                seen_in(Finding::refuse(GATE, reason), &target.render, &format!("services.{service}.ports"))
                    .seen(format!("port {published} is held by {}", taken.holder))
                    .mend(format!("stop what holds it, or publish another port for {service}")),
            );
        }
    }
    findings
}
