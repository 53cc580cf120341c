//! Images of the in-memory backend.

use std::collections::BTreeMap;
use std::time::Duration;

use ala_promote_core::domain::{EnvironmentName, ImageId, ImageIdentity, ImageStoreKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a container does that is made from an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ImageBehaviour {
    /// It works from its first moment.
    #[default]
    Healthy,
    /// It works once it has run for that long.
    HealthyAfter(Duration),
    /// It runs, but its check fails, in that environment only: the bad release that staging could not show.
    UnhealthyIn(EnvironmentName),
    /// It works for that long, then ends with exit code 1, again and again if its restart policy starts it again.
    CrashesAfter(Duration),
    /// Its check passes for that long, then fails for that long, and so on; its container goes on running.
    Flaps(Duration),
    /// It runs and never says whether it works.
    Never,
    /// The engine can't start it: the container is made, and stays as made.
    FailsToStart,
}

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What it is. Its id follows from what it was built from, so building the same again gives the same.
    pub identity: ImageIdentity,
    /// What its containers do.
    pub behaviour: ImageBehaviour,
    /// Whether it is PostgreSQL, for those who look at the image and not at names.
    pub postgres: bool,
}

impl Image {
    /// The image that this content makes.
    #[must_use]
    pub(super) fn made_of(content: &BTreeMap<String, String>, created: jiff::Timestamp) -> Self {
        let parts: Vec<&str> =
            content.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect();
        let layers = ["base", "application"].map(|layer| {
            let mut all = vec![layer];
            if layer == "application" {
                all.extend(&parts);
            }
            format!("sha256:{}", digest(&all))
        });
        let mut image = vec!["image"];
        image.extend(&parts);
        let identity = ImageIdentity {
            id: ImageId::new(format!("sha256:{}", digest(&image))),
            store: ImageStoreKind::Other,
            layers: layers.to_vec(),
            platform: "linux/amd64".to_owned(),
            created: Some(created.to_string()),
        };
        Self { identity, behaviour: ImageBehaviour::Healthy, postgres: false }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ImageId {
        &self.identity.id
    }
}

/// SHA-256, in hex, of these parts with their lengths, so that `["a", "bc"]` and `["ab", "c"]` differ.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a container is started again when it ends by itself with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// It stays ended.
    Never,
    /// It is started again.
    Always,
}

impl Restart {
    /// As Compose spells it.
    #[must_use]
    pub fn from_policy(policy: Option<&str>) -> Self {
        match policy {
            Some(p) if p == "always" || p == "unless-stopped" || p.starts_with("on-failure") => Self::Always,
            _ => Self::Never,
        }
    }
}
