//! A stack that has something otherwise than its files: an overlay can't take ports out on v1, so it is started from
//! what Compose rendered, with the changes made.

mod json;
mod yaml;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::StackRef;
use serde_json::{Map, Value};

use super::prepared::Prepared;
use super::tool::Family;
use super::{Compose, failed};

impl Compose {
    /// The stack to start in place of one with changes; `None` where it has none.
    ///
    /// # Errors
    /// Compose can't render it, or the file can't be written.
    pub(super) async fn derived(
        &self,
        stack: &StackRef,
        prepared: &Prepared,
    ) -> BackendResult<Option<StackRef>> {
        let Some(file) = &stack.derived_file else { return Ok(None) };
        let text = self.rendered(stack, prepared).await?;
        let changed = match self.tool.family() {
            Family::One => yaml::changed(&text, &stack.changes),
            Family::Two => json::changed(&text, &stack.changes),
        };
        let changed = changed.ok_or_else(|| {
            // What could not be read may hold values, so it is not shown.
            let what = format!("move {} out of another environment's way", stack.environment);
            let detail = format!("{} printed something unexpected", self.describe());
            BackendError::new(BackendErrorKind::Failed, what, detail)
        })?;
        replace(file, &changed)?;
        Ok(Some(StackRef { files: vec![file.clone()], ..stack.clone() }))
    }
}

/// A container name as its networks know it, which it keeps when the container is called otherwise.
fn with_alias(network: Value, alias: &str) -> Option<Value> {
    let mut network = match network {
        Value::Null => Map::new(),
        Value::Object(network) => network,
        _ => return None,
    };
    let aliases = network.entry("aliases").or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
    if !aliases.iter().any(|known| known.as_str() == Some(alias)) {
        aliases.push(alias.into());
    }
    Some(Value::Object(network))
}

/// Joined networks, the default one where none is named, with this alias in each that is not shared.
fn with_aliases(networks: Map<String, Value>, alias: &str, shared: &[String]) -> Option<Map<String, Value>> {
    let networks =
        if networks.is_empty() { Map::from_iter([("default".to_owned(), Value::Null)]) } else { networks };
    let joined = networks.into_iter().map(|(key, network)| match shared.contains(&key) {
        true => Some((key, network)),
        false => Some((key, with_alias(network, alias)?)),
    });
    joined.collect()
}

/// Writes a file that only this user can read, whole or not at all.
fn replace(file: &Path, text: &str) -> BackendResult<()> {
    let partial = file.with_extension("partial");
    let error = |error| failed("write the changed files", file, error);
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
    use ala_promote_core::domain::{PortMapping, StackChange};

    fn port(host_ip: Option<&str>, published: Option<u16>, target: u16, protocol: &str) -> PortMapping {
        PortMapping { host_ip: host_ip.map(str::to_owned), published, target, protocol: protocol.into() }
    }

    pub(super) fn dropped(
        host_ip: Option<&str>,
        published: Option<u16>,
        target: u16,
        protocol: &str,
    ) -> StackChange {
        let port = port(host_ip, published, target, protocol);
        StackChange::PortDropped { service: "web".parse().unwrap(), port }
    }

    pub(super) fn moved(host_ip: Option<&str>, published: u16, target: u16, to: u16) -> StackChange {
        let port = port(host_ip, Some(published), target, "tcp");
        StackChange::PortMoved { service: "web".parse().unwrap(), port, to }
    }

    pub(super) fn renamed(service: &str, name: &str, to: &str) -> StackChange {
        let service = service.parse().unwrap();
        StackChange::ContainerRenamed { service, name: name.into(), to: to.into(), shared: Vec::new() }
    }

    pub(super) fn renamed_beside(service: &str, name: &str, to: &str, network: &str) -> StackChange {
        let (service, shared) = (service.parse().unwrap(), vec![network.to_owned()]);
        StackChange::ContainerRenamed { service, name: name.into(), to: to.into(), shared }
    }

    pub(super) fn called(service: &str, image: &str, to: &str) -> StackChange {
        let (service, image, to) = (service.parse().unwrap(), image.parse().unwrap(), to.parse().unwrap());
        StackChange::ImageRenamed { service, image, to }
    }

    /// Every port of the renders in tests/compose.
    pub(super) fn all_dropped() -> Vec<StackChange> {
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
}
