//! Which engine is meant: the rules of the `docker` command, read from a given environment map.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::START_HINT;

/// Where Docker listens when nothing says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// A local engine's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port on a loopback address, as `host:port`.
    Loopback { host: String, port: u16 },
}

impl Endpoint {
    /// Finds it: `DOCKER_HOST`, else the context that `DOCKER_CONTEXT` or the client's config names, else the default
    /// socket.
    pub(crate) fn from_environment(environment: &BTreeMap<String, String>) -> BackendResult<Self> {
        let set = |key: &str| environment.get(key).map(String::as_str).filter(|value| !value.is_empty());
        if let Some(host) = set("DOCKER_HOST") {
            let tls = set("DOCKER_TLS_VERIFY").is_some() || set("DOCKER_TLS").is_some();
            return Self::parse(host, "DOCKER_HOST", tls);
        }
        let config_dir = set("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| Path::new(home).join(".docker")));
        let context = match (set("DOCKER_CONTEXT"), &config_dir) {
            (Some(name), _) => Some(name.to_owned()),
            (None, Some(dir)) => current_context(&dir.join("config.json"))?,
            (None, None) => None,
        };
        match (context.filter(|name| name != "default"), config_dir) {
            (Some(name), Some(dir)) => from_context(&dir, &name),
            (Some(name), None) => Err(context_missing(&name, "neither HOME nor DOCKER_CONFIG is set")),
            (None, _) => Ok(Self::Unix(DEFAULT_SOCKET.into())),
        }
    }

    fn parse(host: &str, said_by: &str, tls: bool) -> BackendResult<Self> {
        let unsupported = |why: &str| {
            Err(BackendError::new(
                BackendErrorKind::Unsupported,
                format!("use the Docker engine that {said_by} names ({})", without_user(host)),
                why,
            )
            .with_hint("run ala-promote on the host where the engine runs"))
        };
        let Some((scheme, rest)) = host.split_once("://") else {
            return Err(BackendError::new(
                BackendErrorKind::Invalid,
                format!("read {said_by}"),
                format!("`{}` has no scheme such as unix://", without_user(host)),
            ));
        };
        match scheme {
            "unix" if rest.is_empty() => Ok(Self::Unix(DEFAULT_SOCKET.into())),
            "unix" => Ok(Self::Unix(rest.into())),
            "tcp" | "http" if tls => unsupported("engines behind TLS are not supported yet"),
            "tcp" | "http" => match loopback(rest) {
                Some((host, port)) => Ok(Self::Loopback { host, port }),
                None => unsupported(
                    "engines on other hosts are not supported yet, since locks, backups and probes need the host",
                ),
            },
            "ssh" => unsupported(
                "engines reached by ssh are not supported yet, since locks, backups and probes need the host",
            ),
            _ => unsupported("only unix:// and tcp:// on a loopback address are supported"),
        }
    }

    /// As `DOCKER_HOST` has it, for child processes: they then speak to this engine whatever contexts say.
    pub(crate) fn docker_host(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix://{}", path.display()),
            Self::Loopback { host, port } => format!("tcp://{}:{port}", bracketed(host)),
        }
    }

    /// The host of a `tcp://` engine, where its published ports answer.
    pub(crate) fn tcp_host(&self) -> Option<&str> {
        match self {
            Self::Unix(_) => None,
            Self::Loopback { host, .. } => Some(host),
        }
    }

    /// Looks whether something listens, since the answer of a plain connect tells best what to mend.
    pub(crate) async fn reach(&self) -> BackendResult<()> {
        let attempt = async {
            match self {
                Self::Unix(path) => tokio::net::UnixStream::connect(path).await.map(drop),
                Self::Loopback { host, port } => {
                    tokio::net::TcpStream::connect((host.as_str(), *port)).await.map(drop)
                }
            }
        };
        let outcome = tokio::time::timeout(std::time::Duration::from_secs(10), attempt).await;
        let what = format!("reach the Docker engine at {}", self.docker_host());
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unreachable(what, error)),
            Err(_) => Err(BackendError::new(BackendErrorKind::TimedOut, what, "no connection within 10 s")),
        }
    }
}

fn unreachable(what: String, error: std::io::Error) -> BackendError {
    let (detail, hint) = match error.kind() {
        std::io::ErrorKind::PermissionDenied => (
            "this user may not use the engine's socket",
            "add the user to its group with `sudo usermod -aG docker \"$USER\"` and log in again, or run the command \
             with sudo",
        ),
        std::io::ErrorKind::NotFound => {
            ("there is no such socket; Docker is not running or not installed", START_HINT)
        }
        std::io::ErrorKind::ConnectionRefused => ("nothing listens there; Docker is not running", START_HINT),
        _ => ("the connection failed", START_HINT),
    };
    BackendError::new(BackendErrorKind::Unavailable, what, detail).with_hint(hint).with_source(error)
}

/// `host:port` if the host is this one, whatever is resolved: names other than `localhost` are not looked up.
fn loopback(authority: &str) -> Option<(String, u16)> {
    let authority = authority.trim_end_matches('/');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (authority, 2375),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_local.then(|| (host.to_owned(), port))
}

/// An address as URLs have it.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// A URL may hold a password before its `@`.
fn without_user(host: &str) -> String {
    match (host.split_once("://"), host.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => host.to_owned(),
    }
}

#[derive(Deserialize)]
struct ClientConfig {
    #[serde(rename = "currentContext", default)]
    current_context: Option<String>,
}

