//! A stack without host ports that it inherits: an overlay can't take them out on v1, so it is started from what
//! Compose rendered, without them.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{DroppedPort, StackRef};
use serde_json::Value;

use super::failure::Explain;
use super::invocation::arguments;
use super::model::Port;
use super::prepared::Prepared;
use super::render::mapping;
use super::tool::Family;
use super::{Compose, failed};

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
        let text = String::from_utf8_lossy(&done.stdout);
        let kept = match self.tool.family() {
            Family::One => without_ports_yaml(&text, &stack.dropped_ports),
            Family::Two => without_ports_json(&text, &stack.dropped_ports),
        };
        let kept = kept.ok_or_else(|| {
            // What could not be read may hold values, so it is not shown.
            let what = format!("leave ports of {} out", stack.environment);
            let detail = format!("{} printed something unexpected", self.describe());
            BackendError::new(BackendErrorKind::Failed, what, detail)
        })?;
        replace(file, &kept)?;
        Ok(Some(StackRef { files: vec![file.clone()], ..stack.clone() }))
    }
}

/// v2's render without these ports; `None` where it can't be read or has not got them.
fn without_ports_json(text: &str, dropped: &[DroppedPort]) -> Option<String> {
    let mut rendered: Value = serde_json::from_str(text).ok()?;
    for dropped in dropped {
        let ports = rendered.pointer_mut(&format!("/services/{}/ports", dropped.service))?.as_array_mut()?;
        let before = ports.len();
        ports.retain(|port| {
            let port: Option<Port> = serde_json::from_value(port.clone()).ok();
            port.and_then(|port| mapping(&port)).as_ref() != Some(&dropped.port)
        });
        (ports.len() < before).then_some(())?;
    }
    Some(rendered.to_string())
}

/// v1's render without these ports; `None` where it has not got them.
///
/// It is cut line by line and nothing else is read: v1 writes YAML 1.1, where a plain `1e5` or `0o7` is a text. In its
/// fixed layout a service is indented by two, its keys by four, and entries of a list begin with a dash below their key.
fn without_ports_yaml(text: &str, dropped: &[DroppedPort]) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut found = vec![false; dropped.len()];
    let (mut section, mut service) = ("", "");
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        match line.len() - line.trim_start().len() {
            0 => section = line,
            2 => service = line.trim().trim_end_matches(':').trim_matches(['\'', '"']),
            _ => {}
        }
        kept.push(line);
        if section != "services:" || line != "    ports:" {
            continue;
        }
        let start = kept.len();
        while lines.peek().is_some_and(|next| next.starts_with("    - ")) {
            let mut entry = vec![lines.next()?];
            while let Some(more) = lines.next_if(|next| next.starts_with("      ")) {
                entry.push(more);
            }
            let port: Vec<Port> = serde_saphyr::from_str(&entry.join("\n")).ok()?;
            let port = mapping(port.first()?)?;
            match dropped.iter().position(|d| d.service.as_str() == service && d.port == port) {
                Some(index) => *found.get_mut(index)? = true,
                None => kept.extend(entry),
            }
        }
        if kept.len() == start {
            kept.pop();
        }
    }
    found.iter().all(|found| *found).then(|| kept.join("\n") + "\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    const OF_V1: &str = include_str!("../../tests/compose/rendered-1.29.2.yml");
    const OF_V2: &str = include_str!("../../tests/compose/rendered-2.40.3.json");

    fn dropped(host_ip: Option<&str>, published: Option<u16>, target: u16, protocol: &str) -> DroppedPort {
        DroppedPort {
            service: "web".parse().unwrap(),
            port: ala_promote_core::domain::PortMapping {
                host_ip: host_ip.map(str::to_owned),
                published,
                target,
                protocol: protocol.into(),
            },
        }
    }

    fn all() -> Vec<DroppedPort> {
        vec![
            dropped(None, None, 3000, "tcp"),
            dropped(None, Some(53), 53, "udp"),
            dropped(None, Some(8080), 80, "tcp"),
            dropped(None, Some(8181), 81, "tcp"),
            dropped(Some("127.0.0.1"), Some(9000), 90, "tcp"),
            dropped(Some("127.0.0.1"), Some(9001), 91, "tcp"),
            dropped(Some("::1"), Some(6000), 6000, "tcp"),
        ]
    }

    #[test]
    fn only_the_ports_are_taken_out_of_a_render_of_v1() {
        let two = [dropped(None, Some(8080), 80, "tcp"), dropped(Some("127.0.0.1"), Some(9001), 91, "tcp")];
        let expected = OF_V1
            .replace("    - published: 8080\n      target: 80\n", "")
            .replace("    - 127.0.0.1:9001:91/tcp\n", "");
        assert_eq!(without_ports_yaml(OF_V1, &two).unwrap().trim_end(), expected.trim_end());
        // What it wrote without quotes is as it was.
        assert!(expected.contains("VERSION: 1e5\n"));
        let none = without_ports_yaml(OF_V1, &all()).unwrap();
        assert!(!none.contains("ports:") && !none.contains("published"), "{none}");
        assert_eq!(without_ports_yaml(OF_V1, &[dropped(None, Some(1), 80, "tcp")]), None);
    }

    #[test]
    fn only_the_ports_are_taken_out_of_a_render_of_v2() {
        let before: Value = serde_json::from_str(OF_V2).unwrap();
        let text = without_ports_json(OF_V2, &[dropped(None, Some(8080), 80, "tcp")]).unwrap();
        let mut after: Value = serde_json::from_str(&text).unwrap();
        let ports = |value: &Value| value["services"]["web"]["ports"].clone();
        assert_eq!(ports(&after).as_array().unwrap().len(), ports(&before).as_array().unwrap().len() - 1);
        after["services"]["web"]["ports"] = ports(&before);
        assert_eq!(after, before);
        let none: Value = serde_json::from_str(&without_ports_json(OF_V2, &all()).unwrap()).unwrap();
        assert_eq!(ports(&none), serde_json::json!([]));
        assert_eq!(without_ports_json(OF_V2, &[dropped(None, Some(1), 80, "tcp")]), None);
    }
}
