//! How far an operation is: a pure state machine over its records. Running, unwinding and recovering are the same loop
//! over [`Progress::next`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Outcome, StepId};
use crate::ledger::Body;
use crate::plan::{Action, Output, Plan, Stage, StageKind, Step, StepClass};

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    plan: Plan,
    states: BTreeMap<StepId, StepState>,
    /// Why it is being taken back; `None` while it goes forward.
    backward: Option<Backward>,
    /// Failures after the pivot.
    warnings: Vec<String>,
    outcome: Option<Outcome>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Backward {
    reason: String,
    /// The release failed after it was started, and is to be left running to be looked at.
    keep: bool,
}

/// How far a step is. A step without a state has not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
enum StepState {
    /// Its effect may be there, in part or whole.
    Started,
    /// Its effect is there.
    Finished { output: Output },
    /// Its effect may be taken back, in part or whole.
    Undoing,
    /// After the pivot: it could not be done, and nothing depends on it.
    GivenUp,
    /// Its effect is taken back.
    Undone,
    /// Its effect could not be taken back.
    Stuck { error: String },
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next<'a> {
    /// Run these steps of one stage, side by side.
    Run(&'a Stage, Vec<&'a Step>),
    /// Take this step back.
    Undo(&'a Step),
    /// Look whether all is as it was. If so take `kept` back too, in this order, then end.
    EndBackward {
        /// Why it was taken back.
        reason: &'a str,
        /// Steps that could not be taken back, with why.
        stuck: Vec<(&'a Step, &'a str)>,
        /// Steps that keep what ran before from being lost: needed until all is seen to be back.
        kept: Vec<&'a Step>,
    },
    /// End, with the failed release left running as was asked for.
    EndKept {
        /// Why it failed.
        reason: &'a str,
    },
    /// End: all is done.
    EndForward {
        /// What was left undone after the commit.
        warnings: &'a [String],
    },
    /// It has ended.
    Nothing(&'a Outcome),
}

impl Progress {
    /// An operation of which nothing is done.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self { plan, states: BTreeMap::new(), backward: None, warnings: Vec::new(), outcome: None }
    }

    /// What it is to do.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether the commit point is passed: from then on it only goes forward.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.plan.steps().any(|step| step.class == StepClass::Pivot && self.output(&step.id).is_some())
    }

    /// How it ended; `None` while it has not.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Why it is being taken back; `None` while it goes forward.
    #[must_use]
    pub fn backward_reason(&self) -> Option<&str> {
        self.backward.as_ref().map(|backward| backward.reason.as_str())
    }

    /// Whether a step's effect was ever begun.
    #[must_use]
    pub fn was_touched(&self, step: &StepId) -> bool {
        self.states.contains_key(step)
    }

    /// What a finished step found out.
    #[must_use]
    pub fn output(&self, step: &StepId) -> Option<&Output> {
        match self.states.get(step) {
            Some(StepState::Finished { output }) => Some(output),
            _ => None,
        }
    }

    /// Takes in one record.
    pub fn apply(&mut self, body: &Body) {
        match body {
            Body::StepStarted { step } => self.set(step, StepState::Started),
            Body::StepFinished { step, output } => {
                self.set(step, StepState::Finished { output: output.clone() });
            }
            Body::StepFailed { step, error } => self.fail(step, error),
            Body::Cancelled => self.turn_back("stopped on request".to_owned(), false),
            Body::RecoveryStarted { .. } => self.reopen(),
            Body::UndoFinished { step } => self.set(step, StepState::Undone),
            Body::UndoFailed { step, error } => self.set(step, StepState::Stuck { error: error.clone() }),
            Body::OperationEnded { outcome } => self.outcome = Some(outcome.clone()),
            Body::UndoStarted { step } => self.set(step, StepState::Undoing),
            Body::OperationStarted { .. }
            | Body::Refused { .. }
            | Body::NotConfirmed { .. }
            | Body::BegunAnew { .. } => {}
        }
    }

    fn set(&mut self, step: &StepId, state: StepState) {
        self.states.insert(step.clone(), state);
    }

    fn fail(&mut self, step: &StepId, error: &str) {
        let title = self.plan.step(step).map_or(step.as_str(), |s| &s.title);
        let text = format!("{title}: {error}");
        if self.is_committed() {
            self.warnings.push(text);
            self.set(step, StepState::GivenUp);
        } else {
            let keep = self.plan.keep_failed && self.is_started_release(step);
            self.turn_back(text, keep);
        }
    }

    /// Before the pivot, everything that fails turns the operation back; the first reason is the one that counts.
    fn turn_back(&mut self, reason: String, keep: bool) {
        if !self.is_committed() {
            self.backward.get_or_insert(Backward { reason, keep });
        }
    }

