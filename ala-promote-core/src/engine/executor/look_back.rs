//! After an unwinding: is all as it was? Said only after looking.

use std::collections::BTreeMap;

use super::Executor;
use super::health::Expectation;
use crate::backend::BackendResult;
use crate::config::HealthSettings;
use crate::domain::{ImageId, ImageIdentity, ImageReference, Outcome, PullSource, ServiceName, StackRef};
use crate::engine::Progress;
use crate::plan::{Action, ContainerBefore, Plan, Step};

impl Executor<'_> {
    /// The outcome of an unwinding, by what is seen now of the steps that are meant.
    pub(super) async fn look_back(
        &self,
        progress: &Progress,
        reason: &str,
        stuck: &[(&Step, &str)],
        is_meant: impl Fn(&Step) -> bool,
    ) -> Outcome {
        let plan = progress.plan();
        let mut differences: Vec<String> =
            stuck.iter().map(|(step, error)| format!("not undone: {}: {error}", step.title)).collect();
        for step in plan.steps().filter(|step| progress.was_touched(&step.id) && is_meant(step)) {
            match self.difference(plan, &step.action).await {
                Ok(found) => differences.extend(found),
                Err(error) => {
                    differences.push(format!("could not look at what {} left: {error}", step.title))
                }
            }
        }
        if differences.is_empty() {
            Outcome::RolledBack { reason: reason.to_owned() }
        } else {
            Outcome::NeedsAttention {
                reason: reason.to_owned(),
                state: differences,
                commands: commands(plan),
            }
        }
    }

    /// What differs from before, where a step could have changed it.
    async fn difference(&self, plan: &Plan, action: &Action) -> BackendResult<Vec<String>> {
        match action {
            Action::Tag { reference, prior, .. } => {
                let found = self.reference_difference(reference, prior.as_ref()).await?;
                Ok(found.into_iter().collect())
            }
            Action::Pull { targets, .. } => {
                let mut differences = Vec::new();
                for target in targets.values() {
                    let PullSource::Tag(reference) = &target.source else { continue };
                    differences.extend(self.reference_difference(reference, target.prior.as_ref()).await?);
                }
                Ok(differences)
            }
            Action::Swap { stack, services, .. } => {
                let mut differences = self.container_differences(plan, stack, services).await?;
                if differences.is_empty() {
                    differences.extend(self.health_difference(plan, stack).await);
                }
                Ok(differences)
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn reference_difference(
        &self,
        reference: &ImageReference,
        prior: Option<&ImageId>,
    ) -> BackendResult<Option<String>> {
        let now = self.backend.images().resolve(reference).await?.map(|image| image.id);
        let name = |id: Option<&ImageId>| id.map_or("nothing".to_owned(), |id| id.short().to_owned());
        let differs = now.as_ref() != prior;
        Ok(differs.then(|| format!("{reference} names {}, before {}", name(now.as_ref()), name(prior))))
    }

    async fn container_differences(
        &self,
        plan: &Plan,
        stack: &StackRef,
        services: &[ServiceName],
    ) -> BackendResult<Vec<String>> {
        let mut now: Vec<ContainerBefore> = self
            .backend
            .stacks()
            .containers(&stack.project)
            .await?
            .into_iter()
            .filter(|container| services.contains(&container.service))
            .map(|container| ContainerBefore {
                running: container.is_meant_to_run(),
                service: container.service,
                name: container.name,
                image: container.image.id,
            })
            .collect();
        now.sort();
        let before = &plan.before.containers;
        let gone = before.iter().filter(|c| !now.contains(c)).map(|c| format!("missing: {}", describe(c)));
        let new =
            now.iter().filter(|c| !before.contains(c)).map(|c| format!("found instead: {}", describe(c)));
        Ok(gone.chain(new).collect())
    }

    /// Services that were healthy must be so again.
    async fn health_difference(&self, plan: &Plan, stack: &StackRef) -> Option<String> {
        let images: BTreeMap<ServiceName, ImageIdentity> = BTreeMap::new();
        // Over the whole window: a stop that somebody asked for before may still be on its way.
        let settings = health_settings(plan);
        let expected =
            Expectation { stack, targets: &plan.before.healthy, images: &images, settings: &settings };
        // The operation may have been cancelled; the look that follows may not.
        let patient =
            Executor { cancel: crate::backend::CancelToken::new(), events: self.events.clone(), ..*self };
        let error = patient.await_health(&expected).await.err()?;
        Some(format!("put back, but not healthy as before: {error}"))
    }
}

fn health_settings(plan: &Plan) -> HealthSettings {
    let awaited = plan.steps().find_map(|step| match &step.action {
        Action::AwaitHealth { settings, .. } => Some(*settings),
        _ => None,
    });
    awaited.unwrap_or_default()
}

fn describe(container: &ContainerBefore) -> String {
    let state = if container.running { "running" } else { "not running" };
    format!("{} ({}) with image {}, {state}", container.name, container.service, container.image.short())
}

/// What a person can type to see, and to go on.
fn commands(plan: &Plan) -> Vec<String> {
    let mut commands = vec!["ala-promote recover".to_owned()];
    if let Some(stack) = &plan.stack {
        commands.push(format!("docker ps -a --filter label=com.docker.compose.project={}", stack.project));
    }
    commands.push("ala-promote status".to_owned());
    commands
}
