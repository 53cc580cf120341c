//! From what `config` prints to a [`Render`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{
    Bind, BuildSpec, ImageReference, PortMapping, Render, Resource, Secret, ServiceName, ServiceSpec,
    StackRef,
};
use serde_json::Value;

use super::model::{Build, Keys, Model, Mount, Named, Port, Service, undouble};
use super::raw::RawFiles;
use super::sources;
use super::tool::Family;
use crate::scrub::Scrubber;

/// What a render is made of besides the model.
pub(super) struct Context<'a> {
    pub(super) stack: &'a StackRef,
    pub(super) family: Family,
    /// Profiles that are active; v2 has left out the services of others, v1 has not.
    pub(super) profiles: &'a [String],
    /// What stands between project and service in the name of an image that only Compose names.
    pub(super) separator: char,
    /// The `env_file` paths of each service.
    pub(super) env_files: &'a BTreeMap<String, Vec<PathBuf>>,
    /// The files themselves.
    pub(super) raw: &'a RawFiles,
    /// Keeps values out of errors.
    pub(super) scrub: &'a Scrubber,
}

impl Context<'_> {
    /// Makes the render.
    ///
    /// # Errors
    /// `Invalid` where something is named that can't be used, such as an image reference that is none.
    pub(super) fn render(&self, model: &Model, notes: Vec<String>) -> BackendResult<Render> {
        let mut services = BTreeMap::new();
        for (name, service) in &model.services {
            if self.is_active(service) {
                let name =
                    ServiceName::new(name.as_str()).map_err(|error| self.invalid(error.to_string()))?;
                let spec = self.service(&name, service, &model.volumes)?;
                services.insert(name, spec);
            }
        }
        let used = |of: fn(&ServiceSpec) -> &Vec<String>| -> BTreeSet<String> {
            services.values().flat_map(|spec| of(spec).iter().cloned()).collect()
        };
        let networks = self.resources(used(|spec| &spec.networks), &model.networks);
        let volumes = self.resources(used(|spec| &spec.volumes), &model.volumes);
        Ok(Render {
            stack: self.stack.clone(),
            services,
            networks,
            volumes,
            places: self.raw.places(&self.stack.dir),
            notes,
        })
    }

    fn invalid(&self, detail: String) -> BackendError {
        let detail = self.scrub.scrub(&detail);
        BackendError::new(BackendErrorKind::Invalid, format!("render {}", self.stack.environment), detail)
    }

    fn is_active(&self, service: &Service) -> bool {
        service.profiles.is_empty()
            || service.profiles.iter().any(|p| self.profiles.contains(p))
            || self.profiles.iter().any(|p| p == "*")
            || self.family == Family::Two
    }

    fn service(
        &self,
        name: &ServiceName,
        service: &Service,
        volumes: &BTreeMap<String, Option<Named>>,
    ) -> BackendResult<ServiceSpec> {
        let network_mode = text(&service.network_mode);
        let networks: Vec<String> = service.networks.iter().map(|(key, _)| key.to_owned()).collect();
        let default = networks.is_empty() && network_mode.is_none();
        let (volumes, binds) = mounts(&service.volumes, volumes, &self.stack.dir);
        let build = service.build.as_ref().map(|build| build_spec(build, &self.stack.dir));
        let root = build.as_ref().and_then(|build| build.settings.get("context"));
        let root = root.map_or(self.stack.dir.as_path(), |context| Path::new(context.reveal()));
        Ok(ServiceSpec {
            image: self.image(name, service)?,
            ports: self.ports(name, &service.ports)?,
            container_name: text(&service.container_name),
            networks: if default { vec!["default".into()] } else { networks },
            volumes,
            source_binds: sources::within(root, binds.iter().map(|bind| bind.source.as_path())),
            binds,
            build,
            environment: service
                .environment
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), Secret::new(value.as_ref()?.0.clone()))))
                .collect(),
            env_files: self.env_files.get(name.as_str()).cloned().unwrap_or_default(),
            depends_on: self.depends_on(&service.depends_on)?,
            restart: text(&service.restart),
            healthcheck: has_healthcheck(service),
            replicas: service
                .scale
                .or_else(|| service.deploy.as_ref().and_then(|deploy| deploy.replicas))
                .unwrap_or(1),
            network_mode,
        })
    }

    fn image(&self, name: &ServiceName, service: &Service) -> BackendResult<Option<ImageReference>> {
        let reference = match (&service.image, &service.build) {
            (Some(image), _) => image.0.clone(),
            (None, Some(_)) => format!("{}{}{name}", self.prefix(), self.separator),
            (None, None) => {
                return Err(self
                    .invalid(format!("service `{name}` has neither `image` nor `build`"))
                    .with_hint(format!("give `{name}` one of them, or take it out")));
            }
        };
        if reference.contains('@') {
            return Ok(None);
        }
        reference.parse().map(Some).map_err(|error| self.invalid(format!("service `{name}`: {error}")))
    }

    fn ports(&self, name: &ServiceName, ports: &[Port]) -> BackendResult<Vec<PortMapping>> {
        let mut all = ports
            .iter()
            .map(|port| {
                mapping(port).ok_or_else(|| self.invalid(format!("service `{name}`: a port can't be read")))
            })
            .collect::<BackendResult<Vec<_>>>()?;
        all.sort();
        all.dedup();
        Ok(all)
    }

    fn depends_on(
        &self,
        depends: &Keys<super::model::Dependency>,
    ) -> BackendResult<BTreeMap<ServiceName, String>> {
        let pair = |(key, value): (&str, Option<&super::model::Dependency>)| {
            let name = ServiceName::new(key).map_err(|error| self.invalid(error.to_string()))?;
            let condition = value.and_then(|dependency| dependency.condition.clone());
            Ok((name, condition.unwrap_or_else(|| "service_started".into())))
        };
        depends.iter().map(pair).collect()
    }

    /// The networks or volumes that are used, under the names that the engine knows.
    fn resources(
        &self,
        used: BTreeSet<String>,
        declared: &BTreeMap<String, Option<Named>>,
    ) -> BTreeMap<String, Resource> {
        let resource = |key: String| {
            let named = declared.get(&key).and_then(Option::as_ref);
            let external = named.is_some_and(|n| matches!(n.external, Value::Bool(true) | Value::Object(_)));
            let old_name = named.and_then(|n| n.external.get("name")).and_then(Value::as_str);
            let name = named
                .and_then(|n| n.name.as_ref())
                .map(|name| name.0.clone())
                .or_else(|| old_name.map(str::to_owned))
                .unwrap_or_else(|| match external {
                    true => key.clone(),
                    false => format!("{}_{key}", self.prefix()),
                });
            (key, Resource { name, external })
        };
        used.into_iter().map(resource).collect()
    }

    /// The project, as it begins other names.
    fn prefix(&self) -> &str {
        let project = self.stack.project.as_str();
        match self.family {
            Family::One => project.trim_start_matches(['_', '-']),
            Family::Two => project,
        }
    }
}

