//! What the Compose files themselves say, before Compose merges them: its render has no trace of `env_file`, and to
//! know whether a file stands alone takes the file alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::BackendResult;
use ala_promote_core::domain::Places;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Tagged};

use super::places::lines;
use super::read;

/// How deep `extends` and `include` are followed.
const MAX_DEPTH: usize = 8;

/// One Compose file as written.
#[derive(Debug, Clone)]
pub(super) struct RawFile {
    /// Its path, absolute.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
    /// Whether it could be read as a Compose file; if not, it reads as empty.
    pub(super) understood: bool,
    /// Whether its services are the stack's; those of a file that a service only extends are not.
    is_merged: bool,
    content: Content,
}

// Fields of more than one shape are values: serde's untagged enums would see a YAML tag as a key.
#[derive(Debug, Clone, Default, Deserialize)]
struct Content {
    name: Option<String>,
    services: Option<BTreeMap<String, Option<Service>>>,
    #[serde(default)]
    include: Value,
    #[serde(default)]
    networks: Value,
    #[serde(default)]
    volumes: Value,
    #[serde(default)]
    secrets: Value,
    #[serde(default)]
    configs: Value,
}

#[derive(Debug, Clone, Deserialize)]
struct Service {
    #[serde(default = "untagged")]
    image: Tagged<Value>,
    #[serde(default = "untagged")]
    build: Tagged<Value>,
    #[serde(default)]
    extends: Value,
    #[serde(default = "untagged")]
    env_file: Tagged<Value>,
    #[serde(default = "untagged")]
    depends_on: Tagged<Value>,
    #[serde(default = "untagged")]
    links: Tagged<Value>,
    #[serde(default = "untagged")]
    networks: Tagged<Value>,
    #[serde(default = "untagged")]
    volumes: Tagged<Value>,
    #[serde(default = "untagged")]
    secrets: Tagged<Value>,
    #[serde(default = "untagged")]
    configs: Tagged<Value>,
}

fn untagged() -> Tagged<Value> {
    Tagged(Value::Null, None)
}

impl RawFile {
    /// Reads a Compose file. One that is no YAML, or of another shape, reads as empty: Compose will say so, better.
    ///
    /// # Errors
    /// `Invalid` when there is no such file.
    pub(super) fn read(path: &Path) -> BackendResult<Self> {
        let text = read::text(path, "read the Compose file")?;
        let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
        let content = serde_saphyr::from_str_with_options(&text, options);
        let understood = content.is_ok();
        let content = content.unwrap_or_default();
        Ok(Self { path: path.to_owned(), text, understood, is_merged: true, content })
    }

    /// The project's name, if the file gives one; variables not filled in.
    pub(super) fn name(&self) -> Option<&str> {
        self.content.name.as_deref()
    }

    /// Whether it has `services:` at all, or `include:`; files of the first format have neither.
    pub(super) fn has_services(&self) -> bool {
        self.content.services.is_some() || !self.content.include.is_null()
    }

    /// Its services, each with whether it has `image` or `build`, and whether it has `build`.
    pub(super) fn services(&self) -> impl Iterator<Item = (&str, bool, bool)> {
        self.content.services.iter().flatten().map(|(name, service)| {
            let service = service.as_ref();
            let build = service.is_some_and(|s| !s.build.0.is_null());
            (name.as_str(), build || service.is_some_and(|s| !s.image.0.is_null()), build)
        })
    }

    /// Whether it names a service.
    pub(super) fn has(&self, name: &str) -> bool {
        self.content.services.as_ref().is_some_and(|services| services.contains_key(name))
    }

    /// Whether it says what a service is built from. An overlay may change other things of a build.
    pub(super) fn builds(&self, name: &str) -> bool {
        self.source(name).is_some()
    }

    /// Whether it says at least by which Dockerfile: without a folder, Compose takes the file's own.
    pub(super) fn may_build(&self, name: &str) -> bool {
        let build = self.service(name).map(|service| &service.build.0);
        let names = |key: &str| build.is_some_and(|build| build.get(key).is_some());
        self.builds(name) || names("dockerfile") || names("dockerfile_inline")
    }

