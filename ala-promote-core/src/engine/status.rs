//! What runs where, held against what the ledger knows.

use serde::Serialize;

use super::engine::Inner;
use super::{Engine, EngineError, EngineErrorKind};
use crate::domain::{
    EnvironmentName, HealthVerdict, ImageId, OperationId, ProjectName, Release, ServiceHealth, ServiceName,
};
use crate::ledger::Unfinished;

/// One environment as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentStatus {
    /// Its name.
    pub environment: EnvironmentName,
    /// Its Compose project.
    pub project: ProjectName,
    /// The release that the ledger says runs.
    pub release: Option<Release>,
    /// An operation on it that is not done.
    pub unfinished: Option<UnfinishedStatus>,
    /// Its services.
    pub services: Vec<ServiceStatus>,
}

/// An operation that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnfinishedStatus {
    /// The operation.
    pub operation: OperationId,
    /// Whether its process is at work now; else it died, or what it left needs attention.
    pub at_work: bool,
}

/// One service as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// The service.
    pub service: ServiceName,
    /// Images that its containers run.
    pub images: Vec<ImageId>,
    /// One look at its health; `None` where it has no container.
    pub health: Option<ServiceHealth>,
    /// In which way it is not what the ledger says.
    pub drift: Option<String>,
}

impl EnvironmentStatus {
    /// Whether every service that has containers is healthy, and is what the ledger says.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.unfinished.is_none()
            && self.services.iter().all(|service| {
                service.drift.is_none()
                    && service.health.as_ref().is_none_or(|h| h.verdict == HealthVerdict::Healthy)
            })
    }
}

impl Engine {
    /// Looks at one environment. Changes nothing.
    ///
    /// # Errors
    /// [`EngineError::UnknownEnvironment`], or a failure to look.
    pub async fn status(&self, environment: &EnvironmentName) -> Result<EnvironmentStatus, EngineError> {
        let (observed, view, request) = self.look(environment).await?;
        let unseen = || EngineError::UnusablePlan { reason: format!("{environment} was not seen") };
        let seen = observed.environments.get(environment).ok_or_else(unseen)?;
        let release = view.current(environment).cloned();
        let expected = release.as_ref().map(|release| self.expected(&observed, &view, &request, release));
        let expected = expected.unwrap_or_default();
        let services = seen.render.services.keys().map(|service| {
            let mut images: Vec<ImageId> = seen.containers_of(service).map(|c| c.image.id.clone()).collect();
            images.sort();
            images.dedup();
            let health = seen.health.iter().find(|health| &health.service == service).cloned();
            let drift = expected.get(service).and_then(|expected| drift(expected, &images));
            ServiceStatus { service: service.clone(), images, health, drift }
        });
        let unfinished = match view.unfinished_on(environment) {
            Some(unfinished) => self.inner().unfinished_status(unfinished).await?,
            None => None,
        };
        Ok(EnvironmentStatus {
            environment: environment.clone(),
            project: seen.render.stack.project.clone(),
            services: services.collect(),
            unfinished,
            release,
        })
    }
}

impl Inner {
    /// `None` where it has ended since the record was read.
    async fn unfinished_status(
        &self,
        unfinished: &Unfinished,
    ) -> Result<Option<UnfinishedStatus>, EngineError> {
        let operation = unfinished.progress.plan().operation.clone();
        let at_work = match self.nothing_at_work(unfinished).await {
            Ok(()) => return Ok(None),
            Err(EngineError::Locked { holder }) => holder.is_none_or(|holder| holder.operation == operation),
            Err(error) if error.kind() == EngineErrorKind::NeedsRecovery => false,
            Err(error) => return Err(error),
        };
        Ok(Some(UnfinishedStatus { operation, at_work }))
    }
}

/// In which way what runs is not what the release says.
fn drift(expected: &ImageId, images: &[ImageId]) -> Option<String> {
    if images.is_empty() {
        return Some("has no container".to_owned());
    }
    let other: Vec<&str> = images.iter().filter(|id| *id != expected).map(ImageId::short).collect();
    (!other.is_empty()).then(|| format!("runs {} instead of {}", other.join(", "), expected.short()))
}
