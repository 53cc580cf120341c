//! The unit that is promoted.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ImageIdentity, ImageReference, ReferenceError, ReleaseTag, RepositoryDigest, ServiceName};

/// What is moved between environments, never changed on the way: per promoted service an image identity, and the
/// source they were built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its name, which is also a tag on each of its images.
    pub tag: ReleaseTag,
    /// How it came to be.
    pub kind: ReleaseKind,
    /// When its operation was planned.
    pub created_at: Timestamp,
    /// Its images by the service that they were deployed as.
    pub images: BTreeMap<ServiceName, ReleaseImage>,
    /// The source; `None` where the folder is in no Git tree, or for images that ran before we came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceState>,
}

/// One image of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseImage {
    /// The repository it is known by.
    pub repository: String,
    /// What it is.
    pub identity: ImageIdentity,
    /// What its registry has it as; `None` where it was built here, or was there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<RepositoryDigest>,
}

impl ReleaseImage {
    /// The tag of its own under which a release keeps its image from being pruned.
    ///
    /// # Errors
    /// When the repository can't be tagged.
    pub fn pin(&self, release: &ReleaseTag) -> Result<ImageReference, ReferenceError> {
        ImageReference::new(&self.repository, release.as_str())
    }
}

impl Release {
    /// Whether both hold the same images for the same services, whatever they are called.
    #[must_use]
    pub fn has_same_images(&self, other: &Self) -> bool {
        self.images.len() == other.images.len()
            && self.images.iter().all(|(service, image)| {
                other.images.get(service).is_some_and(|o| o.identity.is_same(&image.identity))
            })
    }
}

/// How a release came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ReleaseKind {
    /// Built for an environment that others are promoted from, and healthy there.
    Tested,
    /// Built where it runs, by a plain `deploy`.
    Built,
    /// Found running when we first looked.
    Adopted,
}

impl ReleaseKind {
    /// The release tag's text: `<environment>-tested-…`, `<environment>-built-…` or `adopted-…`, with the UTC time to
    /// the second.
    #[must_use]
    pub fn tag_text(self, environment: &str, at: Timestamp) -> String {
        let time = at.strftime("%Y%m%d-%H%M%S");
        match self {
            Self::Tested => format!("{environment}-tested-{time}"),
            Self::Built => format!("{environment}-built-{time}"),
            Self::Adopted => format!("adopted-{time}"),
        }
    }
}

/// Where the source stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// The commit, in full.
    pub commit: String,
    /// The commit's tree, in full.
    pub tree: String,
    /// The branch; `None` on a detached head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether tracked files differ from the commit, so that what is built is more than the commit says.
    pub dirty: bool,
}

impl fmt::Display for SourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.commit.get(..10).unwrap_or(&self.commit))?;
        if let Some(branch) = &self.branch {
            write!(f, " on {branch}")?;
        }
        if self.dirty {
            f.write_str(", with uncommitted changes")?;
        }
        Ok(())
    }
}
