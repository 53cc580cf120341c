//! Pulling services' images with Compose: the user's own client knows the registries' credentials and helpers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use ala_promote_core::backend::{BackendResult, Call};
use ala_promote_core::domain::{PullSource, ServiceName, StackRef};

use super::invocation::arguments;
use super::tool::Family;
use super::{Compose, write_private};

/// How long a pull may take.
const PULL_LIMIT: Duration = Duration::from_secs(60 * 60);

impl Compose {
    /// Pulls what each service is given, and nothing else.
    ///
    /// # Errors
    /// `NotFound` where the registry does not have it, `Unavailable` where it does not answer, `Invalid` where it wants
    /// other credentials, else `Failed`; each with the last lines. `Cancelled` when it was stopped.
    pub(crate) async fn pull(
        &self,
        stack: &StackRef,
        sources: &BTreeMap<ServiceName, PullSource>,
        call: &Call,
    ) -> BackendResult<()> {
        // Without names Compose would pull all.
        if sources.is_empty() {
            return Ok(());
        }
        let folder = self.scratch()?;
        let mut over = stack.clone();
        over.files.push(write_private(&folder, "sources.yml", &overlay(sources, self.tool.family()))?);
        let prepared = self.prepare(stack)?;
        let mut args = arguments(&over, self.tool.family());
        args.push("pull".into());
        args.extend(sources.keys().map(|service| service.as_str().into()));
        let what = format!("pull for {} with Compose", stack.environment);
        let mut process = self.process(what, args, &stack.dir, &prepared);
        process.limit = PULL_LIMIT;
        process.cancel = Some(&call.cancel);
        self.carry_out(process, stack, &prepared, call, |failed| failed.pull_failure()).await
    }
}

/// A Compose file that gives each service its source as its image.
fn overlay(sources: &BTreeMap<ServiceName, PullSource>, family: Family) -> String {
    let mut overlay = String::from("services:\n");
    for (service, source) in sources {
        // Both are checked names: nothing in them needs quotes but to stay texts.
        let _ = write!(overlay, "  \"{service}\":\n    image: \"{source}\"\n");
        if family == Family::Two {
            // By `pull_policy: missing`, a tag that is here would be left as it is, and by `never` all.
            overlay.push_str("    pull_policy: always\n");
        }
    }
    overlay
}
