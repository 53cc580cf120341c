//! Starting services: replace what is not as it should be, then start, in the order that Compose does it.

use std::collections::BTreeSet;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{ContainerState, ImageId, ImageReference, ServiceName, ServiceSpec, StackRef};
use jiff::Timestamp;

use super::container::{ContainerConfig, MemoryContainer, Told};
use super::image::{ImageBehaviour, digest};
use super::{MemoryBackend, State};

/// A container as it should be.
struct Wanted {
    name: String,
    service: ServiceName,
    image: ImageId,
    reference: ImageReference,
    config: ContainerConfig,
}

impl MemoryBackend {
    /// As the port says. What can be seen to fail beforehand fails before anything changed; a host port that is taken
    /// shows only when the old container is gone, as on a real engine.
    pub(super) async fn bring_up(
        &self,
        stack: &StackRef,
        services: &[ServiceName],
        call: &Call,
    ) -> BackendResult<()> {
        let wanted = self.wanted(stack, services)?;
        self.remove_surplus(stack, services, &wanted).await?;
        for one in &wanted {
            self.make(stack, one).await?;
            call.line(&format!("Container {}  Created", one.name));
        }
        for one in &wanted {
            self.step().await;
            self.start(&one.name)?;
            call.line(&format!("Container {}  Started", one.name));
        }
        Ok(())
    }

    fn wanted(&self, stack: &StackRef, services: &[ServiceName]) -> BackendResult<Vec<Wanted>> {
        let what = format!("start services of {}", stack.environment);
        let fail = |kind, detail: String| Err(BackendError::new(kind, &what, detail));
        let model = self.environment_model(&what, &stack.environment)?;
        let render = model.render(stack)?;
        let state = self.state();
        if services.is_empty() {
            let detail = "no service is named, which Compose takes for all of them";
            return fail(BackendErrorKind::Invalid, detail.to_owned());
        }
        let mixed = state.containers_in(&stack.project).find(|c| c.stack.environment != stack.environment);
        if let Some(other) = mixed {
            let detail = format!("project {} also runs {}", stack.project, other.stack.environment);
            return fail(BackendErrorKind::Conflict, detail);
        }
        let mut wanted = Vec::new();
        for service in in_order(services, |name| render.services.get(name)) {
            let Some(spec) = render.services.get(&service) else {
                return fail(BackendErrorKind::NotFound, format!("there is no service {service}"));
            };
            let Some(reference) = &spec.image else {
                return fail(BackendErrorKind::Invalid, format!("service {service} has no image"));
            };
            let Some(image) = state.resolve(reference) else {
                let detail = format!("the image {reference} of service {service} is not there");
                return fail(BackendErrorKind::NotFound, detail);
            };
            let exits = model.services.get(&service).and_then(|s| s.exits);
            for index in 1..=spec.replicas {
                let name = spec.container_name.clone();
                wanted.push(Wanted {
                    name: name.unwrap_or_else(|| format!("{}-{service}-{index}", stack.project)),
                    service: service.clone(),
                    image: image.id().clone(),
                    reference: reference.clone(),
                    config: ContainerConfig::of(spec, exits),
                });
            }
        }
        Ok(wanted)
    }

    /// Removes containers of the services that are more than asked for, or are called otherwise.
    async fn remove_surplus(
        &self,
        stack: &StackRef,
        services: &[ServiceName],
        wanted: &[Wanted],
    ) -> BackendResult<()> {
        let state = self.state();
        let surplus = state
            .containers_in(&stack.project)
            .filter(|c| services.contains(&c.service) && !wanted.iter().any(|w| w.name == c.name));
        for container in surplus {
            self.step().await;
            self.remove(&container.id)?;
        }
        Ok(())
    }

