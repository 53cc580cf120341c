//! Waiting until services are healthy, and watching that they stay so.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Executor;
use super::effects::failed;
use crate::backend::{BackendError, BackendErrorKind, BackendResult};
use crate::config::HealthSettings;
use crate::domain::{HealthTarget, HealthVerdict, ImageIdentity, ServiceHealth, ServiceName, StackRef};
use crate::event::Event;

/// What is waited for.
pub(super) struct Expectation<'a> {
    pub(super) stack: &'a StackRef,
    pub(super) targets: &'a [HealthTarget],
    /// The image that each of these services must run.
    pub(super) images: &'a BTreeMap<ServiceName, ImageIdentity>,
    pub(super) settings: &'a HealthSettings,
}

/// Time that has passed: by the clock that waits, or by the real one if that is more. Looks take time too.
struct Waited {
    slept: Duration,
    since: Instant,
}

impl Waited {
    fn start() -> Self {
        Self { slept: Duration::ZERO, since: Instant::now() }
    }

    fn so_far(&self) -> Duration {
        self.slept.max(self.since.elapsed())
    }
}

impl Executor<'_> {
    /// Looks again and again until all are healthy, then watches them for the window.
    pub(super) async fn await_health(&self, expected: &Expectation<'_>) -> BackendResult<Vec<ServiceHealth>> {
        let HealthSettings { timeout, window, interval, patience } = *expected.settings;
        let mut waited = Waited::start();
        let mut stable: Option<(Waited, Vec<String>)> = None;
        let mut unhealthy: Option<Waited> = None;
        let mut told = BTreeMap::new();
        loop {
            let looks = self.look(expected).await?;
            self.tell_changes(expected, &looks, &mut told);
            fail_on(&looks, HealthVerdict::Failed)?;
            match &unhealthy {
                _ if !looks.iter().any(|look| look.verdict == HealthVerdict::Unhealthy) => unhealthy = None,
                None => unhealthy = Some(Waited::start()),
                Some(since) if since.so_far() >= patience => fail_on(&looks, HealthVerdict::Unhealthy)?,
                Some(_) => {}
            }
            let generations: Vec<String> = looks.iter().map(|look| look.generation.clone()).collect();
            let healthy = looks.iter().all(|look| look.verdict == HealthVerdict::Healthy);
            match &stable {
                Some((since, before)) if healthy && *before == generations => {
                    if since.so_far() >= window {
                        return check_images(expected, looks);
                    }
                }
                // Restarted since the last look: that can't go on for longer than health is waited for.
                Some(_) if healthy && waited.so_far() >= timeout => return Err(timed_out(&looks, timeout)),
                _ if healthy => stable = Some((Waited::start(), generations)),
                _ => stable = None,
            }
            if stable.is_none() && waited.so_far() >= timeout {
                return Err(timed_out(&looks, timeout));
            }
            if self.cancel.is_cancelled() {
                return Err(BackendError::new(
                    BackendErrorKind::Cancelled,
                    "wait for health",
                    "stopped on request",
                ));
            }
            self.clock.sleep(interval).await;
            let timers = [Some(&mut waited), stable.as_mut().map(|(since, _)| since), unhealthy.as_mut()];
            timers.into_iter().flatten().for_each(|timer| timer.slept += interval);
        }
    }

    /// One look. An engine that does not answer for a moment is not a release that fails: the wait is bounded anyway.
    async fn look(&self, expected: &Expectation<'_>) -> BackendResult<Vec<ServiceHealth>> {
        match self.backend.probe().look(expected.stack, expected.targets).await {
            Err(error) if error.is_retryable() => {
                let unknown = |target: &HealthTarget| ServiceHealth {
                    service: target.service.clone(),
                    verdict: HealthVerdict::Starting,
                    evidence: error.to_string(),
                    port: None,
                    images: Vec::new(),
                    generation: String::new(),
                };
                Ok(expected.targets.iter().map(unknown).collect())
            }
            Err(error) => Err(error),
            Ok(looks) => {
                match expected.targets.iter().find(|t| !looks.iter().any(|l| l.service == t.service)) {
                    Some(unseen) => Err(failed("health", format!("{} was not looked at", unseen.service))),
                    None => Ok(looks),
                }
            }
        }
    }

    fn tell_changes(
        &self,
        expected: &Expectation<'_>,
        looks: &[ServiceHealth],
        told: &mut BTreeMap<ServiceName, HealthVerdict>,
    ) {
        for look in looks {
            if told.insert(look.service.clone(), look.verdict) == Some(look.verdict) {
                continue;
            }
            let target = expected.targets.iter().find(|target| target.service == look.service);
            self.tell(Event::HealthSeen {
                service: look.service.clone(),
                display: target.map_or_else(|| look.service.to_string(), |target| target.display.clone()),
                verdict: look.verdict,
                evidence: look.evidence.clone(),
                port: look.port,
            });
        }
    }
}

/// Fails when the verdict on any service is this one.
fn fail_on(looks: &[ServiceHealth], verdict: HealthVerdict) -> BackendResult<()> {
    let failures: Vec<String> = looks
        .iter()
        .filter(|look| look.verdict == verdict)
        .map(|look| format!("{}: {}", look.service, look.evidence))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failed("health", failures.join("; "))) }
}

fn timed_out(looks: &[ServiceHealth], timeout: Duration) -> BackendError {
    let unhealthy: Vec<String> = looks
        .iter()
        .filter(|look| look.verdict != HealthVerdict::Healthy)
        .map(|look| format!("{}: {}", look.service, look.evidence))
        .collect();
    let what = match unhealthy.as_slice() {
        [] => "healthy, but replaced or restarted again and again".to_owned(),
        unhealthy => unhealthy.join("; "),
    };
    failed("health", format!("not healthy within {} s: {what}", timeout.as_secs()))
}

/// Healthy is not enough: it must be the release that answers.
fn check_images(expected: &Expectation<'_>, looks: Vec<ServiceHealth>) -> BackendResult<Vec<ServiceHealth>> {
    for (service, image) in expected.images {
        let running = looks.iter().find(|look| &look.service == service).map(|look| look.images.as_slice());
        let running = running.unwrap_or_default();
        if running.is_empty() || running.iter().any(|id| id != &image.id) {
            let found: Vec<&str> = running.iter().map(crate::domain::ImageId::short).collect();
            return Err(failed(
                "identity",
                format!("{service} runs {} instead of {}", or_nothing(&found.join(", ")), image.id.short()),
            ));
        }
    }
    Ok(looks)
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
