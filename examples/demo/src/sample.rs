//! The sample stack in a folder of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ala_promote_testkit::free_port;

use crate::EngineEnv;
use crate::engine::text;

/// Which environment of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// `staging`.
    Staging,
    /// `production`.
    Production,
}

/// Host ports of one environment.
#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    tls: u16,
    api: u16,
    database: u16,
}

/// The sample stack in a folder of its own, with image names, project names and ports of its own. What it left on the
/// engine is removed when it is dropped.
#[derive(Debug)]
pub struct Sample {
    folder: tempfile::TempDir,
    engine: EngineEnv,
    name: String,
    staging: Ports,
    production: Ports,
}

impl Sample {
    /// Copies the sample, and makes it a Git repository with one commit and an upstream beside it.
    ///
    /// # Errors
    /// Its images can't be built here, or its folder can't be written.
    pub fn create(engine: &EngineEnv) -> io::Result<Self> {
        Self::copied(engine, "deployment")
    }

    /// The same with the Compose files of the workflow document, whose shape is refused.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn in_document_shape(engine: &EngineEnv) -> io::Result<Self> {
        Self::copied(engine, "document-shape")
    }

    fn copied(engine: &EngineEnv, deployment: &str) -> io::Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ala-medical");
        let output = engine.command("bash").arg(source.join("build-images")).output()?;
        text(&output, "examples/ala-medical/build-images")?;

        let name = format!("ala{}x{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::Builder::new().prefix("ala-promote-").tempdir()?;
        let sample = Self {
            staging: Ports::free()?,
            production: Ports::free()?,
            folder,
            engine: engine.clone(),
            name,
        };
        copy(&source, &sample.root())?;
        copy(&source.join(deployment), &sample.deployment())?;
        sample.name_apart()?;
        sample.write_env_files()?;
        sample.git(&["init", "-q", "-b", "main"])?;
        sample.git(&["init", "-q", "--bare", "../origin.git"])?;
        sample.git(&["remote", "add", "origin", "../origin.git"])?;
        sample.commit("first")?;
        Ok(sample)
    }

    /// The engine that it is for.
    #[must_use]
    pub fn engine(&self) -> &EngineEnv {
        &self.engine
    }

    /// The name that its projects and images begin with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The root of the repository.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// The folder with the Compose files, where the scripts are called.
    #[must_use]
    pub fn deployment(&self) -> PathBuf {
        self.root().join("deployment")
    }

    /// The Compose project of an environment.
    #[must_use]
    pub fn project(&self, environment: Environment) -> String {
        match environment {
            Environment::Staging => format!("{}-staging", self.name),
            Environment::Production => self.name.clone(),
        }
    }

    /// The address of an environment's HTTP API.
    #[must_use]
    pub fn api(&self, environment: Environment) -> String {
        format!("http://{}:{}/api", self.engine.address, self.ports(environment).api)
    }

    /// The host ports of an environment: HTTP, HTTPS (in the document's shape alone), API, database.
    #[must_use]
    pub fn host_ports(&self, environment: Environment) -> [u16; 4] {
        let ports = self.ports(environment);
        [ports.http, ports.tls, ports.api, ports.database]
    }

    /// The host port of an environment's HTTP API.
    #[must_use]
    pub fn api_port(&self, environment: Environment) -> u16 {
        self.ports(environment).api
    }

    fn ports(&self, environment: Environment) -> Ports {
        match environment {
            Environment::Staging => self.staging,
            Environment::Production => self.production,
        }
    }

    /// Commits a new release; one whose version has the word `broken` is unhealthy in production alone.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn release(&self, version: &str) -> io::Result<()> {
        for part in ["backend", "frontend"] {
            fs::write(self.root().join(part).join("VERSION"), format!("{version}\n"))?;
        }
        self.commit(version)
    }

    /// Commits all that changed, and pushes it.
    ///
    /// # Errors
    /// Git fails.
    pub fn commit(&self, message: &str) -> io::Result<()> {
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "--allow-empty", "-m", message])?;
        self.git(&["push", "-q", "-u", "origin", "main"])
    }

    fn git(&self, arguments: &[&str]) -> io::Result<()> {
        let identity = ["-c", "user.name=sample", "-c", "user.email=sample@example.com"];
        let mut command = self.engine.command("git");
        let output = command.current_dir(self.root()).args(identity).args(arguments).output()?;
        text(&output, &format!("git {}", arguments.join(" "))).map(drop)
    }

    /// Images, containers and ports of this copy must not meet those of another: they are global to an engine.
    fn name_apart(&self) -> io::Result<()> {
        let files = [
            ("docker-compose.yml", Environment::Production),
            ("docker-compose.staging.yml", Environment::Staging),
        ];
        for (file, environment) in files {
            let path = self.deployment().join(file);
            let mut text = fs::read_to_string(&path)?;
            for part in ["image: ala-api:", "image: ala-frontend:", "container_name: ala-"] {
                text = text.replace(part, &part.replace("ala-", &format!("{}-", self.name)));
            }
            fs::write(path, self.ports(environment).in_place_of_literals(&text))?;
        }
        fs::write(self.root().join(".gitignore"), ".env\n.env.staging\n.ala-promote/\n/backups/\ntarget/\n")
    }

    fn write_env_files(&self) -> io::Result<()> {
        let files = [
            (".env.template", ".env", Environment::Production),
            (".env.staging.template", ".env.staging", Environment::Staging),
        ];
        for (template, file, environment) in files {
            let ports = self.ports(environment);
            let lines = fs::read_to_string(self.deployment().join(template))?;
            let lines = lines.lines().map(|line| match line.split_once('=') {
                Some(("HTTP_PORT", _)) => format!("HTTP_PORT={}", ports.http),
                Some(("API_PORT", _)) => format!("API_PORT={}", ports.api),
                Some(("DB_PORT", _)) => format!("DB_PORT={}", ports.database),
                _ => line.to_owned(),
            });
            let mut text: String = lines.map(|line| line + "\n").collect();
            text.push_str(&format!("COMPOSE_PROJECT_NAME={}\n", self.project(environment)));
            fs::write(self.deployment().join(file), text)?;
        }
        Ok(())
    }

    /// Removes what it left on the engine; says nothing of what can't be removed.
    fn remove(&self) {
        let docker = |arguments: &[&str]| self.engine.docker(arguments).unwrap_or_default();
        for environment in [Environment::Staging, Environment::Production] {
            docker(&["rm", "-f", &format!("ala-promote-lock-{}", self.project(environment))]);
        }
        // A test may have started it under a project name of its own, too.
        let own = |listed: &str| -> Vec<String> {
            let objects = listed.lines().filter_map(|line| line.split_once(' '));
            let is_own =
                |project: &str| project == self.name || project.starts_with(&format!("{}-", self.name));
            objects.filter(|(project, _)| is_own(project)).map(|(_, id)| id.to_owned()).collect()
        };
        let format = |id: &str| format!("{{{{.Label \"com.docker.compose.project\"}}}} {{{{.{id}}}}}");
        for id in own(&docker(&["ps", "-a", "--format", &format("ID")])) {
            docker(&["rm", "-fv", &id]);
        }
        for (kind, id) in [("volume", "Name"), ("network", "ID")] {
            for id in own(&docker(&[kind, "ls", "--format", &format(id)])) {
                docker(&[kind, "rm", &id]);
            }
        }
        for part in ["api", "frontend"] {
            let repository = format!("{}-{part}", self.name);
            let format = "{{.Repository}}:{{.Tag}}";
            for reference in docker(&["images", "--format", format, &repository]).split_whitespace() {
                docker(&["rmi", "-f", reference]);
            }
        }
        let folder = format!("label=ala-promote.ledger.dir={}", self.deployment().display());
        for id in docker(&["volume", "ls", "-q", "--filter", &folder]).split_whitespace() {
            docker(&["volume", "rm", id]);
        }
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Ports {
    /// Ports that nobody on this host listens on now.
    fn free() -> io::Result<Self> {
        Ok(Self { http: free_port()?, tls: free_port()?, api: free_port()?, database: free_port()? })
    }

    /// Puts them where a Compose file maps a port without a variable.
    fn in_place_of_literals(self, compose: &str) -> String {
        let host = |target: &str| match target {
            "80" => Some(self.http),
            "443" => Some(self.tls),
            "5000" => Some(self.api),
            "5432" => Some(self.database),
            _ => None,
        };
        let line = |line: &str| {
            let (before, mapping) = line.split_once("- \"")?;
            let (published, target) = mapping.trim_end_matches('"').split_once(':')?;
            published.parse::<u16>().ok()?;
            Some(format!("{before}- \"{}:{target}\"", host(target)?))
        };
        compose.lines().map(|text| line(text).unwrap_or_else(|| text.to_owned()) + "\n").collect()
    }
}

/// Copies a folder, without what building it leaves behind.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" && entry.file_name() != "document-shape" {
                copy(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