    /// Ensures that the container is made as it should be. Replacing has a moment without it.
    async fn make(&self, stack: &StackRef, wanted: &Wanted) -> BackendResult<()> {
        self.step().await;
        let state = self.state();
        let old = state.containers_of(&stack.project, &wanted.service).find(|c| c.name == wanted.name);
        if let Some(old) = old {
            if old.image == wanted.image && old.config == wanted.config {
                return Ok(());
            }
            self.remove(&old.id)?;
            self.step().await;
        }
        let container = MemoryContainer {
            id: String::new(),
            name: wanted.name.clone(),
            stack: stack.clone(),
            service: wanted.service.clone(),
            image: wanted.image.clone(),
            reference: wanted.reference.clone(),
            config: wanted.config.clone(),
            starts: 0,
            told: Told::Nothing,
        };
        self.create(container)
    }

    /// Makes a container, under a new id, not started.
    pub(super) fn create(&self, mut container: MemoryContainer) -> BackendResult<()> {
        container.id = digest(&["container", &self.fresh_id().to_string()]);
        container.starts = 0;
        container.told = Told::Nothing;
        self.change(&format!("create {}", container.name), |state, _| {
            if state.images.get(&container.image).is_some_and(|image| image.postgres) {
                let key = (container.project().clone(), container.service.clone());
                state.databases.entry(key).or_default();
            }
            state.containers.insert(container.id.clone(), container);
            Ok(())
        })
    }

    /// Ensures that a container runs; one that ran and ended is started again, but for a job.
    pub(super) fn start(&self, name: &str) -> BackendResult<()> {
        let what = format!("start {name}");
        self.change(&what, |state, now| {
            let Some((id, broken)) = to_start(state, name, now) else { return Ok(()) };
            if broken {
                let detail = "exec format error: the image can't be run";
                return Err(BackendError::new(BackendErrorKind::Failed, &what, detail));
            }
            if let Some(container) = state.containers.get_mut(&id) {
                container.starts += 1;
                container.told = Told::Run(now);
            }
            Ok(())
        })
    }

    /// Ensures that a container has ended with that exit code.
    pub(super) fn stop(&self, name: &str, exit_code: i64) -> BackendResult<()> {
        self.change(&format!("stop {name}"), |state, now| {
            let images = &state.images;
            for container in state.containers.values_mut().filter(|c| c.name == name) {
                let ended = container.state_at(images.get(&container.image), now).0;
                if ended != ContainerState::Exited(exit_code) {
                    container.told = Told::Stop(exit_code);
                }
            }
            Ok(())
        })
    }

    /// Removes a container, running or not; its data stays.
    pub(super) fn remove(&self, id: &str) -> BackendResult<()> {
        let name = self.state().containers.get(id).map_or_else(String::new, |c| c.name.clone());
        self.change(&format!("remove {name}"), |state, _| {
            state.containers.remove(id);
            Ok(())
        })
    }
}

/// The container of that name that is to be started, and whether its image can't be; `None` when there is nothing to
/// do.
fn to_start(state: &State, name: &str, now: Timestamp) -> Option<(String, bool)> {
    let container = state.containers.values().find(|c| c.name == name)?;
    let ended_as_it_should = container.config.exits == Some(0) && matches!(container.told, Told::Run(_));
    if state.runs(container, now) || ended_as_it_should {
        return None;
    }
    let image = state.images.get(&container.image);
    let broken = image.is_some_and(|image| image.behaviour == ImageBehaviour::FailsToStart);
    Some((container.id.clone(), broken))
}

/// The services, each once, each after those that it waits for.
fn in_order<'a>(
    services: &[ServiceName],
    spec: impl Fn(&ServiceName) -> Option<&'a ServiceSpec>,
) -> Vec<ServiceName> {
    let mut left: BTreeSet<ServiceName> = services.iter().cloned().collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let waits = |name: &ServiceName| {
            spec(name).is_some_and(|s| s.depends_on.keys().any(|other| left.contains(other) && other != name))
        };
        // Services that wait for each other in a circle go as they are.
        let ready: Vec<_> = left.iter().filter(|name| !waits(name)).cloned().collect();
        let ready = if ready.is_empty() { left.iter().cloned().collect() } else { ready };
        for name in ready {
            left.remove(&name);
            order.push(name);
        }
    }
    order
}
