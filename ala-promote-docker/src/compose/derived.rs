//! A stack without host ports that it inherits: an overlay can't take them out on v1, so it is started from what
//! Compose rendered, without them.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{PortMapping, StackRef};
use serde_json::Value;

use super::failure::Explain;
use super::invocation::arguments;
use super::model::Port;
use super::tool::Family;
use super::{Compose, Prepared, failed};

impl Compose {
    /// The stack to start in place of one that does without some of its ports; `None` where it has all of them.
    ///
    /// # Errors
    /// Compose can't render it, or the file can't be written.
    pub(super) async fn derived(
        &self,
        stack: &StackRef,
        prepared: &Prepared,
    ) -> BackendResult<Option<StackRef>> {
        let Some(file) = stack.derived_file.as_ref().filter(|_| !stack.dropped_ports.is_empty()) else {
            return Ok(None);
        };
        let mut args = arguments(stack, self.tool.family());
        args.extend(self.config_command());
        let what = format!("render {}", stack.environment);
        let done = self.process(what, args, &stack.dir, prepared).run(&self.lock).await?;
        if !done.status.success() {
            let explain =
                Explain { stack, raw: &prepared.raw, scrub: &prepared.scrub, lines: &done.last_lines };
            return Err(explain.render_failure());
        }
        let unreadable = || {
            let what = format!("leave ports of {} out", stack.environment);
            BackendError::new(
                BackendErrorKind::Failed,
                what,
                format!("{} printed something unexpected", self.describe()),
            )
        };
        // The readers' own messages may quote values.
        let mut rendered: Value = match self.tool.family() {
            Family::One => {
                serde_saphyr::from_str(&String::from_utf8_lossy(&done.stdout)).map_err(|_| unreadable())?
            }
            Family::Two => serde_json::from_slice(&done.stdout).map_err(|_| unreadable())?,
        };
        for dropped in &stack.dropped_ports {
            let ports = rendered.pointer_mut(&format!("/services/{}/ports", dropped.service));
            let ports = ports.and_then(Value::as_array_mut).ok_or_else(unreadable)?;
            ports.retain(|port| !publishes(port, &dropped.port));
        }
        // JSON is YAML, for v1 as well.
        replace(file, &rendered.to_string())?;
        Ok(Some(StackRef { files: vec![file.clone()], ..stack.clone() }))
    }
}

/// Whether a rendered entry of `ports` is this mapping.
fn publishes(entry: &Value, port: &PortMapping) -> bool {
    let read: Result<Port, _> = serde_json::from_value(entry.clone());
    read.is_ok_and(|read| super::render::mapping(&read).as_ref() == Some(port))
}

/// Writes a file that only this user can read, whole or not at all.
fn replace(file: &Path, text: &str) -> BackendResult<()> {
    let partial = file.with_extension("partial");
    let error = |error| failed("write the files without inherited ports", file, error);
    match std::fs::remove_file(&partial) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(error(e)),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut out = options.write(true).create_new(true).mode(0o600).open(&partial).map_err(error)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(error)?;
    std::fs::rename(&partial, file).map_err(error)
}