fn text(text: &Option<super::model::Text>) -> Option<String> {
    text.as_ref().map(|text| text.0.clone())
}

fn has_healthcheck(service: &Service) -> bool {
    let none = |test: &Value| match test {
        Value::Array(words) => words.first().is_some_and(|word| word == "NONE"),
        other => other == "NONE",
    };
    service.healthcheck.as_ref().is_some_and(|check| !check.disable && !none(&check.test))
}

/// Keys of named volumes, and host paths, those included that are volumes by a driver's options. Anonymous volumes and
/// tmpfs have neither.
fn mounts(
    mounts: &[Mount],
    declared: &BTreeMap<String, Option<Named>>,
    dir: &Path,
) -> (Vec<String>, Vec<Bind>) {
    let mut volumes = BTreeSet::new();
    let mut binds = BTreeSet::new();
    for mount in mounts {
        let (source, target, kind, read_only) = match mount {
            Mount::Long { kind, source: Some(source), target, read_only } => {
                (source.as_str(), target.as_deref().unwrap_or_default(), kind.as_str(), *read_only)
            }
            // Without a second part it is the target of an anonymous volume.
            Mount::Short(text) => match text.split_once(':') {
                Some((source, rest)) => {
                    let (target, options) = rest.split_once(':').unwrap_or((rest, ""));
                    let kind = if source.starts_with(['/', '.', '~']) { "bind" } else { "volume" };
                    (source, target, kind, options.split(',').any(|option| option == "ro"))
                }
                None => continue,
            },
            Mount::Long { source: None, .. } => continue,
        };
        let folder = match kind {
            "volume" => {
                volumes.insert(source.to_owned());
                declared.get(source).and_then(Option::as_ref).and_then(Named::folder)
            }
            "bind" => Some(source),
            _ => None,
        };
        if let Some(folder) = folder {
            let path = dir.join(folder.replace("$$", "$"));
            let source = path.canonicalize().unwrap_or(path);
            let is_folder = source.metadata().map_or(true, |found| found.is_dir());
            binds.insert(Bind { source, target: target.replace("$$", "$"), read_only, is_folder });
        }
    }
    (volumes.into_iter().collect(), binds.into_iter().collect())
}

