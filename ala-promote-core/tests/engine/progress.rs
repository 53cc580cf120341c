//! Progress over its records, without any world: wherever an operation is cut, by whatever means, it ends as promised.

use ala_promote_core::domain::{Actor, EnvironmentName, OperationId, Outcome, StepId};
use ala_promote_core::engine::{Next, Progress};
use ala_promote_core::ledger::Body;
use ala_promote_core::plan::{Action, Output, Plan, Stage, StageKind, Step, StepClass};
use jiff::Timestamp;
use proptest::prelude::*;

/// More steps than any operation of these plans takes, recoveries included.
const BOUND: usize = 500;

fn actor() -> Actor {
    Actor { user: "ops".into(), host: "host.example.com".into(), pid: 1 }
}

/// A plan of stages with so many steps each, the shape of a promotion.
fn plan(keep_failed: bool, widths: [usize; 4]) -> Plan {
    let [pins, tags, swaps, retired] = widths;
    let shape = [
        (StageKind::Pin, StepClass::Compensable, pins),
        (StageKind::Tag, StepClass::Compensable, tags),
        (StageKind::Swap, StepClass::Compensable, swaps),
        (StageKind::Health, StepClass::Compensable, 1),
        (StageKind::Commit, StepClass::Pivot, 1),
        (StageKind::Retire, StepClass::Retryable, retired),
    ];
    let environment = EnvironmentName::new("production").unwrap();
    let operation = OperationId::new("operation").unwrap();
    let mut plan = Plan::fetch(&environment, "/".as_ref(), operation, Timestamp::UNIX_EPOCH);
    plan.keep_failed = keep_failed;
    plan.stages.clear();
    let mut number = 0;
    for (kind, class, width) in shape.into_iter().filter(|(_, _, width)| *width > 0) {
        let steps = (0..width).map(|_| {
            number += 1;
            let action = Action::Fetch { dir: "/".into() };
            Step { id: StepId::numbered(number), title: format!("step {number}"), class, action }
        });
        plan.stages.push(Stage { kind, steps: steps.collect() });
    }
    plan
}

/// What the world does to an operation, one decision after another.
#[derive(Debug, Clone)]
struct Chances(Vec<u8>);

impl Chances {
    /// Whether what happens in one of `in_256` cases happens; never, once the list is used up.
    fn says(&mut self, in_256: u8) -> bool {
        self.0.pop().is_some_and(|chance| chance < in_256)
    }
}

/// All records of one operation, and a check of each decision.
struct Story {
    plan: Plan,
    records: Vec<Body>,
    progress: Progress,
}

impl Story {
    fn new(plan: Plan) -> Self {
        Self { progress: Progress::new(plan.clone()), records: Vec::new(), plan }
    }

    fn record(&mut self, body: Body) {
        self.progress.apply(&body);
        self.records.push(body);
        // What a new process makes of the records is what this one has.
        let mut replayed = Progress::new(self.plan.clone());
        self.records.iter().for_each(|body| replayed.apply(body));
        assert_eq!(replayed, self.progress);
    }

    fn place(&self, id: &StepId) -> usize {
        self.plan.steps().position(|step| &step.id == id).unwrap()
    }

    fn has(&self, is_meant: impl Fn(&Body) -> bool) -> bool {
        self.records.iter().any(is_meant)
    }

    /// The last thing that happened to a step, if its undo or its effect ever began.
    fn last_of(&self, id: &StepId) -> Option<&Body> {
        self.records.iter().rev().find(|body| match body {
            Body::StepStarted { step }
            | Body::StepFinished { step, .. }
            | Body::StepFailed { step, .. }
            | Body::UndoStarted { step }
            | Body::UndoFinished { step }
            | Body::UndoFailed { step, .. } => step == id,
            _ => false,
        })
    }

    fn is_pin(&self, id: &StepId) -> bool {
        self.plan.stages[0].steps.iter().any(|pin| &pin.id == id)
    }

    fn is_committed(&self) -> bool {
        let pivots: Vec<&StepId> =
            self.plan.steps().filter(|s| s.class == StepClass::Pivot).map(|s| &s.id).collect();
        self.has(|body| matches!(body, Body::StepFinished { step, .. } if pivots.contains(&step)))
    }

    /// Nothing may be undone before what was done after it: later steps that were begun are undone, or can't be.
    fn check_undo(&self, step: &StepId) {
        assert!(!self.is_committed(), "undo after the commit");
        if !self.is_pin(step) {
            let lost = self.has(|body| matches!(body, Body::UndoStarted { step } if self.is_pin(step)));
            assert!(!lost, "{step} is undone without what that needs");
        }
        for later in self.plan.steps().skip(self.place(step) + 1) {
            let stage =
                |id: &StepId| self.plan.stages.iter().position(|s| s.steps.iter().any(|x| &x.id == id));
            if stage(&later.id) == stage(step) {
                continue;
            }
            let last = self.last_of(&later.id);
            let is_over = matches!(last, None | Some(Body::UndoFinished { .. } | Body::UndoFailed { .. }));
            assert!(is_over, "{step} is undone before {}: {last:?}", later.id);
        }
    }

