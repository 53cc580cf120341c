//! The engine: plans, runs, recovers.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::mpsc::UnboundedSender;

use super::executor::Executor;
use super::locking::not_done;
use super::observe::{Question, observe};
use super::{EngineError, Progress, Run, StepHandler};
use crate::backend::{Backend, CancelToken, Clock, LockGuard, Witnessed};
use crate::config::Settings;
use crate::domain::{
    Actor, EnvironmentName, ImageId, OperationId, Outcome, Release, Request, ServiceName, StackRef, Verb,
};
use crate::event::Event;
use crate::ledger::{Body, GivenUp, Journal, LedgerView};
use crate::plan::{self, Action, Finding, Gate, Observed, PLAN_FORMAT, Plan, Refusal, Step};

/// Space set aside for the records of an undo, in bytes: more than a plan of a hundred steps takes.
const UNDO_RESERVE_BYTES: u64 = 256 * 1024;

/// Puts an [`Engine`] together.
pub struct EngineBuilder {
    inner: Inner,
}

impl EngineBuilder {
    /// Adds a gate that operations must pass besides the built-in ones.
    #[must_use]
    pub fn gate(mut self, gate: impl Gate + 'static) -> Self {
        self.inner.gates.push(Box::new(gate));
        self
    }

    /// Adds a handler for steps of the kind `kind`.
    #[must_use]
    pub fn handler(mut self, kind: impl Into<String>, handler: impl StepHandler + 'static) -> Self {
        self.inner.handlers.insert(kind.into(), Box::new(handler));
        self
    }

    /// The engine.
    #[must_use]
    pub fn build(self) -> Engine {
        Engine { inner: Arc::new(self.inner) }
    }
}

/// Plans, runs and recovers operations. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) clock: Arc<dyn Clock>,
    journal: Journal,
    pub(super) actor: Actor,
    gates: Vec<Box<dyn Gate>>,
    handlers: BTreeMap<String, Box<dyn StepHandler>>,
}

impl Engine {
    /// An engine of settings, backend, clock and ledger, acting for `actor`.
    #[must_use]
    pub fn builder(
        settings: Settings,
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        journal: Journal,
        actor: Actor,
    ) -> EngineBuilder {
        let (gates, handlers) = (Vec::new(), BTreeMap::new());
        EngineBuilder { inner: Inner { settings, backend, clock, journal, actor, gates, handlers } }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Looks at one environment as a rollback would, since that asks for the least.
    pub(super) async fn look(
        &self,
        environment: &EnvironmentName,
    ) -> Result<(Observed, LedgerView, Request), EngineError> {
        self.inner.known(environment)?;
        let view = self.inner.refreshed_view(false)?;
        let request = Request { environment: environment.clone(), verb: Verb::Rollback { to: None } };
        let now = self.inner.clock.now();
        let operation = OperationId::generate(&request.verb, now, self.inner.salt(now));
        let ledger = self.inner.own_head();
        let observed = observe(self.inner.question(&view, &ledger, &request, &operation, now)).await?;
        Ok((observed, view, request))
    }

    /// The image of each promoted service in a release, by the names of the environment that was looked at.
    pub(super) fn expected(
        &self,
        observed: &Observed,
        view: &LedgerView,
        request: &Request,
        release: &Release,
    ) -> BTreeMap<ServiceName, ImageId> {
        let now = self.inner.clock.now();
        let operation = OperationId::generate(&request.verb, now, 0);
        let ledger = self.inner.own_head();
        let input = self.inner.question(view, &ledger, request, &operation, now).input(observed);
        let image = |p: plan::PromotedService<'_>| {
            Some((p.service.clone(), p.image_in(release)?.identity.id.clone()))
        };
        plan::promoted_services(&input).into_iter().filter_map(image).collect()
    }

    /// The settings that it works by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The backend that it works on.
    #[must_use]
    pub fn backend(&self) -> &dyn Backend {
        &*self.inner.backend
    }

    /// The ledger that it writes.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Finds out what project, files and env file an environment means. Changes nothing.
    ///
    /// # Errors
    /// As [`Stacks::resolve`](crate::backend::Stacks::resolve) gives them.
    pub async fn find_stack(&self, environment: &EnvironmentName) -> Result<StackRef, EngineError> {
        self.inner.known(environment)?;
        Ok(self.inner.backend.stacks().resolve(&self.inner.settings, environment).await?)
    }

