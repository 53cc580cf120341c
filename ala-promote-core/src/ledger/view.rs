//! What the records come to: the releases, what each environment runs, and which operations are not done.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Body, GivenUp};
use crate::domain::{
    Actor, EnvironmentName, OperationId, Outcome, Release, ReleaseKind, ReleaseTag, Request, Verb,
};
use crate::engine::Progress;
use crate::plan::{Output, Plan};

/// What the records come to. Made by [`apply`](Self::apply) alone, one record after another, so that it can be stored
/// in a checkpoint and made anew at any time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerView {
    /// All releases that were ever committed, or found running.
    pub releases: BTreeMap<ReleaseTag, Release>,
    /// The environments that were ever changed.
    pub environments: BTreeMap<EnvironmentName, EnvironmentView>,
    /// Operations that are not done: open ones, and those that need attention.
    pub unfinished: BTreeMap<OperationId, Unfinished>,
    /// All operations and refusals, oldest first.
    pub history: Vec<HistoryEntry>,
}

/// What the ledger knows of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EnvironmentView {
    /// The releases to go back to, oldest first; the last is the one that runs. A rollback cuts it short, so that a
    /// second one goes further back.
    pub line: Vec<ReleaseTag>,
    /// The releases that the last operation left behind, where that went back, or found that somebody had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<ReleaseTag>,
}

impl EnvironmentView {
    /// The release that runs, as far as the ledger knows.
    #[must_use]
    pub fn current(&self) -> Option<&ReleaseTag> {
        self.line.last()
    }

    /// As it is once an operation has put `release` in the place of `before`.
    #[must_use]
    pub fn moved_to(&self, release: &ReleaseTag, before: Option<&ReleaseTag>, verb: &Verb) -> Self {
        let mut line = self.line.clone();
        let mut left = Vec::new();
        // What ran before is the line's end; else somebody put it there: back to an earlier one, or one not known yet.
        if let Some(before) = before {
            left.extend(cut_after(&mut line, before));
        }
        match verb {
            Verb::Rollback { .. } => left.extend(cut_after(&mut line, release)),
            _ if line.last() == Some(release) => {}
            _ => line.push(release.clone()),
        }
        left.retain(|tag| !line.contains(tag));
        Self { line, left }
    }
}

/// Lets the line end with a release, and returns what came after it.
fn cut_after(line: &mut Vec<ReleaseTag>, release: &ReleaseTag) -> Vec<ReleaseTag> {
    match line.iter().rposition(|tag| tag == release) {
        Some(at) => line.split_off(at + 1),
        None => {
            line.push(release.clone());
            Vec::new()
        }
    }
}

/// An operation that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// How far it is.
    pub progress: Progress,
    /// Who asked for it.
    pub actor: Actor,
    /// Since when.
    pub since: Timestamp,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When it started.
    pub at: Timestamp,
    /// Who asked.
    pub actor: Actor,
    /// For what; `None` where a new ledger was begun, which is no operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// The operation; `None` for one that did not start.
    pub operation: Option<OperationId>,
    /// The release that it was about.
    pub release: Option<ReleaseTag>,
    /// How it ended.
    pub end: HistoryEnd,
    /// When it ended; `None` while it has not.
    pub ended_at: Option<Timestamp>,
}

/// How an entry of the history ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
#[non_exhaustive]
pub enum HistoryEnd {
    /// It has not.
    Open,
    /// With an outcome.
    Outcome(Outcome),
    /// A gate refused it.
    Refused {
        /// Why.
        reasons: Vec<String>,
    },
    /// Nobody confirmed it.
    NotConfirmed,
    /// It was no operation: a new ledger began in the place of one that was lost.
    BegunAnew {
        /// What was given up.
        given_up: GivenUp,
    },
}

