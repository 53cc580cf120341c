//! What an operation will do, and whether it may.

mod action;
mod step;
mod finding;
mod observed;
mod input;
mod pairing;
mod changes;
mod ports;
mod gates;
mod planner;

pub use action::{Action, HookImage, ImageSource, Output, PlannedImage, PlannedRelease, PullTarget};
pub(crate) use changes::stand_beside;
pub use finding::{Finding, Refusal, Severity};
pub use gates::Gate;
pub(crate) use gates::{is_ledger_loss, ledger_loss};
pub use input::PlanInput;
pub use observed::{Observed, ObservedEnvironment};
pub use pairing::{PromotedService, promoted_services};
pub(crate) use planner::{
    backups_in_question, health_targets, references_in_question, wanted_ports_of_target,
};
pub use planner::{plan, rollback_choices};
pub use step::{Before, ContainerBefore, PLAN_FORMAT, Plan, Stage, StageKind, Step, StepClass};
