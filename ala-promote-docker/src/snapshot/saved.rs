//! One container as it was saved.

use std::collections::BTreeMap;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::ImageId;
use serde_json::{Map, Value};

use crate::labels;

/// What the engine said of a container, with names for the parts that are needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saved<'a> {
    raw: &'a Value,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    image: &'a str,
}

impl<'a> Saved<'a> {
    pub(super) fn new(raw: &'a Value) -> BackendResult<Self> {
        let text = |key: &str| raw.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        match (text("Id"), text("Name"), text("Image")) {
            (Some(id), Some(name), Some(image)) => {
                Ok(Self { raw, id, name: name.trim_start_matches('/'), image })
            }
            _ => Err(BackendError::new(
                BackendErrorKind::Invalid,
                "read what a container is made of",
                "its id, its name or its image is missing",
            )),
        }
    }

    /// The first twelve digits of its id, as the engine uses them for names.
    pub(super) fn short_id(&self) -> &'a str {
        self.id.get(..12).unwrap_or(self.id)
    }

    pub(super) fn image(&self) -> ImageId {
        ImageId::new(self.image)
    }

    /// The reference that it was made with, where it was one.
    pub(super) fn image_reference(&self) -> Option<&'a str> {
        let made_with = self.part("Config").and_then(|config| config.get("Image")).and_then(Value::as_str);
        let labelled = self.labels().get(labels::IMAGE_REFERENCE).copied();
        labelled.or(made_with.filter(|name| !name.starts_with("sha256:")))
    }

    pub(super) fn part(&self, key: &str) -> Option<&'a Map<String, Value>> {
        self.raw.get(key).and_then(Value::as_object)
    }

    pub(super) fn labels(&self) -> BTreeMap<&'a str, &'a str> {
        let labels = self.part("Config").and_then(|config| config.get("Labels")).and_then(Value::as_object);
        labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect()
    }

    /// Whether it ran, or was between two runs.
    pub(super) fn is_to_run(&self) -> bool {
        self.is("Running") || self.is("Restarting")
    }

    /// Whether its state has this flag.
    pub(super) fn is(&self, flag: &str) -> bool {
        self.part("State").and_then(|state| state.get(flag)).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether the engine can't do anything with it but remove it.
    pub(super) fn is_beyond_use(&self) -> bool {
        let status = self.part("State").and_then(|state| state.get("Status")).and_then(Value::as_str);
        matches!(status, Some("dead" | "removing"))
    }

    pub(super) fn network_mode(&self) -> &'a str {
        self.host_text("NetworkMode")
    }

    /// A text of its host configuration; empty where it has none.
    pub(super) fn host_text(&self, key: &str) -> &'a str {
        self.part("HostConfig").and_then(|config| config.get(key)).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its networks and how it is attached to each.
    pub(super) fn networks(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let networks = self
            .part("NetworkSettings")
            .and_then(|settings| settings.get("Networks"))
            .and_then(Value::as_object);
        networks.into_iter().flatten().map(|(name, endpoint)| (name.as_str(), endpoint))
    }

    /// What is mounted into it.
    pub(super) fn mounts(&self) -> impl Iterator<Item = Mount<'a>> {
        let mounts = self.raw.get("Mounts").and_then(Value::as_array);
        mounts.into_iter().flatten().filter_map(Mount::new)
    }

    /// Whether it was made again from another that had been saved.
    pub(super) fn is_made_from(&self, saved: Saved<'_>) -> bool {
        self.labels().get(labels::RESTORED_FROM) == Some(&saved.id)
    }

    /// Its service.
    pub(super) fn service(&self) -> &'a str {
        self.labels().get(labels::SERVICE).copied().unwrap_or_default()
    }

    /// The services that its service waits for.
    pub(super) fn depends_on(&self) -> Vec<&'a str> {
        let label = self.labels().get(labels::DEPENDS_ON).copied().unwrap_or_default();
        label.split(',').filter_map(|entry| entry.split(':').next()).filter(|name| !name.is_empty()).collect()
    }

    /// Refuses what could not be made again as it was, before anything is changed.
    pub(super) fn refuse_unsupported(&self) -> BackendResult<()> {
        let others = |key: &str| self.host_text(key).starts_with("container:");
        let has = |key: &str| {
            let value = self.part("HostConfig").and_then(|config| config.get(key));
            value.is_some_and(|value| {
                value.as_bool().unwrap_or(false) || value.as_array().is_some_and(|list| !list.is_empty())
            })
        };
        let (why, hint) = if has("AutoRemove") {
            ("it is removed when it stops (`--rm`)", "start it without `--rm`")
        } else if self.labels().contains_key(labels::SWARM_SERVICE) {
            ("Swarm owns it", "deploy it with `docker stack deploy`")
        } else if ["NetworkMode", "IpcMode", "PidMode"].iter().any(|key| others(key)) {
            ("it shares a namespace of another container, whose id changes", "give it a network of its own")
        } else if has("VolumesFrom") {
            ("it takes its volumes from another container, whose id changes", "name the volumes instead")
        } else if self.is("Paused") {
            ("it is paused", "wake it with `docker unpause`")
        } else {
            return Ok(());
        };
        Err(BackendError::new(
            BackendErrorKind::Unsupported,
            format!("save how the container {} is made", self.name),
            format!("{why}, so it could not be put back as it is"),
        )
        .with_hint(hint))
    }
}

/// A volume that is mounted into a container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mount<'a> {
    pub(super) volume: &'a str,
    pub(super) target: &'a str,
    pub(super) writable: bool,
}

impl<'a> Mount<'a> {
    /// `None` for binds and file systems in memory.
    fn new(raw: &'a Value) -> Option<Self> {
        let text = |key: &str| raw.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        if text("Type") != Some("volume") {
            return None;
        }
        let writable = raw.get("RW").and_then(Value::as_bool).unwrap_or(true);
        Some(Self { volume: text("Name")?, target: text("Destination")?, writable })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_can_t_be_put_back_is_refused() {
        let base = json!({"Id": "1", "Name": "/api", "Image": "sha256:1", "Config": {"Labels": {}},
            "HostConfig": {"AutoRemove": false, "VolumesFrom": null, "NetworkMode": "p_default"},
            "State": {"Paused": false}});
        assert!(Saved::new(&base).unwrap().refuse_unsupported().is_ok());
        for (pointer, value) in [
            ("/HostConfig/AutoRemove", json!(true)),
            ("/HostConfig/VolumesFrom", json!(["0123"])),
            ("/HostConfig/NetworkMode", json!("container:0123")),
            ("/State/Paused", json!(true)),
            ("/Config/Labels", json!({"com.docker.swarm.service.id": "x"})),
        ] {
            let mut raw = base.clone();
            *raw.pointer_mut(pointer).unwrap() = value;
            let error = Saved::new(&raw).unwrap().refuse_unsupported().unwrap_err();
            assert_eq!(error.kind(), BackendErrorKind::Unsupported, "{pointer}");
            assert!(error.hint().is_some() && error.to_string().contains("api"), "{error}");
        }
    }
}