    /// Another process goes on. As long as all that was kept is there, everything is taken back once more, since what
    /// was found wrong may be of a step whose undo went well; each undo is an "ensure".
    fn reopen(&mut self) {
        self.outcome = None;
        if self.plan.steps().all(|step| step.class != StepClass::Compensable) {
            return;
        }
        self.turn_back("the process that ran it ended before it was done".to_owned(), false);
        let is_kept = |step: &Step| {
            matches!(self.states.get(&step.id), None | Some(StepState::Started | StepState::Finished { .. }))
        };
        let all_kept = self.keeping().iter().flat_map(|stage| &stage.steps).all(is_kept);
        // What a hook took back can't be looked at, and the image that it needs may be gone: done is done.
        let is_hook =
            |id: &StepId| self.plan.step(id).is_some_and(|step| matches!(step.action, Action::Hook { .. }));
        for (id, state) in &mut self.states {
            let is_stuck = matches!(state, StepState::Stuck { .. });
            if is_stuck || (all_kept && *state == StepState::Undone && !is_hook(id)) {
                *state = StepState::Undoing;
            }
        }
    }

    /// Whether a hook that could not be taken back needs what this step made: the image that it runs in, by its name.
    fn is_needed_by_a_hook(&self, step: &Step) -> bool {
        let is_stuck = |hook: &Step| {
            matches!(hook.action, Action::Hook { image: Some(_), .. })
                && matches!(self.states.get(&hook.id), Some(StepState::Stuck { .. }))
        };
        matches!(step.action, Action::Tag { .. } | Action::Build { .. } | Action::Pull { .. })
            && self.plan.steps().any(is_stuck)
    }

    /// The stages that keep what ran before, and those before them. The others can be taken back only while these stand.
    fn keeping(&self) -> &[Stage] {
        let pins = self.plan.stages.iter().rposition(|stage| stage.kind == StageKind::Pin);
        pins.and_then(|last| self.plan.stages.get(..=last)).unwrap_or_default()
    }

    fn is_started_release(&self, step: &StepId) -> bool {
        let health = self.plan.stages.iter().filter(|stage| stage.kind == StageKind::Health);
        health.flat_map(|stage| &stage.steps).any(|s| &s.id == step)
    }

    /// What is to be done next.
    #[must_use]
    pub fn next(&self) -> Next<'_> {
        if let Some(outcome) = &self.outcome {
            return Next::Nothing(outcome);
        }
        match &self.backward {
            Some(Backward { reason, keep: true }) => self.next_kept(reason),
            Some(Backward { reason, keep: false }) => self.next_backward(reason),
            None => self.next_forward(),
        }
    }

    fn next_forward(&self) -> Next<'_> {
        for stage in &self.plan.stages {
            let open: Vec<&Step> = stage
                .steps
                .iter()
                .filter(|step| matches!(self.states.get(&step.id), None | Some(StepState::Started)))
                .collect();
            if !open.is_empty() {
                return Next::Run(stage, open);
            }
        }
        Next::EndForward { warnings: &self.warnings }
    }

    fn next_backward<'a>(&'a self, reason: &'a str) -> Next<'a> {
        let keeping = self.keeping();
        let changing = self.plan.stages.iter().skip(keeping.len()).flat_map(|stage| &stage.steps);
        let is_next = |step: &&Step| self.is_to_undo(step) && !self.is_needed_by_a_hook(step);
        if let Some(step) = changing.rev().find(is_next) {
            return Next::Undo(step);
        }
        let stuck = |step: &'a Step| match self.states.get(&step.id) {
            Some(StepState::Stuck { error }) => Some((step, error.as_str())),
            _ => None,
        };
        let kept = keeping.iter().flat_map(|stage| &stage.steps).rev().filter(|step| self.is_to_undo(step));
        Next::EndBackward {
            reason,
            stuck: self.plan.steps().filter_map(stuck).collect(),
            kept: kept.collect(),
        }
    }

    /// The failed release stays as it is; what only the way back or the build needed does not.
    fn next_kept<'a>(&'a self, reason: &'a str) -> Next<'a> {
        let aid = |step: &&Step| matches!(step.action, Action::Build { .. } | Action::Snapshot { .. });
        let to_undo = self.plan.steps().rev().filter(aid).find(|step| self.is_to_undo(step));
        to_undo.map_or(Next::EndKept { reason }, Next::Undo)
    }

    fn is_to_undo(&self, step: &Step) -> bool {
        use StepState::{Finished, Started, Undoing};
        matches!(self.states.get(&step.id), Some(Started | Finished { .. } | Undoing))
    }
}
