//! Health: what images are said to do, seen at the time of the look.

use ala_promote_core::backend::{BackendResult, Probe};
use ala_promote_core::domain::{ContainerState, HealthTarget, HealthVerdict, ServiceHealth, StackRef};
use async_trait::async_trait;
use jiff::Timestamp;

use super::container::MemoryContainer;
use super::image::ImageBehaviour;
use super::{MemoryBackend, State};

const ADDRESS: &str = "127.0.0.1";

#[async_trait]
impl Probe for MemoryBackend {
    async fn look(&self, stack: &StackRef, targets: &[HealthTarget]) -> BackendResult<Vec<ServiceHealth>> {
        self.step().await;
        let what = format!("look at the health of {}", stack.environment);
        self.environment_model(&what, &stack.environment)?.check_stack(&what, stack)?;
        let (state, now) = (self.state(), self.now());
        Ok(targets.iter().map(|target| look_at(&state, now, stack, target)).collect())
    }

    fn address(&self) -> String {
        ADDRESS.to_owned()
    }
}

fn look_at(state: &State, now: Timestamp, stack: &StackRef, target: &HealthTarget) -> ServiceHealth {
    let containers: Vec<_> = state.containers_of(&stack.project, &target.service).collect();
    let (verdict, evidence) = verdict(state, now, target, &containers);
    let published = target.ports.iter().find_map(|port| port.published);
    let generation = containers.iter().map(|c| {
        let restarts = c.state_at(state.images.get(&c.image), now).1;
        format!("{}/{}/{restarts}", c.id.get(..12).unwrap_or(&c.id), c.starts)
    });
    ServiceHealth {
        service: target.service.clone(),
        verdict,
        evidence,
        port: published.filter(|_| verdict == HealthVerdict::Healthy && !target.job),
        images: containers.iter().map(|c| c.image.clone()).collect(),
        generation: generation.collect::<Vec<_>>().join(","),
    }
}

fn verdict(
    state: &State,
    now: Timestamp,
    target: &HealthTarget,
    containers: &[&MemoryContainer],
) -> (HealthVerdict, String) {
    use HealthVerdict::{Failed, Healthy, Starting, Unhealthy};
    if containers.is_empty() {
        return (Failed, "it has no container".to_owned());
    }
    let mut running = 0;
    for container in containers {
        match container.state_at(state.images.get(&container.image), now).0 {
            ContainerState::Exited(0) if target.job => running += 1,
            ContainerState::Running if target.job => return (Starting, "the job has not ended".to_owned()),
            ContainerState::Running => running += 1,
            ContainerState::Exited(code) => return (Failed, format!("it ended with exit code {code}")),
            other => return (Failed, format!("its container is {other:?}").to_lowercase()),
        }
    }
    if running < target.replicas {
        return (Starting, format!("{running} of {} containers run", target.replicas));
    }
    if target.job {
        return (Healthy, "ended with exit code 0".to_owned());
    }
    if let Some(missing) = containers.iter().find_map(|c| missing_dependency(state, now, c)) {
        return (Starting, format!("it waits for {missing}, which does not run"));
    }
    let works: Vec<_> = containers.iter().map(|c| c.works_at(state.images.get(&c.image), now)).collect();
    let flaps = |c: &&MemoryContainer| {
        state.images.get(&c.image).is_some_and(|i| matches!(i.behaviour, ImageBehaviour::Flaps(_)))
    };
    if works.contains(&Some(false)) && containers.iter().copied().any(|c| flaps(&c)) {
        return (Unhealthy, check_of(state, target, containers, false));
    }
    if works.contains(&Some(false)) {
        return (Failed, check_of(state, target, containers, false));
    }
    if works.contains(&None) {
        return (Starting, "it does not answer yet".to_owned());
    }
    (Healthy, check_of(state, target, containers, true))
}

/// A service that a container does not work without, and that does not run (a job: has not ended well).
fn missing_dependency(state: &State, now: Timestamp, container: &MemoryContainer) -> Option<String> {
    let fine = |other: &MemoryContainer| {
        let image = state.images.get(&other.image);
        matches!(other.state_at(image, now).0, ContainerState::Running | ContainerState::Exited(0))
    };
    let missing = |service: &&_| !state.containers_of(container.project(), service).any(fine);
    container.config.depends_on.iter().find(missing).map(ToString::to_string)
}

/// What a check of this kind says when it passes or not.
fn check_of(state: &State, target: &HealthTarget, containers: &[&MemoryContainer], passes: bool) -> String {
    let postgres = containers.iter().any(|c| state.images.get(&c.image).is_some_and(|i| i.postgres));
    match (target.ports.iter().find_map(|port| port.published), passes) {
        (_, true) if postgres => "pg_isready: accepting connections".to_owned(),
        (_, false) if postgres => "pg_isready: no response".to_owned(),
        (Some(port), true) if target.promoted => {
            format!("HTTP 200 at http://{ADDRESS}:{port}{}", target.path.as_deref().unwrap_or("/"))
        }
        (Some(port), false) if target.promoted => {
            format!("HTTP 500 at http://{ADDRESS}:{port}{}", target.path.as_deref().unwrap_or("/"))
        }
        (Some(port), true) => format!("port open: {port}"),
        (Some(port), false) => format!("port closed: {port}"),
        (None, true) => "runs without a restart".to_owned(),
        (None, false) => "its health check fails".to_owned(),
    }
}
