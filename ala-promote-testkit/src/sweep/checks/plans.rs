//! What an operation acts on is what its plan was made for.

use ala_promote_core::domain::ServiceName;
use ala_promote_core::plan::{Action, ContainerBefore, Plan};

use crate::memory::State;
use crate::sweep::{Invariant, Violation};

/// At its start, the containers and the references that a plan is to change must be what it says of them.
pub(in crate::sweep) fn plan_is_of(plan: &Plan, state: &State) -> Vec<Violation> {
    let mut wrong = Vec::new();
    for step in plan.steps() {
        match &step.action {
            Action::Tag { reference, prior, .. } if state.references.get(reference) != prior.as_ref() => {
                wrong.push(format!("{reference} does not name what the plan says"));
            }
            Action::Swap { stack, services, .. } => {
                let of_it = |service: &ServiceName| services.contains(service);
                let now: Vec<_> = state.containers_in(&stack.project).filter(|c| of_it(&c.service)).collect();
                let is_there = |before: &ContainerBefore| {
                    now.iter().any(|c| c.name == before.name && c.image == before.image)
                };
                if now.len() != plan.before.containers.len() || !plan.before.containers.iter().all(is_there) {
                    wrong.push("what runs is not what the plan says".to_owned());
                }
            }
            _ => {}
        }
    }
    let broken = |how: String| Invariant::PlanStillTrue.broken(format!("{}: {how}", plan.operation));
    wrong.into_iter().map(broken).collect()
}
