//! Images as registries know them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::image::short_repository;
use super::{ImageIdentity, ImageReference, ReferenceError};

/// How many hexadecimal digits a SHA-256 has.
const DIGEST_DIGITS: usize = 64;

/// An image by what its registry has of it, `repository@sha256:…`: no push can move that to another image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryDigest {
    repository: String,
    digest: String,
}

impl RepositoryDigest {
    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Whether it is of the repository of a reference, as an engine sees it.
    #[must_use]
    pub fn is_of(&self, reference: &ImageReference) -> bool {
        short_repository(&self.repository) == reference.short_repository()
    }

    /// The digest, `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl FromStr for RepositoryDigest {
    type Err = ReferenceError;

    fn from_str(value: &str) -> Result<Self, ReferenceError> {
        let fail = |problem| ReferenceError { value: value.to_owned(), problem };
        let (repository, digest) = value.split_once('@').ok_or_else(|| fail("names no digest"))?;
        // What can be tagged is a repository.
        ImageReference::new(repository, "latest").map_err(|error| fail(error.problem))?;
        let digits = digest.strip_prefix("sha256:").unwrap_or_default();
        if digits.len() != DIGEST_DIGITS || !digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(fail("has a digest that is not `sha256:` and 64 hexadecimal digits"));
        }
        Ok(Self { repository: repository.to_owned(), digest: digest.to_owned() })
    }
}

impl TryFrom<String> for RepositoryDigest {
    type Error = ReferenceError;

    fn try_from(value: String) -> Result<Self, ReferenceError> {
        value.parse()
    }
}

impl From<RepositoryDigest> for String {
    fn from(digest: RepositoryDigest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for RepositoryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

/// What a registry is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PullSource {
    /// Whatever the tag names there now.
    Tag(ImageReference),
    /// This image and no other.
    Digest(RepositoryDigest),
}

impl fmt::Display for PullSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(reference) => reference.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// An image that came from a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledImage {
    /// What it is here.
    pub identity: ImageIdentity,
    /// What it is there; `None` where the engine can't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<RepositoryDigest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_and_checked() {
        let digits = "0123456789abcdef".repeat(4);
        let text = format!("registry.example.com:5000/team/app@sha256:{digits}");
        let digest: RepositoryDigest = text.parse().unwrap();
        assert_eq!(digest.repository(), "registry.example.com:5000/team/app");
        assert_eq!(digest.digest(), format!("sha256:{digits}"));
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{text}\""));
        for bad in
            ["team/app", "team/app@sha256:00", &format!("A@sha256:{digits}"), &format!("a@sha512:{digits}")]
        {
            assert!(bad.parse::<RepositoryDigest>().is_err(), "{bad}");
        }
    }
}
