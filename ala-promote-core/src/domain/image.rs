//! What an image is (its identity) and how it is called (its reference). The two are never mixed up: references move.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How a registry or an engine calls an image: `repository:tag`.
///
/// ```
/// use ala_promote_core::domain::ImageReference;
/// let reference: ImageReference = "localhost:5000/ala-api:staging".parse()?;
/// assert_eq!(reference.repository(), "localhost:5000/ala-api");
/// assert_eq!(reference.tag(), "staging");
/// assert_eq!("ala-api".parse::<ImageReference>()?.to_string(), "ala-api:latest");
/// # Ok::<(), ala_promote_core::domain::ReferenceError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    repository: String,
    tag: String,
}

/// Why a string is no image reference that can be moved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("image reference `{value}` {problem}")]
#[non_exhaustive]
pub struct ReferenceError {
    /// The string.
    pub value: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ImageReference {
    /// Puts a reference together.
    ///
    /// # Errors
    /// As parsing `repository:tag` gives them.
    pub fn new(repository: &str, tag: &str) -> Result<Self, ReferenceError> {
        let fail = |problem| Err(ReferenceError { value: format!("{repository}:{tag}"), problem });
        let in_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let (registry, path) = split_registry(repository);
        if path.is_empty() || path.split('/').any(|part| part.is_empty() || !part.chars().all(in_path)) {
            return fail(
                "has a repository that is not lower-case letters, digits, `.`, `_`, `-` between slashes",
            );
        }
        if registry.is_some_and(|r| !r.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))) {
            return fail("has a registry that is no host name");
        }
        let tag_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if tag.is_empty() || tag.len() > 128 || !tag.chars().all(tag_ok) || tag.starts_with(['.', '-']) {
            return fail("has a tag that is not 1 to 128 letters, digits, `.`, `_`, `-`");
        }
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }

    /// All before the tag, registry included.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` where none was written.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether the repository says where it can be pulled from: it has a registry or an owner. One without, such as
    /// `ala-api`, was made here, or is one of Docker's own, such as `postgres`.
    #[must_use]
    pub fn has_origin(&self) -> bool {
        self.repository.contains('/') && !self.repository.starts_with("library/")
    }

    /// Whether the tag says which version it is, by number or by commit, so that moving it to another image would make
    /// it untrue.
    #[must_use]
    pub fn is_version(&self) -> bool {
        const SHORTEST_COMMIT: usize = 7;
        let tag = self.tag.strip_prefix(['v', 'V']).unwrap_or(&self.tag);
        let commit = self.tag.strip_prefix("sha-").unwrap_or(&self.tag);
        tag.starts_with(|c: char| c.is_ascii_digit())
            || (commit.len() >= SHORTEST_COMMIT && commit.chars().all(|c| c.is_ascii_hexdigit()))
    }

    /// The repository as an engine lists it: without the parts that it takes for granted.
    #[must_use]
    pub fn short_repository(&self) -> &str {
        short_repository(&self.repository)
    }

    /// Whether an engine takes both for one name, however they are spelled.
    #[must_use]
    pub fn is_same_name(&self, other: &Self) -> bool {
        self.tag == other.tag && self.short_repository() == other.short_repository()
    }

    /// The same repository under another tag.
    ///
    /// # Errors
    /// When `tag` is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        Self::new(&self.repository, tag)
    }
}

/// A repository as an engine lists it.
pub(super) fn short_repository(repository: &str) -> &str {
    let short = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|registry| repository.strip_prefix(registry))
        .unwrap_or(repository);
    // Only Docker Hub's official images live below `library/`.
    short.strip_prefix("library/").filter(|rest| !rest.contains('/')).unwrap_or(short)
}

/// The first component is a registry when it could not be a path: it has a dot or a port, or is `localhost`.
fn split_registry(repository: &str) -> (Option<&str>, &str) {
    match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, repository),
    }
}

impl std::str::FromStr for ImageReference {
    type Err = ReferenceError;
    fn from_str(value: &str) -> Result<Self, ReferenceError> {
        if value.contains('@') {
            return Err(ReferenceError {
                value: value.to_owned(),
                problem: "names a digest, which can't be moved to another image",
            });
        }
        match value.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => Self::new(repository, tag),
            _ => Self::new(value, "latest"),
        }
    }
}