    fn run(&mut self, steps: Vec<Step>, chances: &mut Chances) -> bool {
        assert!(!self.has(|body| matches!(body, Body::UndoStarted { .. })) || self.is_committed());
        for step in &steps {
            self.record(Body::StepStarted { step: step.id.clone() });
            if chances.says(12) {
                return false;
            }
        }
        for step in steps {
            if chances.says(24) {
                self.record(Body::StepFailed { step: step.id, error: "it failed".into() });
            } else {
                self.record(Body::StepFinished { step: step.id, output: Output::Done });
            }
            if chances.says(12) {
                return false;
            }
        }
        true
    }

    fn undo(&mut self, step: &Step, chances: &mut Chances) -> bool {
        self.check_undo(&step.id);
        self.record(Body::UndoStarted { step: step.id.clone() });
        if chances.says(24) {
            return false;
        }
        if chances.says(48) {
            self.record(Body::UndoFailed { step: step.id.clone(), error: "it could not be undone".into() });
        } else {
            self.record(Body::UndoFinished { step: step.id.clone() });
        }
        true
    }

    /// One process: until the operation ends (`true`) or the process is killed.
    fn process(&mut self, chances: &mut Chances) -> bool {
        for _ in 0..BOUND {
            if chances.says(6) && !self.is_committed() && self.progress.outcome().is_none() {
                self.record(Body::Cancelled);
            }
            let outcome = match self.progress.next() {
                Next::Run(_, steps) => {
                    let steps = steps.into_iter().cloned().collect();
                    if self.run(steps, chances) {
                        continue;
                    }
                    return false;
                }
                Next::Undo(step) => {
                    let step = step.clone();
                    if self.undo(&step, chances) {
                        continue;
                    }
                    return false;
                }
                Next::EndBackward { reason, stuck, kept } => {
                    let reason = reason.to_owned();
                    let looks_good = stuck.is_empty() && !chances.says(32);
                    let kept: Vec<Step> = kept.into_iter().cloned().collect();
                    if looks_good && !kept.is_empty() {
                        for step in &kept {
                            if !self.undo(step, chances) {
                                return false;
                            }
                        }
                        continue;
                    }
                    if looks_good {
                        Outcome::RolledBack { reason }
                    } else {
                        Outcome::NeedsAttention { reason, state: vec![], commands: vec![] }
                    }
                }
                Next::EndKept { reason } => Outcome::Kept { reason: reason.to_owned() },
                Next::EndForward { warnings } => Outcome::Committed { warnings: warnings.to_vec() },
                Next::Nothing(_) => return true,
                other => panic!("{other:?}"),
            };
            self.record(Body::OperationEnded { outcome });
        }
        panic!("it never ends: {:?}", self.records);
    }