fn current_context(file: &Path) -> BackendResult<Option<String>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        // A user without a config, or whose config is another's, has no context: so does `docker` see it.
        Err(_) => return Ok(None),
    };
    let config: ClientConfig = serde_json::from_str(&text).map_err(|error| {
        BackendError::new(
            BackendErrorKind::Invalid,
            format!("read the Docker client's {}", file.display()),
            format!("it is not the JSON that is expected, at line {}", error.line()),
        )
    })?;
    Ok(config.current_context.filter(|name| !name.is_empty()))
}

#[derive(Deserialize)]
struct ContextMeta {
    #[serde(rename = "Endpoints", default)]
    endpoints: BTreeMap<String, ContextEndpoint>,
}

#[derive(Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// Contexts are kept under the hash of their name.
fn from_context(config_dir: &Path, name: &str) -> BackendResult<Endpoint> {
    let id = hex(&Sha256::digest(name.as_bytes()));
    let file = config_dir.join("contexts/meta").join(&id).join("meta.json");
    let text = std::fs::read_to_string(&file)
        .map_err(|_| context_missing(name, &format!("{} can't be read", file.display())))?;
    let meta: ContextMeta = serde_json::from_str(&text).map_err(|_| {
        context_missing(name, &format!("{} is not the JSON that is expected", file.display()))
    })?;
    let endpoint = meta
        .endpoints
        .get("docker")
        .ok_or_else(|| context_missing(name, "it has no endpoint named docker"))?;
    let tls = config_dir.join("contexts/tls").join(&id).join("docker").exists();
    Endpoint::parse(&endpoint.host, &format!("the Docker context `{name}`"), tls)
}

fn context_missing(name: &str, detail: &str) -> BackendError {
    BackendError::new(BackendErrorKind::Invalid, format!("use the Docker context `{name}`"), detail)
        .with_hint("see `docker context ls`, then choose one with `docker context use` or DOCKER_CONTEXT")
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn unix(path: &str) -> Endpoint {
        Endpoint::Unix(path.into())
    }

    /// A client's config folder with one context.
    fn client_config(current: &str, context: &str, host: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), format!("{{\"currentContext\":\"{current}\"}}"))
            .unwrap();
        let meta = dir.path().join("contexts/meta").join(hex(&Sha256::digest(context.as_bytes())));
        std::fs::create_dir_all(&meta).unwrap();
        let json = format!("{{\"Name\":\"{context}\",\"Endpoints\":{{\"docker\":{{\"Host\":\"{host}\"}}}}}}");
        std::fs::write(meta.join("meta.json"), json).unwrap();
        dir
    }

    #[test]
    fn follows_the_order_of_the_docker_command() {
        let dir = client_config("box", "box", "unix:///run/box.sock");
        let config = dir.path().to_str().unwrap();
        let find = |pairs: &[(&str, &str)]| Endpoint::from_environment(&environment(pairs)).unwrap();
        assert_eq!(find(&[]), unix(DEFAULT_SOCKET));
        assert_eq!(find(&[("DOCKER_CONFIG", config)]), unix("/run/box.sock"));
        assert_eq!(find(&[("DOCKER_CONFIG", config), ("DOCKER_CONTEXT", "default")]), unix(DEFAULT_SOCKET));
        let host = ("DOCKER_HOST", "unix:///run/other.sock");
        assert_eq!(
            find(&[("DOCKER_CONFIG", config), ("DOCKER_CONTEXT", "box"), host]),
            unix("/run/other.sock")
        );
        assert_eq!(find(&[("DOCKER_HOST", "")]), unix(DEFAULT_SOCKET));
        let home = tempfile::tempdir().unwrap();
        std::fs::rename(dir.path(), home.path().join(".docker")).unwrap();
        assert_eq!(find(&[("HOME", home.path().to_str().unwrap())]), unix("/run/box.sock"));
    }

    #[test]
    fn a_context_that_is_not_there_is_named() {
        let error =
            Endpoint::from_environment(&environment(&[("DOCKER_CONTEXT", "gone"), ("HOME", "/nonexistent")]))
                .unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Invalid);
        assert!(error.to_string().contains("`gone`"), "{error}");
    }

    #[test]
    fn only_local_engines() {
        for (host, expected) in [
            ("tcp://127.0.0.1:2375", Some(("127.0.0.1", 2375))),
            ("tcp://localhost", Some(("localhost", 2375))),
            ("tcp://[::1]:99", Some(("::1", 99))),
            ("tcp://127.0.0.1.example.com:2375", None),
            ("tcp://192.0.2.1:2375", None),
            ("ssh://me:secret@example.com", None),
            ("npipe:////./pipe/docker_engine", None),
        ] {
            let found = Endpoint::from_environment(&environment(&[("DOCKER_HOST", host)]));
            match expected {
                Some((host, port)) => {
                    assert_eq!(found.unwrap(), Endpoint::Loopback { host: host.into(), port });
                }
                None => {
                    let error = found.unwrap_err();
                    assert_eq!(error.kind(), BackendErrorKind::Unsupported, "{host}");
                    assert!(!error.to_string().contains("secret"), "{error}");
                }
            }
        }
        let tls = environment(&[("DOCKER_HOST", "tcp://127.0.0.1:2376"), ("DOCKER_TLS_VERIFY", "1")]);
        assert_eq!(Endpoint::from_environment(&tls).unwrap_err().kind(), BackendErrorKind::Unsupported);
    }

    #[tokio::test]
    async fn says_what_to_mend() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Endpoint::Unix(dir.path().join("docker.sock")).reach().await.unwrap_err();
        assert_eq!(missing.kind(), BackendErrorKind::Unavailable);
        assert!(missing.hint().unwrap().contains("systemctl start docker"));
        assert!(missing.to_string().contains("docker.sock"));

        let denied = unreachable("reach".into(), std::io::ErrorKind::PermissionDenied.into());
        assert!(denied.hint().unwrap().contains("usermod -aG docker"));
    }
}
