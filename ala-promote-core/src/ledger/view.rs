//! What the records come to: the releases, what each environment runs, and which operations are not done.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Body;
use crate::domain::{
    Actor, EnvironmentName, OperationId, Outcome, Release, ReleaseKind, ReleaseTag, Request, Verb,
};
use crate::engine::Progress;
use crate::plan::Output;

/// What the records come to. Made by [`apply`](Self::apply) alone, one record after another, so that it can be stored
/// in a checkpoint and made anew at any time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
}

impl EnvironmentView {
    /// The release that runs, as far as the ledger knows.
    #[must_use]
    pub fn current(&self) -> Option<&ReleaseTag> {
        self.line.last()
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
    /// For what.
    pub request: Request,
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
                    request: plan.request.clone(),
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
                self.history.push(not_started(at, actor, request, HistoryEnd::Refused { reasons }));
            }
            Body::NotConfirmed { request, actor } => {
                self.history.push(not_started(at, actor, request, HistoryEnd::NotConfirmed));
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
                self.commit(&plan.request, plan.before.release.as_ref(), release);
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

    fn commit(&mut self, request: &Request, before: Option<&Release>, release: &Release) {
        let line = &mut self.environments.entry(request.environment.clone()).or_default().line;
        // What ran before is the line's end, or was put there by somebody else: it is a place to go back to all the same.
        if let Some(before) = before
            && line.last() != Some(&before.tag)
        {
            line.push(before.tag.clone());
            self.releases.entry(before.tag.clone()).or_insert_with(|| before.clone());
        }
        match (&request.verb, line.iter().position(|tag| tag == &release.tag)) {
            (Verb::Rollback { .. }, Some(position)) => line.truncate(position + 1),
            (_, _) if line.last() == Some(&release.tag) => {}
            _ => line.push(release.tag.clone()),
        }
        self.releases.insert(release.tag.clone(), release.clone());
    }

    /// The release that an environment runs, as far as the ledger knows.
    #[must_use]
    pub fn current(&self, environment: &EnvironmentName) -> Option<&Release> {
        let tag = self.environments.get(environment)?.current()?;
        self.releases.get(tag)
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

fn not_started(at: Timestamp, actor: &Actor, request: &Request, end: HistoryEnd) -> HistoryEntry {
    HistoryEntry {
        at,
        actor: actor.clone(),
        request: request.clone(),
        operation: None,
        release: None,
        end,
        ended_at: Some(at),
    }
}
