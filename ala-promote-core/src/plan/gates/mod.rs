//! Gates: checks that can refuse an operation before it starts. Pure functions of what was seen.

mod build_parity;
mod database;
mod hooks;
mod images;
mod isolation;
mod lines;
mod mounted_code;
mod ports_free;
mod service_map;
mod shared_binds;
mod source;
mod stack_changes;
mod state_loss;
mod tested_release;

pub(crate) use database::{takes_backup, to_back_up as databases_to_back_up};
pub(crate) use state_loss::{is_ledger_loss, ledger_loss};

use super::{Finding, PlanInput};

/// A check that can refuse an operation before it starts.
pub trait Gate: Send + Sync {
    /// Looks at what was seen; does nothing to the world. No finding: nothing to say.
    fn check(&self, input: &PlanInput<'_>) -> Vec<Finding>;
}

impl<F> Gate for F
where
    F: Fn(&PlanInput<'_>) -> Vec<Finding> + Send + Sync,
{
    fn check(&self, input: &PlanInput<'_>) -> Vec<Finding> {
        self(input)
    }
}

/// The gates that every operation passes, in the order in which their findings are shown.
pub(crate) fn built_in() -> [&'static dyn Gate; 13] {
    [
        &state_loss::check,
        &tested_release::check,
        &service_map::check,
        &images::check,
        &build_parity::check,
        &stack_changes::check,
        &isolation::check,
        &shared_binds::check,
        &mounted_code::check,
        &ports_free::check,
        &database::check,
        &hooks::check,
        &source::check,
    ]
}