pub(super) fn mapping(port: &Port) -> Option<PortMapping> {
    match port {
        Port::Long { host_ip, target, published, protocol } => Some(PortMapping {
            host_ip: address(host_ip.as_deref()),
            published: published.as_ref().and_then(|published| host_port(&scalar(published))),
            target: scalar(target).parse().ok()?,
            protocol: protocol.clone().unwrap_or_else(|| "tcp".into()),
        }),
        Port::Short(text) => {
            let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            // From the right: an IPv6 address has colons of its own.
            let mut parts = ports.rsplitn(3, ':');
            let target = parts.next()?.parse().ok()?;
            let published = parts.next().and_then(host_port);
            let host_ip = address(parts.next().map(|ip| ip.trim_matches(['[', ']'])));
            Some(PortMapping { host_ip, published, target, protocol: protocol.to_owned() })
        }
    }
}

/// A number or text as text.
fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The host's port; `None` where the engine chooses one, of all or of a range.
fn host_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

/// `0.0.0.0` is what is meant when nothing is said.
fn address(ip: Option<&str>) -> Option<String> {
    ip.filter(|ip| !ip.is_empty() && *ip != "0.0.0.0").map(str::to_owned)
}

fn build_spec(build: &Build, dir: &Path) -> BuildSpec {
    let mut settings = BTreeMap::new();
    for (key, value) in &build.args {
        if let Some(value) = value {
            settings.insert(format!("args.{key}"), Secret::new(value.0.clone()));
        }
    }
    for (key, value) in &build.others {
        let value = match undouble(value) {
            Value::Null => continue,
            Value::String(text) if key == "context" => context(&text, dir),
            Value::String(text) => text,
            // Keys of a `serde_json` map are sorted, so equal values have equal texts.
            other => other.to_string(),
        };
        settings.insert(key.clone(), Secret::new(value));
    }
    if !settings.contains_key("dockerfile_inline") {
        settings.entry("dockerfile".into()).or_insert_with(|| Secret::new("Dockerfile"));
    }
    BuildSpec { settings }
}

/// A context in one spelling: absolute and without links where it is a folder, as it is where it is an address.
fn context(text: &str, dir: &Path) -> String {
    let path = dir.join(text);
    path.canonicalize().map_or_else(|_| text.to_owned(), |path| path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(published: &str) -> Port {
        serde_json::from_str(&format!(r#"{{"target": 80, "published": {published}, "protocol": "tcp"}}"#))
            .unwrap()
    }

    fn short(text: &str) -> Port {
        Port::Short(text.into())
    }

    fn shown(port: &Port) -> String {
        let port = mapping(port).unwrap();
        format!("{:?} {:?} {} {}", port.host_ip, port.published, port.target, port.protocol)
    }

    #[test]
    fn reads_ports_of_all_forms() {
        assert_eq!(shown(&long("\"8080\"")), "None Some(8080) 80 tcp");
        assert_eq!(shown(&long("8080")), "None Some(8080) 80 tcp");
        assert_eq!(shown(&long("\"8000-9000\"")), "None None 80 tcp");
        assert_eq!(shown(&long("null")), "None None 80 tcp");
        assert_eq!(shown(&short("127.0.0.1:9000:90/udp")), "Some(\"127.0.0.1\") Some(9000) 90 udp");
        assert_eq!(shown(&short("::1:6000:6000/tcp")), "Some(\"::1\") Some(6000) 6000 tcp");
        assert_eq!(shown(&short("0.0.0.0:1:2")), "None Some(1) 2 tcp");
        assert_eq!(shown(&short("127.0.0.1::90")), "Some(\"127.0.0.1\") None 90 tcp");
        assert_eq!(shown(&short("80")), "None None 80 tcp");
        assert!(mapping(&short("x:y")).is_none());
    }

    #[test]
    fn reads_mounts_of_all_forms() {
        let texts = ["data:/data:rw", "/abs:/abs", "/anon", "./rel:/rel:ro"];
        let mut all: Vec<Mount> = texts.iter().map(|t| Mount::Short((*t).into())).collect();
        let long = |kind: &str, source: Option<&str>| Mount::Long {
            kind: kind.into(),
            source: source.map(ToOwned::to_owned),
            target: Some("/t".into()),
            read_only: true,
        };
        all.extend([long("volume", Some("data2")), long("volume", None), long("tmpfs", None)]);
        all.push(long("bind", Some("/long")));
        let device = serde_json::json!({ "data": { "driver_opts": { "o": "bind", "device": "/disk" } } });
        let declared = serde_json::from_value(device).unwrap();
        let (volumes, binds) = mounts(&all, &declared, Path::new("/srv"));
        assert_eq!(volumes, ["data", "data2"]);
        let seen: Vec<_> =
            binds.iter().map(|b| (b.source.to_str().unwrap(), b.target.as_str(), b.read_only)).collect();
        let expected = [
            ("/abs", "/abs", false),
            ("/disk", "/data", false),
            ("/long", "/t", true),
            ("/srv/./rel", "/rel", true),
        ];
        assert_eq!(seen, expected);
    }
}
