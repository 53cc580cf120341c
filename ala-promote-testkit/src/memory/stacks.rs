//! The stacks' port; the longer methods are in `up` and `snapshot`.

use std::collections::BTreeSet;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, PortHolder, Stacks};
use ala_promote_core::config::{ComposeFiles, EnvironmentSettings, Settings};
use ala_promote_core::domain::{
    Container, EnvironmentName, PortMapping, ProjectName, Render, ServiceName, StackRef,
};
use async_trait::async_trait;

use super::model::EnvironmentModel;
use super::state::overlap;
use super::{MemoryBackend, State};

#[async_trait]
impl Stacks for MemoryBackend {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        self.step().await;
        let what = format!("find the stack of {environment}");
        let model = self.environment_model(&what, environment)?;
        let wanted = settings.environments.get(environment).ok_or_else(|| {
            let detail = "the settings have no such environment";
            BackendError::new(BackendErrorKind::NotFound, &what, detail)
        })?;
        check_files(&what, &model, wanted)?;
        model.variables()?;
        let ran_as = projects_of(&self.state(), environment);
        let project = choose_project(&what, &model, wanted, &ran_as)?;
        Ok(StackRef { service_env_files: wanted.service_env_files(), ..model.stack(project) })
    }

    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        self.step().await;
        self.environment_model("render", &stack.environment)?.render(stack)
    }

    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        self.step().await;
        let (state, now) = (self.state(), self.now());
        let observed = state.containers_in(project).map(|c| c.observed_at(state.images.get(&c.image), now));
        Ok(observed.collect())
    }

    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        self.step().await;
        let mut holders = self.state().port_holders(self.now());
        holders.retain(|holder| wanted.iter().any(|port| overlap(&holder.port, port)));
        Ok(holders)
    }

    async fn up(&self, stack: &StackRef, services: &[ServiceName], call: &Call) -> BackendResult<()> {
        self.step().await;
        self.bring_up(stack, services, call).await
    }

    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        self.step().await;
        self.save_snapshot(stack, services, file)
    }

    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        self.step().await;
        self.restore_snapshot(stack, file, call).await
    }

    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        self.step().await;
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let what = format!("remove the snapshot {}", file.display());
                Err(BackendError::new(BackendErrorKind::Failed, what, error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// The projects whose containers name an environment.
fn projects_of(state: &State, environment: &EnvironmentName) -> BTreeSet<ProjectName> {
    let of_it = state.containers.values().filter(|c| &c.stack.environment == environment);
    of_it.map(|c| c.project().clone()).collect()
}

/// Fails when the settings name other files than there are.
fn check_files(what: &str, model: &EnvironmentModel, wanted: &EnvironmentSettings) -> BackendResult<()> {
    let fits = match &wanted.files {
        ComposeFiles::Exactly(files) => *files == model.files,
        ComposeFiles::OverlayOn { overlay, .. } => model.files.last() == Some(overlay),
        _ => true,
    };
    if !fits || wanted.dir != model.dir {
        let detail = format!(
            "the settings name {:?} in {}, but there are {:?} in {}",
            wanted.files,
            wanted.dir.display(),
            model.files,
            model.dir.display()
        );
        return Err(BackendError::new(BackendErrorKind::Invalid, what, detail));
    }
    if let Some(file) = wanted.env_file.as_ref().filter(|file| **file != model.env_file) {
        let detail = format!("{} does not exist", file.display());
        return Err(BackendError::new(BackendErrorKind::Invalid, what, detail)
            .with_hint(format!("copy its template: cp {0}.template {0}", file.display())));
    }
    Ok(())
}

/// What runs comes first, but not against the settings.
fn choose_project(
    what: &str,
    model: &EnvironmentModel,
    wanted: &EnvironmentSettings,
    ran_as: &BTreeSet<ProjectName>,
) -> BackendResult<ProjectName> {
    let conflict = |detail: String| {
        Err(BackendError::new(BackendErrorKind::Conflict, what, detail).with_hint(
            "name the right project in ala-promote.toml, or remove the containers of the other one",
        ))
    };
    let mut projects = ran_as.iter();
    match (projects.next(), projects.next(), &wanted.project) {
        (Some(one), Some(other), _) => conflict(format!("it runs as project {one} and as project {other}")),
        (Some(ran), None, Some(named)) if ran != named => {
            conflict(format!("the settings say project {named}, but it runs as project {ran}"))
        }
        (Some(ran), None, _) => Ok(ran.clone()),
        (None, _, Some(named)) => Ok(named.clone()),
        (None, _, None) => Ok(model.project.clone()),
    }
}