    /// Whether Compose could render the file by itself: each of its services has an image or something to build, and the
    /// services, networks, volumes, secrets and configs that they name are in the file, or may be in what it includes.
    pub(super) fn is_complete(&self) -> bool {
        let services = || self.content.services.iter().flatten();
        services().next().is_some()
            && services().all(|(name, service)| {
                let is_made = self.may_build(name) || self.image(name).is_some();
                is_made && service.as_ref().is_some_and(|service| self.has_all_of(service))
            })
    }

    /// Whether what a service names is in the file.
    fn has_all_of(&self, service: &Service) -> bool {
        let content = &self.content;
        if !content.include.is_null() {
            return true;
        }
        let is_needed = |name: &&str| {
            let required = service.depends_on.0.get(*name).and_then(|how| how.get("required"));
            required != Some(&Value::Bool(false))
        };
        let mut services = named(&service.depends_on.0).filter(is_needed).chain(named(&service.links.0));
        let mut networks = named(&service.networks.0).filter(|name| *name != "default");
        // What has no name is a path of the host, or filled in by a variable.
        let mut volumes = named_volumes(&service.volumes.0);
        services.all(|name| self.has(name))
            && networks.all(|name| content.networks.get(name).is_some())
            && volumes.all(|name| content.volumes.get(name).is_some())
            && named(&service.secrets.0).all(|name| content.secrets.get(name).is_some())
            && named(&service.configs.0).all(|name| content.configs.get(name).is_some())
    }

    /// Whether one of its services is made of the same thing as another file's: built from the same folder by the same file
    /// to the same target, or of the same image, whatever its tag. Variables are not filled in.
    pub(super) fn is_made_alike(&self, name: &str, other: &Self, other_name: &str) -> bool {
        let (source, image) = (self.source(name), self.image(name));
        (source.is_some() && source == other.source(other_name))
            || (image.is_some() && image == other.image(other_name))
    }

    /// Folder, Dockerfile and target of a service's build.
    fn source(&self, name: &str) -> Option<(PathBuf, PathBuf, Option<&str>)> {
        let build = &self.service(name)?.build.0;
        let text = |key: &str| build.get(key).and_then(Value::as_str);
        let context = folder(&self.path).join(build.as_str().or_else(|| text("context"))?);
        let dockerfile = context.join(text("dockerfile").unwrap_or("Dockerfile"));
        Some((context, dockerfile, text("target")))
    }

    /// A service's image without its tag.
    fn image(&self, name: &str) -> Option<&str> {
        let image = self.service(name)?.image.0.as_str()?.split('@').next()?;
        let last = image.rfind('/').map_or(0, |slash| slash + 1);
        let tag = image.get(last..)?.find(':');
        image.get(..tag.map_or(image.len(), |tag| last + tag))
    }

    fn service(&self, name: &str) -> Option<&Service> {
        self.content.services.as_ref()?.get(name)?.as_ref()
    }

    /// The line, counted from 1, where it stops being YAML; `None` when it is.
    pub(super) fn broken_line(&self) -> Option<u64> {
        let error = serde_saphyr::from_str::<IgnoredAny>(&self.text).err()?;
        Some(error.location()?.line())
    }
}

/// The Compose files of a stack and all that they extend or include.
#[derive(Debug)]
pub(super) struct RawFiles {
    /// Those given, in order.
    pub(super) files: Vec<RawFile>,
    /// Every file that was read, those given included.
    pub(super) read: Vec<RawFile>,
    /// The `env_file` paths of each service, in order, absolute; variables in them not filled in.
    pub(super) env_files: BTreeMap<String, Vec<String>>,
    /// Paths of further Compose files that were not followed, since they hold variables or lie elsewhere.
    pub(super) not_followed: Vec<String>,
}

impl RawFiles {
    /// Reads the files of a stack in `dir`.
    ///
    /// # Errors
    /// `Invalid` when one of the files given does not exist; about files that these name, Compose will complain.
    pub(super) fn read(dir: &Path, paths: &[PathBuf]) -> BackendResult<Self> {
        let files = paths.iter().map(|path| RawFile::read(path)).collect::<BackendResult<Vec<_>>>()?;
        let mut all = Self {
            files: files.clone(),
            read: Vec::new(),
            env_files: BTreeMap::new(),
            not_followed: Vec::new(),
        };
        for file in files {
            all.add(file, dir, 0);
        }
        Ok(all)
    }

