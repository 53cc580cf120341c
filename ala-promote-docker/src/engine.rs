//! One Docker engine: the client, what it speaks, and the plain requests that bollard's models would cut.

use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::ImageStoreKind;
use bollard::Docker;
use bollard::models::{SystemInfo, SystemVersion};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::connect::Endpoint;
use crate::error::engine_error;

/// How long the engine may take until its answer begins.
const TIMEOUT_S: u64 = 120;
/// Largest answer that is read whole, in bytes: an inspect is a few KiB.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// A version of the Engine API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApiVersion(pub(crate) u32, pub(crate) u32);

/// The oldest that is supported: Engine 20.10.
const OLDEST: ApiVersion = ApiVersion(1, 41);
/// The newest that is asked for: above it, an inspect no longer tells the MAC address that was configured.
const NEWEST: ApiVersion = ApiVersion(1, 51);

impl ApiVersion {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A connected engine. Holds no connection: each request opens its own, so a restarted engine is found again.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    docker: Docker,
    /// The API version that is spoken.
    pub(crate) api: ApiVersion,
    /// Its image store.
    pub(crate) store: ImageStoreKind,
    /// Its version, for people.
    pub(crate) version: String,
    /// Where it was found.
    pub(crate) endpoint: Endpoint,
}

impl Engine {
    /// Reaches the engine and agrees on a version.
    pub(crate) async fn connect(endpoint: Endpoint) -> BackendResult<Self> {
        endpoint.reach().await?;
        let what = format!("ask the Docker engine at {}", endpoint.docker_host());
        let bare = client(&endpoint).map_err(|error| engine_error(&what, error))?;
        let version = bare.version().await.map_err(|error| engine_error(&what, error))?;
        refuse_podman(&version, &what)?;
        let api = negotiate(&version, &what)?;
        let docker = with_version(bare, api);
        let info = docker.info().await.map_err(|error| engine_error(&what, error))?;
        Ok(Self {
            docker,
            api,
            store: store_kind(&info),
            version: version.version.unwrap_or_else(|| "of unknown version".to_owned()),
            endpoint,
        })
    }

    /// The client; every request carries the agreed version.
    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The client with another limit on how long an answer may take to begin.
    pub(crate) fn patient(&self, limit: Duration) -> Docker {
        self.docker.clone().with_timeout(limit)
    }