    fn check_end(&self) {
        let undone_or_stuck = |id: &StepId| {
            matches!(self.last_of(id), None | Some(Body::UndoFinished { .. } | Body::UndoFailed { .. }))
        };
        match self.progress.outcome().unwrap() {
            Outcome::Committed { .. } => {
                assert!(self.is_committed());
                for step in self.plan.steps() {
                    let last = self.last_of(&step.id);
                    let given_up =
                        step.class == StepClass::Retryable && matches!(last, Some(Body::StepFailed { .. }));
                    assert!(given_up || matches!(last, Some(Body::StepFinished { .. })), "{last:?}");
                }
            }
            Outcome::RolledBack { .. } => {
                assert!(!self.is_committed());
                for step in self.plan.steps() {
                    let last = self.last_of(&step.id);
                    assert!(matches!(last, None | Some(Body::UndoFinished { .. })), "{}: {last:?}", step.id);
                }
            }
            Outcome::NeedsAttention { .. } => {
                assert!(!self.is_committed());
                let changing = self.plan.steps().filter(|step| !self.is_pin(&step.id));
                changing.for_each(|step| assert!(undone_or_stuck(&step.id), "{}", step.id));
            }
            Outcome::Kept { .. } => {
                assert!(self.plan.keep_failed);
                let turned = self.records.iter().find(|body| {
                    matches!(body, Body::StepFailed { .. } | Body::Cancelled | Body::RecoveryStarted { .. })
                });
                let health = self.plan.stages.iter().find(|stage| stage.kind == StageKind::Health).unwrap();
                assert!(
                    matches!(turned, Some(Body::StepFailed { step, .. }) if *step == health.steps[0].id),
                    "kept, but turned by {turned:?}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

fn stories() -> impl Strategy<Value = (Plan, Vec<Chances>)> {
    let widths = [1..3_usize, 0..4, 1..3, 0..3];
    let plans = (any::<bool>(), widths).prop_map(|(keep, widths)| plan(keep, widths));
    let chances = proptest::collection::vec(any::<u8>(), 0..80).prop_map(Chances);
    (plans, proptest::collection::vec(chances, 1..6))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    /// Any number of processes, each killed anywhere, with steps, undos and looks that fail: the last one has luck, and
    /// the operation is committed as a whole or taken back as a whole.
    #[test]
    fn wherever_it_is_cut_it_ends_as_promised((plan, processes) in stories()) {
        let mut story = Story::new(plan);
        for mut chances in processes {
            let was_committed = story.is_committed();
            if story.process(&mut chances) {
                story.check_end();
            }
            prop_assert!(!was_committed || story.is_committed());
            let is_done = matches!(
                story.progress.outcome(),
                Some(Outcome::Committed { .. } | Outcome::RolledBack { .. } | Outcome::Kept { .. })
            );
            if is_done {
                return Ok(());
            }
            story.record(Body::RecoveryStarted { actor: actor() });
        }
        prop_assert!(story.process(&mut Chances(Vec::new())));
        story.check_end();
        let attention = matches!(story.progress.outcome(), Some(Outcome::NeedsAttention { .. }));
        prop_assert!(!attention, "a recovery in which all goes well leaves nothing: {:?}", story.records);
    }
}

fn of(plan: Plan, records: impl IntoIterator<Item = Body>) -> Progress {
    let mut progress = Progress::new(plan);
    records.into_iter().for_each(|body| progress.apply(&body));
    progress
}

fn started(number: usize) -> Body {
    Body::StepStarted { step: StepId::numbered(number) }
}

fn failed(number: usize) -> Body {
    Body::StepFailed { step: StepId::numbered(number), error: "it failed".into() }
}

fn finished(number: usize) -> Body {
    Body::StepFinished { step: StepId::numbered(number), output: Output::Done }
}

#[test]
fn a_failure_waits_for_the_siblings_and_takes_them_back_too() {
    // Pin 1, tags 2 and 3: one fails, the other finishes after it.
    let plan = plan(false, [1, 2, 1, 0]);
    let mut progress = of(plan, [started(1), finished(1), started(2), started(3), failed(2), finished(3)]);
    assert!(matches!(progress.next(), Next::Undo(step) if step.id == StepId::numbered(3)));
    progress.apply(&Body::UndoFinished { step: StepId::numbered(3) });
    assert!(matches!(progress.next(), Next::Undo(step) if step.id == StepId::numbered(2)));
    progress.apply(&Body::UndoFinished { step: StepId::numbered(2) });
    assert!(
        matches!(progress.next(), Next::EndBackward { reason: "step 2: it failed", kept, .. } if kept.len() == 1)
    );
}

#[test]
fn what_the_way_back_needs_is_kept_while_it_is_stuck_and_all_is_tried_again() {
    let plan = plan(false, [1, 1, 1, 0]);
    let stuck = [
        started(1),
        finished(1),
        started(2),
        finished(2),
        started(3),
        failed(3),
        Body::UndoFailed { step: StepId::numbered(3), error: "no".into() },
        Body::UndoFinished { step: StepId::numbered(2) },
    ];
    let mut progress = of(plan, stuck);
    let Next::EndBackward { stuck, kept, .. } = progress.next() else { panic!() };
    assert_eq!((stuck.len(), kept.len()), (1, 1));
    let outcome = Outcome::NeedsAttention { reason: String::new(), state: Vec::new(), commands: Vec::new() };
    progress.apply(&Body::OperationEnded { outcome });
    assert!(matches!(progress.next(), Next::Nothing(_)));
    progress.apply(&Body::RecoveryStarted { actor: actor() });
    for again in [3, 2] {
        assert!(matches!(progress.next(), Next::Undo(step) if step.id == StepId::numbered(again)));
        progress.apply(&Body::UndoFinished { step: StepId::numbered(again) });
    }
    assert!(
        matches!(progress.next(), Next::EndBackward { stuck, kept, .. } if stuck.is_empty() && kept.len() == 1)
    );
}

#[test]
fn only_a_failed_release_is_kept() {
    let upto_health = || [1, 2, 3].into_iter().flat_map(|n| [started(n), finished(n)]).chain([started(4)]);
    let kept = of(plan(true, [1, 1, 1, 0]), upto_health().chain([failed(4)]));
    assert!(matches!(kept.next(), Next::EndKept { .. }));
    for other in [Body::Cancelled, Body::RecoveryStarted { actor: actor() }] {
        let progress = of(plan(true, [1, 1, 1, 0]), upto_health().chain([other, failed(4)]));
        assert!(matches!(progress.next(), Next::Undo(_)));
    }
    let swap = [1, 2].into_iter().flat_map(|n| [started(n), finished(n)]).chain([started(3), failed(3)]);
    assert!(matches!(of(plan(true, [1, 1, 1, 0]), swap).next(), Next::Undo(_)));
}

#[test]
fn a_killed_fetch_goes_on_since_it_can_not_be_taken_back() {
    let environment = EnvironmentName::new("staging").unwrap();
    let operation = OperationId::new("operation").unwrap();
    let plan = Plan::fetch(&environment, "/".as_ref(), operation, Timestamp::UNIX_EPOCH);
    let progress = of(plan, [started(1), Body::RecoveryStarted { actor: actor() }]);
    assert!(matches!(progress.next(), Next::Run(_, steps) if steps.len() == 1));
}
