//! Random histories: operations under faults, clocks that jump, and people who meddle, held against a simple model.

mod act;
mod model;

use std::fmt;

use ala_promote_core::domain::{Outcome, Verb};

pub use act::Act;

use self::model::Model;
use super::host::request;
use super::random::Random;
use super::timeline::Timeline;
use super::{Ended, Host, Invariant, SweepError, Violation};
use crate::faults::FaultPlan;
use crate::memory::{MemoryBackend, SourceCommit};

/// Acts of one history.
const ACTS: usize = 24;

/// What happens to one host, one act after another. The same seed gives the same acts.
#[derive(Debug, Clone)]
pub struct History {
    seed: u64,
    acts: Vec<Act>,
}

/// What came of a history.
#[derive(Debug, Clone)]
pub struct HistoryReport {
    /// Its seed.
    pub seed: u64,
    /// What happened; where a promise was not kept, the fewest acts found that show it.
    pub acts: Vec<Act>,
    /// The promises that were not kept.
    pub violations: Vec<Violation>,
}

impl History {
    /// The history of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self { seed, acts: (0..ACTS).map(|_| Act::any(&mut random)).collect() }
    }

    /// Lives through it, and, where a promise was not kept, again with fewer acts for as long as that shows.
    ///
    /// # Errors
    /// When the host can't be made or looked at, which is no finding.
    pub async fn run(self) -> Result<HistoryReport, SweepError> {
        let Self { seed, mut acts } = self;
        let mut violations = live(&acts).await?;
        let mut at = acts.len();
        while !violations.is_empty() && at > 0 {
            at -= 1;
            let mut fewer = acts.clone();
            fewer.remove(at);
            let found = live(&fewer).await?;
            if !found.is_empty() {
                (acts, violations) = (fewer, found);
            }
        }
        Ok(HistoryReport { seed, acts, violations })
    }
}

impl HistoryReport {
    /// Ends the test unless all promises were kept.
    ///
    /// # Panics
    /// With the acts that show it, and the seed that gives them again.
    pub fn assert_clean(&self) {
        assert!(self.violations.is_empty(), "{self}");
    }
}

impl fmt::Display for HistoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ALA_PROMOTE_SEED={}: {} violations", self.seed, self.violations.len())?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "{violation}"))?;
        self.acts.iter().try_for_each(|act| writeln!(f, "    {act:?}"))
    }
}

/// Lives through the acts, then recovers until nothing is left, then goes on as if nothing had been.
async fn live(acts: &[Act]) -> Result<Vec<Violation>, SweepError> {
    let host = Host::new(MemoryBackend::ala_medical())?;
    let mut timeline = Timeline::beginning_at(&host)?;
    let mut model = Model::default();
    let mut violations = Vec::new();
    for act in acts {
        violations.extend(act.happen(&host, &mut model).await?);
        violations.extend(timeline.catch_up(&host));
        if !violations.is_empty() {
            return Ok(violations);
        }
    }
    violations.extend(settle(&host, &mut model).await?);
    violations.extend(timeline.catch_up(&host));
    Ok(violations)
}

/// A person mends what people broke, recovers, and deploys and promotes what works.
async fn settle(host: &Host, model: &mut Model) -> Result<Vec<Violation>, SweepError> {
    let mut violations = Vec::new();
    act::mend(host)?;
    violations.extend(recover_all(host, model).await?);
    let left = host.unfinished()?;
    if !left.is_empty() {
        // What was kept to put back may be gone by now: the verdict says what is not as before, and a person mends it.
        left.iter().try_for_each(|plan| act::retag(host, plan))?;
        act::start_all(host).await?;
        violations.extend(recover_all(host, model).await?);
    }
    if let Some(plan) = host.unfinished()?.first() {
        let how = format!("{} is not done, however often it is recovered", plan.operation);
        violations.push(Invariant::EveryChangeRecorded.broken(how));
        return Ok(violations);
    }
    act::start_all(host).await?;
    host.by_hand(|world| world.commit(SourceCommit::new("the last one")));
    for (environment, verb) in
        [("staging", Verb::Deploy { build: true, keep_failed: false }), ("production", Verb::Promote)]
    {
        let ended = host.operate(&request(environment, verb)?).await;
        if !matches!(ended, Ended::Done(Ok(Outcome::Committed { .. }))) {
            violations.push(Invariant::LifeGoesOn.broken(format!("{environment}, after all: {ended:?}")));
        }
    }
    Ok(violations)
}

async fn recover_all(host: &Host, model: &mut Model) -> Result<Vec<Violation>, SweepError> {
    let mut violations = Vec::new();
    for _ in 0..6 {
        let Some(plan) = host.unfinished()?.into_iter().next() else { break };
        violations.extend(act::recover(host, model, &plan, FaultPlan::new()).await?);
    }
    Ok(violations)
}