impl LedgerView {
    /// Takes in one record. Records of unknown operations are passed over: the chain says what was written, and a view
    /// can't mend it.
    pub fn apply(&mut self, at: Timestamp, operation: Option<&OperationId>, body: &Body) {
        match body {
            Body::OperationStarted { plan, actor } => {
                let entry = HistoryEntry {
                    at,
                    actor: actor.clone(),
                    request: Some(plan.request.clone()),
                    operation: Some(plan.operation.clone()),
                    release: plan.release.as_ref().map(|release| release.tag.clone()),
                    end: HistoryEnd::Open,
                    ended_at: None,
                };
                self.history.push(entry);
                let progress = Progress::new((**plan).clone());
                let unfinished = Unfinished { progress, actor: actor.clone(), since: at };
                self.unfinished.insert(plan.operation.clone(), unfinished);
            }
            Body::Refused { request, findings, actor } => {
                let reasons = findings.iter().map(|finding| finding.reason.clone()).collect();
                self.history.push(not_started(at, actor, Some(request), HistoryEnd::Refused { reasons }));
            }
            Body::NotConfirmed { request, actor } => {
                self.history.push(not_started(at, actor, Some(request), HistoryEnd::NotConfirmed));
            }
            Body::BegunAnew { given_up, actor } => {
                let end = HistoryEnd::BegunAnew { given_up: given_up.clone() };
                self.history.push(not_started(at, actor, None, end));
            }
            _ => {
                if let Some(operation) = operation {
                    self.apply_step(at, operation, body);
                }
            }
        }
    }

    fn apply_step(&mut self, at: Timestamp, operation: &OperationId, body: &Body) {
        let Some(unfinished) = self.unfinished.get_mut(operation) else { return };
        unfinished.progress.apply(body);
        match body {
            Body::StepFinished { output: Output::Committed(release), .. } => {
                let plan = unfinished.progress.plan().clone();
                self.commit(&plan, release);
            }
            Body::OperationEnded { outcome } => {
                let open = self.history.iter_mut().rev();
                if let Some(entry) = open.into_iter().find(|e| e.operation.as_ref() == Some(operation)) {
                    entry.end = HistoryEnd::Outcome(outcome.clone());
                    entry.ended_at = Some(at);
                }
                if !matches!(outcome, Outcome::NeedsAttention { .. }) {
                    self.unfinished.remove(operation);
                }
            }
            _ => {}
        }
    }

    /// A release that is known stays as it was made; where it goes adds the names that it has there.
    fn commit(&mut self, plan: &Plan, release: &Release) {
        let before = plan.before.release.as_ref();
        for found in before.into_iter().chain([release]) {
            let known = self.releases.entry(found.tag.clone()).or_insert_with(|| found.clone());
            for (service, image) in &found.images {
                known.images.entry(service.clone()).or_insert_with(|| image.clone());
            }
        }
        let environment = self.environments.entry(plan.environment().clone()).or_default();
        *environment =
            environment.moved_to(&release.tag, before.map(|before| &before.tag), &plan.request.verb);
        environment.line.retain(|tag| !plan.retires.contains(tag));
        environment.left.retain(|tag| !plan.retires.contains(tag));
    }

    /// The release that an environment runs, as far as the ledger knows.
    #[must_use]
    pub fn current(&self, environment: &EnvironmentName) -> Option<&Release> {
        let tag = self.environments.get(environment)?.current()?;
        self.releases.get(tag)
    }

    /// The releases that an environment can be put back to, oldest first, the one that runs included.
    pub fn line(&self, environment: &EnvironmentName) -> impl DoubleEndedIterator<Item = &Release> {
        let line = self.environments.get(environment).map(|e| e.line.as_slice()).unwrap_or_default();
        line.iter().filter_map(|tag| self.releases.get(tag))
    }

    /// The release that may be promoted from an environment: the one that was last found healthy there, if it was
    /// built to be tested.
    #[must_use]
    pub fn tested(&self, environment: &EnvironmentName) -> Option<&Release> {
        self.current(environment).filter(|release| release.kind == ReleaseKind::Tested)
    }

    /// The unfinished operation on an environment.
    #[must_use]
    pub fn unfinished_on(&self, environment: &EnvironmentName) -> Option<&Unfinished> {
        self.unfinished.values().find(|u| u.progress.plan().environment() == environment)
    }
}

fn not_started(at: Timestamp, actor: &Actor, request: Option<&Request>, end: HistoryEnd) -> HistoryEntry {
    HistoryEntry {
        at,
        actor: actor.clone(),
        request: request.cloned(),
        operation: None,
        release: None,
        end,
        ended_at: Some(at),
    }
}
