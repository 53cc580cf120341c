//! Building services with Compose, each to a tag of its own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{ImageReference, Render, ServiceName, StackRef};

use super::invocation::arguments;
use super::tool::Family;
use super::{Compose, invalid, write_private};

/// How long a build may take.
const BUILD_LIMIT: Duration = Duration::from_secs(2 * 60 * 60);
/// The first v2 whose files can take back what an earlier file says.
const KNOWS_RESET: (u32, u32) = (2, 24);

impl Compose {
    /// Builds these services side by side, each to its reference; moves no other reference.
    ///
    /// # Errors
    /// `Failed` with the last lines of the build, `Cancelled` when it was stopped: then nothing of it is left running.
    pub(crate) async fn build(
        &self,
        stack: &StackRef,
        targets: &BTreeMap<ServiceName, ImageReference>,
        call: &Call,
    ) -> BackendResult<()> {
        // Without names Compose would build all.
        if targets.is_empty() {
            return Ok(());
        }
        let render = self.render(stack).await?;
        let overlay = self.overlay(&render, targets)?;
        let folder = self.scratch()?;
        let mut over = stack.clone();
        over.files.push(write_private(&folder, "targets.yml", &overlay)?);

        let mut prepared = self.prepare(stack)?;
        // Else each build has another id, even of the same content.
        prepared.environment.variables.insert("BUILDX_NO_DEFAULT_ATTESTATIONS".into(), "1".into());
        let mut args = arguments(&over, self.tool.family());
        args.push("build".into());
        if self.tool.family() == Family::One {
            // Else the container of a step that fails is left.
            args.extend(["--parallel".into(), "--force-rm".into()]);
        }
        args.extend(targets.keys().map(|service| service.as_str().into()));
        let what = format!("build for {} with Compose", stack.environment);
        let mut process = self.process(what, args, &stack.dir, &prepared);
        process.limit = BUILD_LIMIT;
        process.cancel = Some(&call.cancel);
        self.carry_out(process, stack, &prepared, call, |failed| failed.build_failure()).await
    }

    /// A Compose file that gives each service its reference as its image, and no other name.
    fn overlay(
        &self,
        render: &Render,
        targets: &BTreeMap<ServiceName, ImageReference>,
    ) -> BackendResult<String> {
        let what = format!("build for {}", render.stack.environment);
        let mut overlay = String::from("services:\n");
        for (service, reference) in targets {
            let build = render.services.get(service).and_then(|spec| spec.build.as_ref());
            let Some(build) = build else {
                return Err(invalid(&what, format!("service `{service}` has no `build`")));
            };
            // Both are checked names: nothing in them needs quotes but to stay texts.
            let _ = write!(overlay, "  \"{service}\":\n    image: \"{reference}\"\n");
            if build.settings.contains_key("tags") {
                if self.tool.number < KNOWS_RESET {
                    return Err(BackendError::new(
                        BackendErrorKind::Unsupported,
                        what,
                        format!("`build.tags` of service `{service}` would move tags before the test"),
                    )
                    .with_hint("take `tags` out of `build`, or install Compose 2.24 or later"));
                }
                overlay.push_str("    build:\n      tags: !reset []\n");
            }
        }
        Ok(overlay)
    }
}
