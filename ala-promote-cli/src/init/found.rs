//! What one environment means by convention. Changes nothing.

use ala_promote_core::domain::{EnvironmentName, Request, ServiceName, StackRef, Verb};
use ala_promote_core::engine::{Engine, EngineError};
use ala_promote_core::plan::Finding;

use crate::error::CliError;

/// What one environment means, and what stands in its way.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) environment: EnvironmentName,
    pub(crate) from: Option<EnvironmentName>,
    pub(crate) protected: bool,
    pub(crate) stack: StackRef,
    /// How many containers it has now.
    pub(crate) containers: usize,
    /// Services whose containers are databases that can be backed up.
    pub(crate) databases: Vec<ServiceName>,
    /// What refuses an operation on it now, but for a release that is not there yet.
    pub(crate) to_mend: Vec<Finding>,
}

/// Looks at one environment.
pub(crate) async fn look(engine: &Engine, environment: &EnvironmentName) -> Result<Found, CliError> {
    let settings = engine.settings().environment(environment)?;
    let backend = engine.backend();
    let stack = engine.find_stack(environment).await?;
    let render = backend.stacks().render(&stack).await?;
    let containers = backend.stacks().containers(&stack.project).await?;
    let databases = backend.database().detect(&render, &containers).await?;
    let verb = match settings.from {
        Some(_) => Verb::Promote,
        None => Verb::Deploy { build: true, keep_failed: false },
    };
    let planned = engine.plan(&Request { environment: environment.clone(), verb }).await;
    let to_mend = match planned {
        Ok(_) => Vec::new(),
        Err(EngineError::Refused(refusal)) => {
            refusal.findings.into_iter().filter(|finding| finding.gate != "tested-release").collect()
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Found {
        environment: environment.clone(),
        from: settings.from.clone(),
        protected: settings.protected,
        stack,
        containers: containers.len(),
        databases: databases.into_iter().map(|database| database.service).collect(),
        to_mend,
    })
}
