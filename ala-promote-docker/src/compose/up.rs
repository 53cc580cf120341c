//! Starting services with Compose.

use std::time::Duration;

use ala_promote_core::backend::{BackendResult, Call};
use ala_promote_core::domain::{ServiceName, StackRef};

use super::Compose;
use super::invocation::arguments;
use super::tool::Family;

/// How long Compose may take to replace and start containers: each may need its grace period to stop.
const UP_LIMIT: Duration = Duration::from_secs(15 * 60);

impl Compose {
    /// Ensures that these services run what the files say now: no other service is touched, nothing is built, nothing
    /// that is present is pulled, no orphan is removed. Returns when the containers were started.
    ///
    /// It can't be cancelled: half-way it would leave services down.
    ///
    /// # Errors
    /// `Conflict` when a port is taken, else `Failed` with the last lines. Some services may have been started.
    pub(crate) async fn up(
        &self,
        stack: &StackRef,
        services: &[ServiceName],
        call: &Call,
    ) -> BackendResult<()> {
        // Without names Compose would start all.
        if services.is_empty() {
            return Ok(());
        }
        let prepared = self.prepare(stack)?;
        let derived = self.derived(stack, &prepared).await?;
        let mut args = arguments(derived.as_ref().unwrap_or(stack), self.tool.family());
        args.extend(["up", "-d", "--no-build", "--no-deps"].map(Into::into));
        if self.tool.family() == Family::Two {
            // Stronger than a `pull_policy: always`, which would replace what is being promoted.
            args.extend(["--pull", "missing"].map(Into::into));
        }
        args.extend(services.iter().map(|service| service.as_str().into()));
        let what = format!("start {} with Compose", stack.environment);
        let mut process = self.process(what, args, &stack.dir, &prepared);
        process.limit = UP_LIMIT;
        self.carry_out(process, stack, &prepared, call, |failed| failed.up_failure()).await
    }
}
