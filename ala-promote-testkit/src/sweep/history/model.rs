//! What must be the case, by a model that knows nothing of plans and steps.

use std::collections::BTreeMap;

use ala_promote_core::domain::{ImageId, Outcome, Release, Verb};
use ala_promote_core::engine::EngineError;
use ala_promote_core::ledger::{HistoryEnd, HistoryEntry, LedgerView};

use crate::sweep::{Ended, Fault, Host, Invariant, Look, SweepError, Violation};

/// Per environment what was the case before the operation that is not done yet.
#[derive(Debug, Default)]
pub(super) struct Model {
    before: BTreeMap<String, Before>,
    /// The images that staging ran when it was last found to work.
    tested: BTreeMap<String, ImageId>,
}

#[derive(Debug, Clone)]
struct Before {
    look: Look,
    /// What staging ran when it was last found to work, for a promotion.
    tested: Option<BTreeMap<String, ImageId>>,
    /// Whether somebody meddled since.
    meddled: bool,
}

impl Before {
    /// Where people meddled, references and what runs are theirs; images of containers are still ours.
    fn is_back(&self, now: &Look) -> bool {
        if self.meddled { now.images() == self.look.images() } else { *now == self.look }
    }
}

impl Model {
    /// An operation begins, unless an earlier one is not done.
    pub(super) fn begins(&mut self, host: &Host, environment: &str, verb: &Verb) -> Result<(), SweepError> {
        // What another environment's operation does to references is, seen from here, somebody's hand.
        self.meddled();
        if !is_open(&host.view()?, environment) {
            let look = Look::at(host.world(), environment);
            let tested = (*verb == Verb::Promote).then(|| self.tested.clone());
            self.before.insert(environment.to_owned(), Before { look, tested, meddled: false });
        }
        Ok(())
    }

    /// Somebody did something by hand.
    pub(super) fn meddled(&mut self) {
        self.before.values_mut().for_each(|before| before.meddled = true);
    }

    /// An operation of this environment is recovered: what that does to references is, seen from the others, somebody's
    /// hand.
    pub(super) fn recovers(&mut self, environment: &str) {
        let others = self.before.iter_mut().filter(|(name, _)| *name != environment);
        others.for_each(|(_, before)| before.meddled = true);
    }

    /// A process ended: what it says must be so.
    pub(super) fn ended(
        &mut self,
        host: &Host,
        environment: &str,
        ended: &Ended,
        faults: &[Fault],
    ) -> Result<Vec<Violation>, SweepError> {
        let Some(before) = self.before.get(environment).cloned() else { return Ok(Vec::new()) };
        let now = Look::at(host.world(), environment);
        let view = host.view()?;
        let is_open = is_open(&view, environment);
        let untrue = |how: &str| {
            let differing = now.differing(&before.look).into_iter().collect::<Vec<_>>().join(", ");
            let how = format!("{environment}: {how}: {ended:?}; differing: {differing}");
            vec![Invariant::OutcomeIsTrue.broken(how)]
        };
        Ok(match ended {
            Ended::GaveUp if !faults.iter().any(|fault| fault.hangs()) => {
                let how = format!("{environment}: a process did nothing for an hour");
                vec![Invariant::NothingWaitsForEver.broken(how)]
            }
            // It may have come to its end before it died; the ledger tells, and the world must be what that says.
            Ended::Killed | Ended::GaveUp | Ended::Done(Err(EngineError::Ledger { started: true, .. })) => {
                let of_it = |entry: &&HistoryEntry| {
                    entry.request.as_ref().is_some_and(|request| request.environment.as_str() == environment)
                };
                match view.history.iter().rev().find(of_it).map(|entry| &entry.end) {
                    _ if is_open => {
                        self.is_tested(environment, &view, &now);
                        Vec::new()
                    }
                    _ if before.is_back(&now) => Vec::new(),
                    Some(HistoryEnd::Outcome(Outcome::Committed { .. })) => self
                        .committed(environment, &view, &before, &now)
                        .map_or_else(Vec::new, |how| untrue(&how)),
                    other => untrue(&format!("other than before, where the record says {other:?}")),
                }
            }
            Ended::Done(Ok(Outcome::Committed { .. })) if is_open => {
                untrue("it is said to be done, and is not")
            }
            Ended::Done(Ok(Outcome::Committed { .. })) => {
                self.committed(environment, &view, &before, &now).map_or_else(Vec::new, |how| untrue(&how))
            }
            Ended::Done(Ok(Outcome::RolledBack { .. })) if is_open || !before.is_back(&now) => {
                untrue("other than before")
            }
            Ended::Done(Ok(Outcome::NeedsAttention { .. })) if !is_open => {
                untrue("nothing is left to recover")
            }
            Ended::Done(Err(_)) if !is_open && !before.is_back(&now) => untrue("other than before"),
            _ => Vec::new(),
        })
    }

    /// In which way it is not committed, as is said; else what follows from it.
    fn committed(
        &mut self,
        environment: &str,
        view: &LedgerView,
        before: &Before,
        now: &Look,
    ) -> Option<String> {
        let release = current(view, environment)?;
        let runs = now.images();
        let has = |id: &ImageId| runs.values().any(|runs| runs == id);
        if !release.images.values().all(|image| has(&image.identity.id)) {
            return Some(format!("not all of {} runs", release.tag));
        }
        if !before.meddled && !now.containers.values().all(|(.., runs)| *runs) {
            return Some("a container does not run".to_owned());
        }
        if before.tested.as_ref().is_some_and(|tested| !tested.values().all(has)) {
            return Some("what runs is not what was tested".to_owned());
        }
        self.is_tested(environment, view, now);
        None
    }

    /// What staging runs was found to work, if it is the release that the record has for it. That record may stand though
    /// the operation is not done: what is left to do then is to clear up.
    fn is_tested(&mut self, environment: &str, view: &LedgerView, now: &Look) {
        let Some(release) = current(view, environment) else { return };
        let runs = now.images();
        let is_run = |id: &ImageId| runs.values().any(|runs| runs == id);
        if environment == "staging" && release.images.values().all(|image| is_run(&image.identity.id)) {
            self.tested = runs;
        }
    }
}

/// The release that the record has for an environment.
fn current<'v>(view: &'v LedgerView, environment: &str) -> Option<&'v Release> {
    let (name, _) = view.environments.iter().find(|(name, _)| name.as_str() == environment)?;
    view.current(name)
}

fn is_open(view: &LedgerView, environment: &str) -> bool {
    view.unfinished.values().any(|u| u.progress.plan().environment().as_str() == environment)
}