    /// Looks, and decides what the operation will do. Changes nothing, and writes nothing.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with all that gates found; [`EngineError::Locked`] while another operation is at work on
    /// the environment; [`EngineError::NeedsRecovery`] after one that was not done; or a failure to look.
    pub async fn plan(&self, request: &Request) -> Result<Plan, EngineError> {
        self.inner.known(&request.environment)?;
        let mut view = self.inner.refreshed_view(false)?;
        if let Some(unfinished) = view.unfinished_on(&request.environment) {
            self.inner.nothing_at_work(unfinished).await?;
            view = self.inner.refreshed_view(false)?;
        }
        let now = self.inner.clock.now();
        let operation = OperationId::generate(&request.verb, now, self.inner.salt(now));
        self.inner.decide(&view, request, &operation, now).await
    }

    /// What a rollback of the environment can go back to, the nearest first; with each, why it can't be used.
    ///
    /// # Errors
    /// A failure to look.
    pub async fn rollback_choices(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<(Release, Option<String>)>, EngineError> {
        let (observed, view, request) = self.look(environment).await?;
        let now = self.inner.clock.now();
        let operation = OperationId::generate(&request.verb, now, self.inner.salt(now));
        let ledger = self.inner.own_head();
        let question = self.inner.question(&view, &ledger, &request, &operation, now);
        Ok(plan::rollback_choices(&question.input(&observed)))
    }

    /// A plan to bring the source of an environment up to its upstream, for [`run`](Self::run).
    ///
    /// # Errors
    /// [`EngineError::UnknownEnvironment`].
    pub fn fetch_plan(&self, environment: &EnvironmentName) -> Result<Plan, EngineError> {
        let settings = self.inner.known(environment)?;
        let now = self.inner.clock.now();
        let operation = OperationId::generate(&Verb::Fetch, now, self.inner.salt(now));
        Ok(Plan::fetch(environment, &settings.dir, operation, now))
    }

    /// Records that an operation was refused before it started; but not in a ledger that was refused itself: records of
    /// ours would make it as long as the one that was lost, and so be taken for it.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn record_refusal(&self, request: &Request, refusal: &Refusal) -> Result<(), EngineError> {
        if refusal.findings.iter().any(plan::is_ledger_loss) {
            return Ok(());
        }
        let (request, actor) = (request.clone(), self.inner.actor.clone());
        self.inner.write(&Body::Refused { request, findings: refusal.findings.clone(), actor })
    }

    /// Records that nobody confirmed an operation.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn record_not_confirmed(&self, request: &Request) -> Result<(), EngineError> {
        let (request, actor) = (request.clone(), self.inner.actor.clone());
        self.inner.write(&Body::NotConfirmed { request, actor })
    }

    /// Runs a plan, made just now or earlier, here or elsewhere. It takes the lock, looks again, and refuses if what it
    /// sees would lead to another plan.
    #[must_use]
    pub fn run(&self, plan: Plan) -> Run {
        let inner = Arc::clone(&self.inner);
        let (operation, request) = (plan.operation.clone(), plan.request.clone());
        Run::new(operation, request, |events, cancel| {
            async move { inner.run(plan, events, cancel).await }.boxed()
        })
    }

    /// The operations that are not done, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn unfinished(&self) -> Result<Vec<Plan>, EngineError> {
        let view = self.inner.refreshed_view(false)?;
        Ok(view.unfinished.values().map(|unfinished| unfinished.progress.plan().clone()).collect())
    }

    /// Finishes or unwinds an operation whose process died: before its commit it is taken back, after it goes forward.
    #[must_use]
    pub fn recover(&self, plan: &Plan) -> Run {
        let inner = Arc::clone(&self.inner);
        let (operation, request) = (plan.operation.clone(), plan.request.clone());
        Run::new(plan.operation.clone(), request, |events, cancel| {
            async move { inner.recover(&operation, events, cancel).await }.boxed()
        })
    }

    /// Takes this ledger for the folder's own from now on, whatever the engine remembers of another. What is given up
    /// by that is recorded before anything is taken over.
    ///
    /// # Errors
    /// The ledger can't be written, the engine does not answer, or an operation is at work.
    pub async fn begin_anew(&self) -> Result<GivenUp, EngineError> {
        self.inner.begin_anew().await
    }
}

impl Inner {
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    fn known(&self, name: &EnvironmentName) -> Result<&crate::config::EnvironmentSettings, EngineError> {
        self.settings.environments.get(name).ok_or_else(|| EngineError::UnknownEnvironment {
            environment: name.clone(),
            known: self.settings.environments.keys().map(ToString::to_string).collect(),
        })
    }

    pub(super) fn salt(&self, now: jiff::Timestamp) -> u16 {
        let bits = u64::from(self.actor.pid) ^ u64::from(now.subsec_nanosecond().unsigned_abs() >> 8);
        (bits % u64::from(u16::MAX)) as u16
    }