    fn add(&mut self, file: RawFile, dir: &Path, depth: usize) {
        for include in file.content.include.as_array().into_iter().flatten() {
            self.add_included(include, dir, depth);
        }
        for (name, service) in file.content.services.iter().flatten() {
            let Some(service) = service else { continue };
            let mut paths = Vec::new();
            self.extended(&file, service, dir, depth, &mut paths);
            let known = self.env_files.entry(name.clone()).or_default();
            // A file over another one adds to its list, unless a tag says otherwise.
            if service.env_file.1.is_some() {
                known.clear();
            }
            for path in paths {
                if !known.contains(&path) {
                    known.push(path);
                }
            }
        }
        self.read.push(file);
    }

    fn add_included(&mut self, include: &Value, dir: &Path, depth: usize) {
        let project = include.get("project_directory").and_then(Value::as_str);
        for path in texts(include, "path") {
            if let Some(file) = self.follow(path, dir, depth) {
                let own = project.map_or_else(|| folder(&file.path), |project| dir.join(project));
                self.add(file, &own, depth + 1);
            }
        }
    }

    /// The env files of a service, those of the service that it extends first.
    fn extended(
        &mut self,
        file: &RawFile,
        service: &Service,
        dir: &Path,
        depth: usize,
        paths: &mut Vec<String>,
    ) {
        let extends = &service.extends;
        let base = extends.as_str().or_else(|| extends.get("service")?.as_str()).unwrap_or_default();
        if let Some(path) = extends.get("file").and_then(Value::as_str) {
            if let Some(other) = self.follow(path, dir, depth) {
                if let Some(base) = other.service(base) {
                    self.extended(&other, base, &folder(&other.path), depth + 1, paths);
                }
                self.read.push(RawFile { is_merged: false, ..other });
            }
        } else if let Some(base) = file.service(base).filter(|_| depth < MAX_DEPTH) {
            self.extended(file, base, dir, depth + 1, paths);
        }
        let Tagged(files, tag) = &service.env_file;
        if tag.is_some() {
            paths.clear();
        }
        if tag.as_deref() != Some("!reset") {
            paths.extend(texts(files, "path").map(|path| dir.join(path).to_string_lossy().into_owned()));
        }
    }

    /// In which lines of which files the stack's keys stand; paths are relative to `dir` where they are inside.
    pub(super) fn places(&self, dir: &Path) -> Places {
        let mut places = Places::default();
        for file in self.read.iter().filter(|file| file.is_merged) {
            let name = file.path.strip_prefix(dir).unwrap_or(&file.path).display();
            for (path, line) in lines(&file.text) {
                places.add(path, format!("{name}:{line}"));
            }
        }
        places
    }

    fn follow(&mut self, path: &str, dir: &Path, depth: usize) -> Option<RawFile> {
        if path.contains('$') || depth >= MAX_DEPTH {
            self.not_followed.push(path.to_owned());
            return None;
        }
        let file = RawFile::read(&dir.join(path)).ok();
        if file.is_none() {
            self.not_followed.push(path.to_owned());
        }
        file
    }

    /// The files whose `env_file` entries are not known, each with why.
    pub(super) fn unseen(&self) -> Vec<String> {
        let unread = self.read.iter().filter(|file| !file.understood);
        let unread =
            unread.map(|file| format!("{}: its `env_file` entries could not be read", file.path.display()));
        let passed_over = self.not_followed.iter();
        unread
            .chain(passed_over.map(|path| format!("{path}: its `env_file` entries were not looked at")))
            .collect()
    }
}

