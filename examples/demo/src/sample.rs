//! The sample stack in a folder of its own.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

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

    /// Images and projects of this copy must not meet those of another: image names are global to an engine.
    fn name_apart(&self) -> io::Result<()> {
        for file in ["docker-compose.yml", "docker-compose.staging.yml"] {
            let path = self.deployment().join(file);
            let text = fs::read_to_string(&path)?;
            let text = text.replace("ala-api:", &format!("{}-api:", self.name));
            fs::write(path, text.replace("ala-frontend:", &format!("{}-frontend:", self.name)))?;
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
            let project = self.project(environment);
            let label = format!("label=com.docker.compose.project={project}");
            for id in docker(&["ps", "-aq", "--filter", &label]).split_whitespace() {
                docker(&["rm", "-fv", id]);
            }
            docker(&["rm", "-f", &format!("ala-promote-lock-{project}")]);
            for kind in ["volume", "network"] {
                for id in docker(&[kind, "ls", "-q", "--filter", &label]).split_whitespace() {
                    docker(&[kind, "rm", id]);
                }
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
    /// Three ports that nobody on this host listens on now.
    fn free() -> io::Result<Self> {
        // All three are held at once, so that they differ.
        let bind = || TcpListener::bind(("127.0.0.1", 0));
        let (http, api, database) = (bind()?, bind()?, bind()?);
        Ok(Self {
            http: http.local_addr()?.port(),
            api: api.local_addr()?.port(),
            database: database.local_addr()?.port(),
        })
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