    pub(super) fn refreshed_view(&self, started: bool) -> Result<LedgerView, EngineError> {
        self.journal.refresh().map_err(EngineError::ledger(started))?;
        Ok(self.journal.view())
    }

    fn nothing_unfinished(
        &self,
        view: &LedgerView,
        environment: &EnvironmentName,
    ) -> Result<(), EngineError> {
        view.unfinished_on(environment).map_or(Ok(()), |unfinished| Err(not_done(unfinished)))
    }

    /// Our own head, as the witness would have it.
    pub(super) fn own_head(&self) -> Witnessed {
        let head = self.journal.head();
        Witnessed { ledger: head.ledger.to_string(), seq: head.seq, hash: head.hash.to_string() }
    }

    /// Our head with what other processes have added by now. To be held against the engine's note, it must be read after
    /// the note: both grow while others are at work, the ledger first.
    pub(super) fn head_by_now(&self) -> Result<Witnessed, EngineError> {
        self.journal.refresh().map_err(EngineError::ledger(false))?;
        Ok(self.own_head())
    }

    /// A ledger other than the one that the engine remembers is neither followed nor taken for that one.
    pub(super) async fn is_the_remembered_ledger(&self) -> Result<(), EngineError> {
        let witnessed = self.backend.witness().read(&self.settings.ledger_home()).await?;
        match plan::ledger_loss(&self.settings, &self.head_by_now()?, witnessed.as_ref()) {
            Some(finding) => Err(Refusal::from(finding).into()),
            None => Ok(()),
        }
    }

    /// Leaves a note of a new ledger before its first operation: a state folder that is lost in the middle of that one
    /// must not pass for a first deployment either.
    async fn be_remembered(&self) -> Result<(), EngineError> {
        let witnessed = self.backend.witness().read(&self.settings.ledger_home()).await?;
        match witnessed {
            Some(witnessed) if witnessed.ledger == self.own_head().ledger => Ok(()),
            _ => self.witness().await,
        }
    }