/// The texts of a text, of a list of texts or objects, or of an object: in objects, those under `key`.
fn texts<'a>(value: &'a Value, key: &'static str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
    match value {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(items) => Box::new(items.iter().flat_map(move |item| texts(item, key))),
        Value::Object(fields) => {
            Box::new(fields.get(key).into_iter().flat_map(move |field| texts(field, key)))
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// What the entries of a service's list or object name: `db` of `- db`, `- db:/data`, `db: {…}` and `- source: db`.
fn named(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::Object(entries) => Box::new(entries.keys().map(String::as_str)),
        other => Box::new(texts(other, "source").filter_map(|text| text.split(':').next())),
    }
}

/// The named volumes among the mounts of a service.
fn named_volumes(value: &Value) -> impl Iterator<Item = &str> {
    let is_volume =
        |mount: &&Value| mount.get("type").and_then(Value::as_str).unwrap_or("volume") == "volume";
    let mounts = value.as_array().into_iter().flatten().filter(is_volume);
    let sources = mounts.filter_map(|mount| match mount {
        Value::String(text) => text.split(':').next(),
        long => long.get("source").and_then(Value::as_str),
    });
    sources.filter(|name| !name.starts_with(['.', '/', '~', '$']))
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn env_files(dir: &Path, paths: &[PathBuf], service: &str) -> Vec<String> {
        let files = RawFiles::read(dir, paths).unwrap();
        let prefix = format!("{}/", dir.display());
        files.env_files[service].iter().map(|path| path.replace(&prefix, "")).collect()
    }

    #[test]
    fn lists_of_env_files_append_unless_tagged() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let base = write(
            dir,
            "a.yml",
            "services:\n  a:\n    env_file: .env\n  b:\n    env_file:\n    - one\n    - {path: two, required: false}\n",
        );
        let over = write(dir, "b.yml", "services:\n  a:\n    env_file: [.env.staging]\n  b:\n");
        let replace = write(
            dir,
            "c.yml",
            "services:\n  a: {env_file: !override [three]}\n  b:\n    env_file: !reset null\n",
        );
        assert_eq!(env_files(dir, &[base.clone(), over.clone()], "a"), [".env", ".env.staging"]);
        assert_eq!(env_files(dir, &[base.clone(), over], "b"), ["one", "two"]);
        assert_eq!(env_files(dir, &[base.clone(), replace.clone()], "a"), ["three"]);
        assert!(env_files(dir, &[base, replace], "b").is_empty());
    }

    #[test]
    fn follows_extends_and_include() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        write(dir, "sub/common.yml", "services:\n  base:\n    env_file: sub.env\n");
        write(dir, "inc/compose.yml", "services:\n  c:\n    env_file: inc.env\n");
        let main = write(
            dir,
            "compose.yml",
            "include: [inc/compose.yml, \"${X}.yml\"]\nx-e: &e\n  env_file: .env.e\nservices:\n  a:\n    extends: {file: sub/common.yml, service: base}\n    env_file: own.env\n  b:\n    extends: a\n  d:\n    <<: *e\n",
        );
        let paths = [main];
        assert_eq!(env_files(dir, &paths, "a"), ["sub/sub.env", "own.env"]);
        assert_eq!(env_files(dir, &paths, "b"), ["sub/sub.env", "own.env"]);
        assert_eq!(env_files(dir, &paths, "c"), ["inc/inc.env"]);
        assert_eq!(env_files(dir, &paths, "d"), [".env.e"]);
        assert_eq!(RawFiles::read(dir, &paths).unwrap().not_followed, ["${X}.yml"]);
    }

    #[test]
    fn places_are_in_order_of_the_files_and_of_the_stack_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        write(dir, "stack/common.yml", "services:\n  base:\n    image: x\n  other:\n    image: y\n");
        let base = write(
            dir,
            "stack/a.yml",
            "services:\n  web:\n    extends: {file: common.yml, service: base}\n    ports: []\n  other:\n    build: .\n",
        );
        let over = write(dir, "over.yml", "services:\r\n  web:\r\n    ports: []\r\n");
        let broken = write(dir, "stack/broken.yml", "services:\n  web: {\n");
        let own = dir.join("stack");
        let places = RawFiles::read(&own, &[base, over.clone(), broken]).unwrap().places(&own);
        let over = format!("{}:3", over.display());
        assert_eq!(places.of("services.web.ports"), ["a.yml:4", over.as_str()]);
        assert_eq!(places.of("services.web.image")[0], "a.yml:2", "brought in by `extends`");
        assert_eq!(places.of("services.other.image"), ["a.yml:5"], "of a file that is only extended");
    }

    #[test]
    fn a_service_that_extends_itself_ends() {
        let folder = tempfile::tempdir().unwrap();
        let main = write(folder.path(), "c.yml", "services:\n  a:\n    extends: a\n    env_file: x\n");
        assert_eq!(env_files(folder.path(), &[main], "a").last().unwrap(), "x");
    }

    #[test]
    fn tells_the_line_that_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        for (text, line) in [
            ("services:\n  a:\n    image: x\n   bad: y\n", Some(4)),
            ("services:\n  a:\n    tabs:\n\t- x\n", Some(4)),
            ("services:\n  a:\n    image: x\n", None),
        ] {
            let path = write(folder.path(), "c.yml", text);
            assert_eq!(RawFile::read(&path).unwrap().broken_line(), line, "{text}");
        }
    }

    #[test]
    fn tells_what_a_file_defines() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(
            folder.path(),
            "c.yml",
            "name: x\nservices:\n  a: {image: i}\n  b: {build: .}\n  c: {ports: []}\n  d:\n  e: {build: !reset null}\n  \
             f: {build: {context: ., args: !override {1: 2}}}\n",
        );
        let file = RawFile::read(&path).unwrap();
        assert_eq!(file.name(), Some("x"));
        let services: Vec<_> = file.services().collect();
        assert_eq!(
            services,
            [
                ("a", true, false),
                ("b", true, true),
                ("c", false, false),
                ("d", false, false),
                ("e", false, false),
                ("f", true, true)
            ]
        );
        assert!(file.has_services());
        let including = write(folder.path(), "i.yml", "include: [c.yml]\n");
        assert!(RawFile::read(&including).unwrap().has_services());
        let old = write(folder.path(), "o.yml", "a: {image: i}\n");
        assert!(!RawFile::read(&old).unwrap().has_services());
    }

    #[test]
    fn tells_what_is_made_of_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let text = "services:\n  a: {image: 'r:5/x/i:1'}\n  b: {image: 'r:5/x/i:${T:-2}'}\n  c: {image: 'r:5/x/j@sha256:0'}\n  \
                    d: {build: ./a/}\n  e: {build: {context: a, dockerfile: ./Dockerfile}}\n  f: {build: {context: a, target: t}}\n  \
                    g: {image: 'r:5/x/i'}\n  h:\n";
        let file = RawFile::read(&write(folder.path(), "c.yml", text)).unwrap();
        assert!(file.understood);
        for (one, other, alike) in [
            ("a", "b", true),
            ("a", "g", true),
            ("a", "c", false),
            ("d", "e", true),
            ("d", "f", false),
            ("d", "a", false),
            ("h", "h", false),
        ] {
            assert_eq!(file.is_made_alike(one, &file, other), alike, "{one} {other}");
        }
    }

    #[test]
    fn tells_whether_a_file_has_all_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let has = "  db: {image: pg}\nnetworks: {inner: }\nvolumes: {data: }\nsecrets: {key: {file: key}}\nconfigs: {conf: {file: conf}}\n";
        for (service, complete) in [
            ("image: x", true),
            ("build: .", true),
            ("build: {context: .}", true),
            ("build: {args: {A: b}}", false),
            ("ports: []", false),
            ("image: x, depends_on: [db], links: ['db:pg']", true),
            ("image: x, depends_on: {db: {condition: service_healthy}}", true),
            ("image: x, depends_on: !override [cache]", false),
            ("image: x, depends_on: !reset null", true),
            ("image: x, links: [cache]", false),
            ("image: x, networks: {inner: {aliases: [x]}, default: }", true),
            ("image: x, networks: [outer]", false),
            ("image: x, volumes: ['data:/data', './x:/x', '~/y:/y', '/z:/z', '/w', '${D:-./d}:/d']", true),
            (
                "image: x, volumes: [{type: volume, source: data, target: /d}, {type: tmpfs, target: /t}]",
                true,
            ),
            ("build: {dockerfile: D}", true),
            ("image: x, depends_on: {cache: {condition: service_started, required: false}}", true),
            ("image: x, volumes: [{type: bind, source: data/pg, target: /d}]", true),
            ("image: x, volumes: ['other:/data']", false),
            ("image: x, volumes: [{type: volume, source: other, target: /d}]", false),
            ("image: x, secrets: [key], configs: [{source: conf, target: /c}]", true),
            ("image: x, secrets: [other]", false),
            ("image: x, configs: [other]", false),
        ] {
            let path = write(folder.path(), "c.yml", &format!("services:\n  a: {{{service}}}\n{has}"));
            let file = RawFile::read(&path).unwrap();
            assert!(file.understood, "{service}");
            assert_eq!(file.is_complete(), complete, "{service}");
        }
    }
}