    /// A GET whose answer is kept to the letter: bollard's models drop what they don't know.
    pub(crate) async fn get_json(&self, path: &str) -> Result<serde_json::Value, bollard::errors::Error> {
        let answer = self.request("GET", path, None).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// A POST whose body is sent to the letter.
    pub(crate) async fn post_json(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value, bollard::errors::Error> {
        let answer = self.request("POST", path, Some(serde_json::to_vec(body)?.into())).await?;
        if answer.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    /// bollard has no public way to send a request of one's own, but lets each be modified: this takes the one call
    /// that gives the answer's bytes as they are, and makes it another. Should `path` be no path, the request stays
    /// what it was, one for a container that can't exist.
    async fn request(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Vec<u8>, bollard::errors::Error> {
        let path = format!("/v{}{path}", self.api);
        let docker = self.docker.clone().with_request_modifier(move |mut request| {
            if let (Some(uri), Ok(method)) = (with_path(request.uri(), &path), method.parse()) {
                *request.uri_mut() = uri;
                *request.method_mut() = method;
                *request.body_mut() = bollard::body_full(body.clone().unwrap_or_default());
            }
            request
        });
        let mut answer = docker.export_container("-");
        let mut bytes = Vec::new();
        while let Some(piece) = answer.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() > MAX_ANSWER_BYTES {
                let error = std::io::Error::other("the answer is larger than 16 MiB");
                return Err(bollard::errors::Error::IOError { err: error });
            }
        }
        Ok(bytes)
    }
}

fn client(endpoint: &Endpoint) -> Result<Docker, bollard::errors::Error> {
    // bollard puts no version into paths, so the one given here has no effect; `with_version` does it.
    match endpoint {
        Endpoint::Unix(path) => {
            Docker::connect_with_unix(&path.display().to_string(), TIMEOUT_S, bollard::API_DEFAULT_VERSION)
        }
        Endpoint::Loopback { .. } => {
            Docker::connect_with_http(&endpoint.docker_host(), TIMEOUT_S, bollard::API_DEFAULT_VERSION)
        }
    }
}

fn with_version(docker: Docker, api: ApiVersion) -> Docker {
    docker.with_request_modifier(move |mut request| {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        if let Some(uri) = with_path(request.uri(), &format!("/v{api}{path}")) {
            *request.uri_mut() = uri;
        }
        request
    })
}

/// A name as one part of a path: networks may be called anything.
pub(crate) fn in_path(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => part.push(char::from(byte)),
            _ => part.push_str(&format!("%{byte:02X}")),
        }
    }
    part
}

/// The same address with another path and query.
fn with_path<U>(uri: &U, path: &str) -> Option<U>
where
    U: std::fmt::Display + std::str::FromStr,
{
    let text = uri.to_string();
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    format!("{scheme}://{authority}{path}").parse().ok()
}

fn refuse_podman(version: &SystemVersion, what: &str) -> BackendResult<()> {
    let components = version.components.iter().flatten().map(|component| component.name.as_str());
    let platform = version.platform.iter().map(|platform| platform.name.as_str());
    if components.chain(platform).any(|name| name.to_ascii_lowercase().contains("podman")) {
        return Err(BackendError::new(
            BackendErrorKind::Unsupported,
            what,
            "this is Podman, which is not supported yet, since its API differs where containers are recreated",
        )
        .with_hint("point DOCKER_HOST at a Docker engine"));
    }
    Ok(())
}

fn negotiate(version: &SystemVersion, what: &str) -> BackendResult<ApiVersion> {
    let read = |text: &Option<String>| text.as_deref().and_then(ApiVersion::parse);
    let unsupported = |detail: String| BackendError::new(BackendErrorKind::Unsupported, what, detail);
    let Some(newest) = read(&version.api_version) else {
        return Err(unsupported("it does not say which API version it speaks".to_owned()));
    };
    if newest < OLDEST {
        return Err(unsupported(format!(
            "it speaks API {newest}; {OLDEST} (Docker 20.10) is the oldest supported"
        )));
    }
    if let Some(oldest) = read(&version.min_api_version).filter(|oldest| *oldest > NEWEST) {
        return Err(unsupported(format!(
            "it speaks API {oldest} or newer; {NEWEST} is the newest supported"
        )));
    }
    Ok(newest.min(NEWEST))
}

fn store_kind(info: &SystemInfo) -> ImageStoreKind {
    let is_containerd = info.driver_status.iter().flatten().any(|pair| {
        matches!(pair.as_slice(), [key, value] if key == "driver-type" && value == "io.containerd.snapshotter.v1")
    });
    if is_containerd { ImageStoreKind::Containerd } else { ImageStoreKind::Classic }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{SystemVersionComponents, SystemVersionPlatform};

    fn speaks(newest: &str, oldest: &str) -> SystemVersion {
        SystemVersion {
            api_version: Some(newest.into()),
            min_api_version: Some(oldest.into()),
            ..SystemVersion::default()
        }
    }

    #[test]
    fn speaks_the_newest_that_both_know() {
        let negotiated = |newest, oldest| negotiate(&speaks(newest, oldest), "ask").ok();
        assert_eq!(negotiated("1.41", "1.12"), Some(ApiVersion(1, 41)));
        assert_eq!(negotiated("1.51", "1.24"), Some(ApiVersion(1, 51)));
        assert_eq!(negotiated("1.55", "1.44"), Some(ApiVersion(1, 51)));
        assert_eq!(negotiated("1.40", "1.12"), None);
        assert_eq!(negotiated("1.60", "1.52"), None);
    }

    #[test]
    fn names_are_one_part_of_a_path() {
        assert_eq!(in_path("p_default-1.x"), "p_default-1.x");
        assert_eq!(in_path("a/b ü?"), "a%2Fb%20%C3%BC%3F");
    }

    #[test]
    fn podman_is_refused_by_either_name() {
        let component = SystemVersionComponents { name: "Podman Engine".into(), ..Default::default() };
        let by_component = SystemVersion { components: Some(vec![component]), ..SystemVersion::default() };
        let platform = SystemVersionPlatform { name: "linux/amd64/podman".into() };
        let by_platform = SystemVersion { platform: Some(platform), ..SystemVersion::default() };
        for version in [by_component, by_platform] {
            assert_eq!(refuse_podman(&version, "ask").unwrap_err().kind(), BackendErrorKind::Unsupported);
        }
        assert!(refuse_podman(&speaks("1.41", "1.12"), "ask").is_ok());
    }
}