    fn question<'a>(
        &'a self,
        view: &'a LedgerView,
        ledger: &'a Witnessed,
        request: &'a Request,
        operation: &'a OperationId,
        now: jiff::Timestamp,
    ) -> Question<'a> {
        Question { settings: &self.settings, backend: &*self.backend, view, ledger, request, operation, now }
    }

    async fn decide(
        &self,
        view: &LedgerView,
        request: &Request,
        operation: &OperationId,
        now: jiff::Timestamp,
    ) -> Result<Plan, EngineError> {
        let ledger = self.own_head();
        let observed = observe(self.question(view, &ledger, request, operation, now)).await?;
        let ledger = self.head_by_now()?;
        let question = self.question(view, &ledger, request, operation, now);
        let gates: Vec<&dyn Gate> = self.gates.iter().map(AsRef::as_ref).collect();
        Ok(plan::plan(&question.input(&observed), &gates)?)
    }

    pub(super) fn write(&self, body: &Body) -> Result<(), EngineError> {
        self.journal.append(self.clock.now(), None, body).map(drop).map_err(EngineError::ledger(false))
    }

    async fn run(
        &self,
        mut plan: Plan,
        events: UnboundedSender<Event>,
        cancel: CancelToken,
    ) -> Result<Outcome, EngineError> {
        self.usable(&plan)?;
        let guard = self.acquire(&plan, None).await?;
        let started = self.start(&mut plan).await;
        let result = match started {
            Ok(()) => {
                let _ = events.send(Event::Started { plan: Box::new(plan.clone()), recovering: false });
                self.drive(Progress::new(plan), &*guard, events, cancel).await
            }
            Err(error) => Err(error),
        };
        self.close(guard, result).await
    }

    fn usable(&self, plan: &Plan) -> Result<(), EngineError> {
        let unusable = |reason: String| Err(EngineError::UnusablePlan { reason });
        known_format(plan)?;
        let handled = |kind: &&String| !self.handlers.contains_key(*kind);
        if let Some(kind) = plan.steps().filter_map(external_kind).find(handled) {
            return unusable(format!("no handler is registered for its steps of kind {kind}"));
        }
        self.known(&plan.request.environment)?;
        let view = self.refreshed_view(false)?;
        if view.history.iter().any(|entry| entry.operation.as_ref() == Some(&plan.operation)) {
            return unusable(format!("operation {} was run before", plan.operation));
        }
        Ok(())
    }

    /// Under the lock: looks again, and records the start.
    async fn start(&self, plan: &mut Plan) -> Result<(), EngineError> {
        let view = self.refreshed_view(false)?;
        self.nothing_unfinished(&view, plan.environment())?;
        if plan.stack.is_some() {
            let again = self.decide(&view, &plan.request, &plan.operation, plan.created_at).await?;
            if !again.does_the_same(plan) {
                let finding = Finding::refuse("still-true", "what this plan was made for has changed since")
                    .mend("run the command again, and read the new plan");
                return Err(Refusal::from(finding).into());
            }
            // What works now is what an unwinding must come back to; that may be more or less than when it was planned.
            plan.before.healthy = again.before.healthy;
            self.be_remembered().await?;
        } else {
            self.is_the_remembered_ledger().await?;
        }
        self.journal.reserve(&plan.operation, UNDO_RESERVE_BYTES).map_err(EngineError::ledger(false))?;
        let body = Body::OperationStarted { plan: Box::new(plan.clone()), actor: self.actor.clone() };
        let appended = self.journal.append(self.clock.now(), Some(&plan.operation), &body);
        if appended.is_err() {
            self.release_reserve(&plan.operation);
        }
        appended.map(drop).map_err(EngineError::ledger(false))
    }

    async fn recover(
        &self,
        operation: &OperationId,
        events: UnboundedSender<Event>,
        cancel: CancelToken,
    ) -> Result<Outcome, EngineError> {
        let gone = || EngineError::UnusablePlan { reason: format!("operation {operation} is done already") };
        let view = self.refreshed_view(false)?;
        let plan = view.unfinished.get(operation).ok_or_else(gone)?.progress.plan().clone();
        known_format(&plan)?;
        let guard = self.acquire_from_the_dead(&plan, &events, &cancel).await?;
        let result = match self.reopen(operation).await {
            Ok(progress) => {
                let _ = events.send(Event::Started { plan: Box::new(plan), recovering: true });
                self.drive(progress, &*guard, events, cancel).await
            }
            Err(error) => Err(error),
        };
        self.close(guard, result).await
    }

    /// Under the lock: looks whether somebody else recovered it in between, and records that we do.
    async fn reopen(&self, operation: &OperationId) -> Result<Progress, EngineError> {
        let gone = || EngineError::UnusablePlan { reason: format!("operation {operation} is done already") };
        let view = self.refreshed_view(false)?;
        let mut progress = view.unfinished.get(operation).ok_or_else(gone)?.progress.clone();
        self.is_the_remembered_ledger().await?;
        let body = Body::RecoveryStarted { actor: self.actor.clone() };
        self.journal.append(self.clock.now(), Some(operation), &body).map_err(EngineError::ledger(true))?;
        progress.apply(&body);
        Ok(progress)
    }

    async fn drive(
        &self,
        mut progress: Progress,
        guard: &dyn LockGuard,
        events: UnboundedSender<Event>,
        cancel: CancelToken,
    ) -> Result<Outcome, EngineError> {
        let executor = Executor {
            backend: &*self.backend,
            clock: &*self.clock,
            journal: &self.journal,
            handlers: &self.handlers,
            guard,
            events,
            cancel,
        };
        let outcome = executor.drive(&mut progress).await?;
        if !matches!(outcome, Outcome::NeedsAttention { .. }) {
            self.release_reserve(&progress.plan().operation);
        }
        Ok(outcome)
    }

    /// Space that is not given back is a pity, and no failure of an operation that has ended.
    pub(super) fn release_reserve(&self, operation: &OperationId) {
        if let Err(error) = self.journal.release_reserve(operation) {
            tracing::warn!(%error, "the space for the records of an undo could not be given back");
        }
    }

    /// Leaves the engine's note of the ledger and gives the lock back. Neither can change what happened: a failure is
    /// only logged, and shows at the next operation.
    async fn close(
        &self,
        guard: Box<dyn LockGuard>,
        result: Result<Outcome, EngineError>,
    ) -> Result<Outcome, EngineError> {
        if result.is_ok()
            && let Err(error) = self.witness().await
        {
            tracing::warn!(%error, "the engine's note of the ledger is out of date");
        }
        if !matches!(result, Err(EngineError::LockLost { .. } | EngineError::Ledger { started: true, .. })) {
            self.give_back(guard).await;
        }
        result
    }

    pub(super) async fn witness(&self) -> Result<(), EngineError> {
        Ok(self.backend.witness().write(&self.settings.ledger_home(), &self.own_head()).await?)
    }
}

fn known_format(plan: &Plan) -> Result<(), EngineError> {
    if plan.format > PLAN_FORMAT {
        let reason = format!("its format {} is newer than {PLAN_FORMAT}", plan.format);
        return Err(EngineError::UnusablePlan { reason });
    }
    Ok(())
}

fn external_kind(step: &Step) -> Option<&String> {
    match &step.action {
        Action::External { kind, .. } => Some(kind),
        _ => None,
    }
}
