//! All that a decision is made from.

use jiff::Timestamp;

use super::{Observed, ObservedEnvironment};
use crate::backend::Witnessed;
use crate::config::{EnvironmentSettings, Settings};
use crate::domain::{EnvironmentName, OperationId, Render, Request, Verb};
use crate::ledger::LedgerView;

/// All that a decision is made from. The planner and the gates are pure functions of it.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// Conventions and config.
    pub settings: &'a Settings,
    /// What was seen.
    pub observed: &'a Observed,
    /// What the ledger knows.
    pub view: &'a LedgerView,
    /// The ledger's own head, to be held against what the witness says.
    pub ledger: &'a Witnessed,
    /// What is asked for.
    pub request: &'a Request,
    /// The operation's id.
    pub operation: &'a OperationId,
    /// The time that names are made of.
    pub now: Timestamp,
}

impl<'a> PlanInput<'a> {
    /// The settings of the environment that changes.
    #[must_use]
    pub fn environment(&self) -> Option<&'a EnvironmentSettings> {
        self.settings.environments.get(&self.request.environment)
    }

    /// The environment that changes, as seen.
    #[must_use]
    pub fn target(&self) -> Option<&'a ObservedEnvironment> {
        self.observed.environments.get(&self.request.environment)
    }

    /// All other environments that were seen.
    pub fn others(&self) -> impl Iterator<Item = (&'a EnvironmentName, &'a ObservedEnvironment)> + 'a {
        let target = &self.request.environment;
        self.observed.environments.iter().filter(move |(name, _)| *name != target)
    }

    /// The render whose `build` sections say what is promoted: of the environment before this one, or of this one when
    /// it builds for itself.
    #[must_use]
    pub fn building_render(&self) -> Option<&'a Render> {
        let builds_itself = matches!(self.request.verb, Verb::Deploy { .. });
        let from = self.environment()?.from.as_ref().filter(|_| !builds_itself);
        let building = from.and_then(|name| self.observed.environments.get(name)).or_else(|| self.target());
        building.map(|environment| &environment.render)
    }

    /// Whether a service of the environment that changes is a database.
    #[must_use]
    pub fn is_database(&self, service: &crate::domain::ServiceName) -> bool {
        self.observed.databases.iter().any(|database| &database.service == service)
    }
}
