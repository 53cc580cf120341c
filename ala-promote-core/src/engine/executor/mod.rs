//! Carries a plan out: the one place that calls mutating methods of the ports, each after a durable record.

mod effects;
mod health;
mod hooks;
mod look_back;
mod undo;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedSender;

use super::progress::{Next, Progress};
use super::{EngineError, StepHandler};
use crate::backend::{Backend, BackendError, BackendResult, Call, CancelToken, Clock, LockGuard};
use crate::domain::{OperationId, Outcome, StepId};
use crate::event::Event;
use crate::ledger::{Body, Journal, LedgerErrorKind};
use crate::plan::{Output, Stage, Step, StepClass};

/// How often what must be done is tried before it counts as stuck, and a look at the lock before it counts as lost.
const TRIES: usize = 3;
/// The pause between two of these tries.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

/// Carries one operation out.
pub(super) struct Executor<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) clock: &'a dyn Clock,
    pub(super) journal: &'a Journal,
    pub(super) handlers: &'a BTreeMap<String, Box<dyn StepHandler>>,
    pub(super) guard: &'a dyn LockGuard,
    pub(super) events: UnboundedSender<Event>,
    pub(super) cancel: CancelToken,
}

impl Executor<'_> {
    /// Does what comes next until there is nothing more: running, unwinding and recovering alike.
    pub(super) async fn drive(&self, progress: &mut Progress) -> Result<Outcome, EngineError> {
        let mut unwinding = false;
        loop {
            if matches!(progress.next(), Next::Run(..)) {
                self.heed_cancel(progress)?;
            }
            let outcome = match progress.next() {
                Next::Run(stage, steps) => {
                    let (stage, steps) = (stage.clone(), steps.into_iter().cloned().collect());
                    self.run(progress, &stage, steps).await?;
                    continue;
                }
                Next::Undo(step) => {
                    let step = step.clone();
                    if !std::mem::replace(&mut unwinding, true) {
                        let reason = progress.backward_reason().unwrap_or_default().to_owned();
                        self.tell(Event::Unwinding { reason });
                    }
                    self.undo(progress, &step).await?;
                    continue;
                }
                Next::EndForward { warnings } => Outcome::Committed { warnings: warnings.to_vec() },
                Next::EndKept { reason } => Outcome::Kept { reason: reason.to_owned() },
                Next::EndBackward { reason, stuck, kept } => {
                    let kept: Vec<Step> = kept.into_iter().cloned().collect();
                    let reason = reason.to_owned();
                    let outcome =
                        self.look_back(progress, &reason, &stuck, |step| !kept.contains(step)).await;
                    if kept.is_empty() || !matches!(outcome, Outcome::RolledBack { .. }) {
                        outcome
                    } else if self.undo_all(progress, &kept).await? {
                        self.look_back(progress, &reason, &[], |step| kept.contains(step)).await
                    } else {
                        continue;
                    }
                }
                Next::Nothing(outcome) => return Ok(outcome.clone()),
            };
            self.record(progress, Body::OperationEnded { outcome })?;
        }
    }

    /// Runs steps of one stage side by side, each to its end.
    async fn run(&self, progress: &mut Progress, stage: &Stage, steps: Vec<Step>) -> Result<(), EngineError> {
        self.still_locked().await?;
        self.tell(Event::StageStarted { stage: stage.kind });
        for step in &steps {
            if let Err(error) = self.record(progress, Body::StepStarted { step: step.id.clone() }) {
                return self.not_started(progress, step, error);
            }
            self.tell(Event::StepStarted { step: step.id.clone(), title: step.title.clone() });
        }
        // What others of the stage find out can't be referred to: they run side by side.
        let known = progress.clone();
        let results = join_all(steps.iter().map(async |step| self.attempt(&known, step).await)).await;
        let failed = results.iter().any(Result::is_err);
        if failed {
            // What fails because it was stopped is no failure of the release.
            self.heed_cancel(progress)?;
        }
        for (step, result) in steps.iter().zip(results) {
            self.finish(progress, step, result)?;
        }
        if !failed {
            self.tell(Event::StageFinished { stage: stage.kind });
        }
        Ok(())
    }

    /// What can't be taken back is tried again where it fails.
    async fn attempt(&self, known: &Progress, step: &Step) -> BackendResult<Output> {
        match step.class {
            StepClass::Retryable => self.patiently(|| self.effect(known, step), |_| true).await,
            _ => self.effect(known, step).await,
        }
    }

    fn heed_cancel(&self, progress: &mut Progress) -> Result<(), EngineError> {
        if self.cancel.is_cancelled() && !progress.is_committed() {
            self.record(progress, Body::Cancelled)?;
        }
        Ok(())
    }

    /// On a full disk nothing more can start, but what was done can be taken back: space for that was set aside.
    fn not_started(
        &self,
        progress: &mut Progress,
        step: &Step,
        error: EngineError,
    ) -> Result<(), EngineError> {
        match error {
            EngineError::Ledger { source, .. } if source.kind() == LedgerErrorKind::Space => {
                self.finish(progress, step, Err(effects::failed("record the start", source.to_string())))
            }
            other => Err(other),
        }
    }

    fn finish(
        &self,
        progress: &mut Progress,
        step: &Step,
        result: BackendResult<Output>,
    ) -> Result<(), EngineError> {
        match result {
            Ok(output) => {
                self.record(progress, Body::StepFinished { step: step.id.clone(), output: output.clone() })?;
                self.tell(Event::StepFinished { step: step.id.clone(), output });
            }
            Err(error) => {
                let text = in_full(&error);
                self.record(progress, Body::StepFailed { step: step.id.clone(), error: text.clone() })?;
                let hint = error.hint().map(ToOwned::to_owned);
                let title = step.title.clone();
                self.tell(Event::StepFailed { step: step.id.clone(), title, error: text, hint });
            }
        }
        Ok(())
    }

    /// Takes steps back until one of them can't be; whether all were.
    async fn undo_all(&self, progress: &mut Progress, steps: &[Step]) -> Result<bool, EngineError> {
        for step in steps {
            if !self.undo(progress, step).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a step back; whether it could be.
    async fn undo(&self, progress: &mut Progress, step: &Step) -> Result<bool, EngineError> {
        self.still_locked().await?;
        self.record(progress, Body::UndoStarted { step: step.id.clone() })?;
        let result = self.patiently(|| self.undo_effect(progress.plan(), step), |_| true).await;
        let (id, title) = (step.id.clone(), step.title.clone());
        let is_undone = result.is_ok();
        match result {
            Ok(()) => {
                self.record(progress, Body::UndoFinished { step: id.clone() })?;
                self.tell(Event::Undone { step: id, title });
            }
            Err(error) => {
                let error = in_full(&error);
                self.record(progress, Body::UndoFailed { step: id.clone(), error: error.clone() })?;
                self.tell(Event::UndoFailed { step: id, title, error });
            }
        }
        Ok(is_undone)
    }

    /// Tries again, a few times, what fails in a way that trying again may mend.
    async fn patiently<T, F: Future<Output = BackendResult<T>>>(
        &self,
        attempt: impl Fn() -> F,
        may_mend: impl Fn(&BackendError) -> bool,
    ) -> BackendResult<T> {
        for _ in 1..TRIES {
            match attempt().await {
                Err(error) if may_mend(&error) => self.clock.sleep(PAUSE).await,
                done => return done,
            }
        }
        attempt().await
    }

    /// The lock may have been removed or taken on the engine; then somebody else may be at work. An engine that does not
    /// answer for a moment has taken no lock away.
    async fn still_locked(&self) -> Result<(), EngineError> {
        let looked = self.patiently(|| self.guard.check(), BackendError::is_retryable).await;
        looked.map_err(|source| EngineError::LockLost { source })
    }

    /// Makes a record durable, and only then counts it.
    fn record(&self, progress: &mut Progress, body: Body) -> Result<(), EngineError> {
        let operation: OperationId = progress.plan().operation.clone();
        let now = self.clock.now();
        // What is cleared away after the commit would else stay for ever: names of builds, and saved configuration,
        // which holds secrets.
        let appended = match progress.is_committed() {
            true => self.journal.append_after_commit(now, &operation, &body),
            false => self.journal.append(now, Some(&operation), &body),
        };
        appended.map_err(EngineError::ledger(true))?;
        progress.apply(&body);
        Ok(())
    }

    /// Nobody may be listening; that is no concern of the operation.
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// What goes with a call for a step: its lines become events.
    fn call(&self, step: &StepId, cancel: CancelToken) -> Call {
        let (events, step) = (self.events.clone(), step.clone());
        Call::new(cancel, move |line| {
            let _ = events.send(Event::StepLine { step: step.clone(), text: line.to_owned() });
        })
    }
}

/// An error with its causes: this text is all that is kept of it.
fn in_full(error: &BackendError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
