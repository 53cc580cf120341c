//! Stages of steps, and the plan they make.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, Finding, PlannedRelease};
use crate::domain::{
    EnvironmentName, HealthTarget, ImageId, OperationId, Release, ReleaseTag, Request, ServiceName, StackRef,
    StepId, Verb,
};

/// The version of the plan's format that this code writes, and the newest that it reads.
pub const PLAN_FORMAT: u32 = 1;

/// What an operation will do, decided before it acts. It can be printed, stored, and run by another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The operation's id.
    pub operation: OperationId,
    /// What was asked for.
    pub request: Request,
    /// When it was made.
    pub created_at: Timestamp,
    /// The stack that changes; `None` for a fetch, which changes the source alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackRef>,
    /// The environment that the release comes from, for a promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<EnvironmentName>,
    /// The release that will run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<PlannedRelease>,
    /// Releases that are too old to be gone back to once this one runs; their images are no longer kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retires: Vec<ReleaseTag>,
    /// What runs before.
    pub before: Before,
    /// Whether a person must agree to it first.
    pub confirm: bool,
    /// Whether a failed release is left running.
    #[serde(default)]
    pub keep_failed: bool,
    /// What the reader should know, gates' notes included.
    pub notes: Vec<Finding>,
    /// Where the services answer, for people: display name and address.
    pub addresses: Vec<(String, String)>,
    /// One after another.
    pub stages: Vec<Stage>,
}

/// What runs before an operation: what an unwinding must come back to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Before {
    /// The release that runs, or an adopted one made up of what runs; `None` where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// Each container of a service that may change.
    pub containers: Vec<ContainerBefore>,
    /// How to look at the services that were healthy.
    pub healthy: Vec<HealthTarget>,
}

/// One container before an operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerBefore {
    /// Its service.
    pub service: ServiceName,
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: ImageId,
    /// Whether it runs, or is between two runs.
    pub running: bool,
}

/// Steps that may run side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What it is for.
    pub kind: StageKind,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// What a stage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StageKind {
    /// Bring the source up to date.
    Fetch,
    /// Keep what runs from being lost.
    Pin,
    /// Build images.
    Build,
    /// Pull images that were built elsewhere.
    Pull,
    /// Give names of another environment, which images were pulled by, back to what they named.
    GiveBack,
    /// Back the database up.
    Backup,
    /// Move references.
    Tag,
    /// A command of the team's own, before containers are replaced.
    BeforeSwap,
    /// Replace containers.
    Swap,
    /// Wait for health.
    Health,
    /// A command of the team's own, when all is healthy.
    AfterSwap,
    /// An embedder's own.
    External,
    /// The commit point.
    Commit,
    /// Clear away what is no longer needed.
    Retire,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its id, unique in the plan.
    pub id: StepId,
    /// What it does, for people: `tag ala-api:production`.
    pub title: String,
    /// How it can be taken back.
    pub class: StepClass,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
}

/// How a step can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StepClass {
    /// It can be undone.
    Compensable,
    /// Nothing before it is undone once it is finished.
    Pivot,
    /// After the pivot: it is tried again rather than undone, and its failure is a warning.
    Retryable,
}

impl Plan {
    /// All steps in order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.stages.iter().flat_map(|stage| &stage.steps)
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps().find(|step| &step.id == id)
    }

    /// A plan to bring the source up to its upstream: an operation of its own, since it can change all that follows.
    #[must_use]
    pub fn fetch(
        environment: &EnvironmentName,
        dir: &Path,
        operation: OperationId,
        created_at: Timestamp,
    ) -> Self {
        let step = Step {
            id: StepId::numbered(1),
            title: "fetch the source".to_owned(),
            class: StepClass::Pivot,
            action: Action::Fetch { dir: dir.to_owned() },
        };
        Self {
            format: PLAN_FORMAT,
            operation,
            request: Request { environment: environment.clone(), verb: Verb::Fetch },
            created_at,
            stack: None,
            from: None,
            release: None,
            retires: Vec::new(),
            before: Before::default(),
            confirm: false,
            keep_failed: false,
            notes: Vec::new(),
            addresses: Vec::new(),
            stages: vec![Stage { kind: StageKind::Fetch, steps: vec![step] }],
        }
    }

    /// Adds a step of an embedder's own, in a stage of its own, before the first stage of the given kind (at the end
    /// where there is none). A [`StepHandler`](crate::engine::StepHandler) of this `kind` must be registered when the
    /// plan is run, and when it is recovered.
    pub fn insert_external(
        &mut self,
        before: StageKind,
        title: impl Into<String>,
        kind: impl Into<String>,
        version: u32,
        payload: serde_json::Value,
    ) {
        let action = Action::External { kind: kind.into(), version, payload };
        let step = Step {
            id: StepId::numbered(self.steps().count() + 1),
            title: title.into(),
            class: StepClass::Compensable,
            action,
        };
        let at = self.stages.iter().position(|stage| stage.kind == before).unwrap_or(self.stages.len());
        self.stages.insert(at, Stage { kind: StageKind::External, steps: vec![step] });
    }

    /// Whether both would do the same, embedders' own steps and notes aside: whether what was seen still leads to this.
    #[must_use]
    pub fn does_the_same(&self, other: &Self) -> bool {
        let own = |plan: &Self| {
            let mut plan = plan.clone();
            plan.stages.retain(|stage| stage.kind != StageKind::External);
            plan.notes.clear();
            plan.before.healthy.clear();
            plan
        };
        own(self) == own(other)
    }

    /// The environment that changes.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        &self.request.environment
    }
}