impl TryFrom<String> for ImageReference {
    type Error = ReferenceError;
    fn try_from(value: String) -> Result<Self, ReferenceError> {
        value.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> String {
        reference.to_string()
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl fmt::Debug for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The id under which one engine keeps an image: `sha256:…`. On the classic store it is the digest of the image's
/// configuration, on the containerd store that of its manifest or index: comparable within one store only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(String);

impl ImageId {
    /// Takes the id as the engine's inspect gives it.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as the engine gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hex digits, as `docker images` prints them.
    #[must_use]
    pub fn short(&self) -> &str {
        let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        hex.get(..12).unwrap_or(hex)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// Which kind of store gave an [`ImageId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ImageStoreKind {
    /// Graph drivers: the id is the config digest.
    Classic,
    /// containerd: the id is the manifest or index digest.
    Containerd,
    /// A backend that is not Docker; ids mean what that backend says.
    Other,
}

/// What an image is, whatever it is called: recorded when it is tested, compared when it is promoted and after it was
/// started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIdentity {
    /// The id within `store`.
    pub id: ImageId,
    /// The kind of store that gave `id`.
    pub store: ImageStoreKind,
    /// Digests of the uncompressed layers, bottom first: the same bytes on every store.
    pub layers: Vec<String>,
    /// `os/architecture`, such as `linux/amd64`.
    pub platform: String,
    /// When the image was built, as its configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

impl ImageIdentity {
    /// Whether both are the same image of one store. Images of different stores are never said to be the same here:
    /// their ids are digests of different things.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.store == other.store && self.id == other.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_people_write() {
        for (text, repository, tag) in [
            ("ala-api", "ala-api", "latest"),
            ("ala-api:staging", "ala-api", "staging"),
            ("localhost:5000/a/b", "localhost:5000/a/b", "latest"),
            ("registry.example.com:5000/a/b:1.2", "registry.example.com:5000/a/b", "1.2"),
        ] {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!((reference.repository(), reference.tag()), (repository, tag), "{text}");
        }
        for bad in ["", "A", "a:", "a:b:c d", "a@sha256:00", "a//b", ":x", "a:-x", "a:.x"] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tells_versions_from_names_that_move() {
        for (text, version) in [
            ("team/app:1.2.3", true),
            ("team/app:v2", true),
            ("team/app:sha-0a1b2c3d", true),
            ("team/app:0a1b2c3", true),
            ("team/app:20260101-1200", true),
            ("team/app:latest", false),
            ("team/app:staging", false),
            ("team/app:facade", false),
        ] {
            assert_eq!(text.parse::<ImageReference>().unwrap().is_version(), version, "{text}");
        }
        for (text, origin) in [("ala-api", false), ("library/redis", false), ("localhost:5000/a", true)] {
            assert_eq!(text.parse::<ImageReference>().unwrap().has_origin(), origin, "{text}");
        }
    }

    #[test]
    fn names_are_compared_as_an_engine_lists_them() {
        let is_same = |a: &str, b: &str| {
            a.parse::<ImageReference>().unwrap().is_same_name(&b.parse::<ImageReference>().unwrap())
        };
        for same in ["docker.io/library/postgres", "library/postgres:latest", "index.docker.io/postgres"] {
            assert!(is_same(same, "postgres"), "{same}");
        }
        for other in ["postgres:15", "team/postgres", "registry.example.com/library/postgres"] {
            assert!(!is_same(other, "postgres"), "{other}");
        }
    }

    #[test]
    fn identity_is_not_compared_across_stores() {
        let image = ImageIdentity {
            id: ImageId::new("sha256:1"),
            store: ImageStoreKind::Classic,
            layers: vec![],
            platform: "linux/amd64".into(),
            created: None,
        };
        assert!(image.is_same(&image.clone()));
        assert!(!image.is_same(&ImageIdentity { store: ImageStoreKind::Containerd, ..image.clone() }));
    }
}
