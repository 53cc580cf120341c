//! Engines to test on, and a stage on each that is cleared when it is dropped.
//!
//! The engine of the environment (`DOCKER_HOST` and so on) is one. `ALA_PROMOTE_TEST_ENGINES` names further ones, one a
//! line or separated by `;`, each as `docker_host|docker_config|path|address`: where it listens, the client's config
//! folder (for its Compose plugin), the folder of its `docker`, searched before the `PATH`, and the address where its published ports
//! answer. Empty fields are those of the environment. Where no engine answers, tests say so and pass, but with `CI=true`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ala_promote_core::backend::Clock;
use ala_promote_core::domain::{ImageId, ImageReference, ProjectName, ServiceName, StackRef};
use ala_promote_docker::{DockerBackend, DockerOptions};
use async_trait::async_trait;
use jiff::Timestamp;

/// One engine and how to speak to it.
#[derive(Debug, Clone)]
pub(crate) struct TestEngine {
    pub(crate) name: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) address: String,
    /// Whether its published ports answer at 127.0.0.1 of this host.
    pub(crate) is_here: bool,
    compose: Vec<String>,
}

/// All engines that answer.
pub(crate) fn engines() -> Vec<TestEngine> {
    let mut found: Vec<TestEngine> = Vec::new();
    let listed = std::env::var("ALA_PROMOTE_TEST_ENGINES").unwrap_or_default();
    let lines =
        std::iter::once("|||").chain(listed.split(['\n', ';']).filter(|line| !line.trim().is_empty()));
    for line in lines {
        match TestEngine::new(line.trim()) {
            Some(engine) if found.iter().all(|other| other.name != engine.name) => found.push(engine),
            Some(_) => {}
            None => skip(&format!("no engine answers at `{line}`")),
        }
    }
    found
}

/// Runs a scenario on every engine at once.
pub(crate) fn on_every_engine(scenario: impl AsyncFn(&TestEngine) + Sync) {
    side_by_side(&engines(), |engine| block_on(scenario(engine)));
}

pub(crate) fn side_by_side<T: Sync, R: Send>(parts: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = parts.iter().map(|part| scope.spawn(move || run(part))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// On a runtime of this thread's own: tests wait for the Docker client without letting others go on.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Says what is not tested; in CI everything is.
pub(crate) fn skip(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "in CI nothing is skipped: {why}");
    eprintln!("SKIPPED: {why}");
}

impl TestEngine {
    fn new(line: &str) -> Option<Self> {
        let mut fields = line.split('|').map(str::trim);
        let mut field = || fields.next().filter(|field| !field.is_empty());
        let (host, config, path, address) = (field(), field(), field(), field());
        let mut environment: BTreeMap<String, String> = std::env::vars().collect();
        environment.remove("ALA_PROMOTE_TEST_ENGINES");
        let usual = environment.get("PATH").cloned().unwrap_or_default();
        let path = path.map(|folder| format!("{folder}:{usual}"));
        for (key, value) in [("DOCKER_HOST", host), ("DOCKER_CONFIG", config), ("PATH", path.as_deref())] {
            if let Some(value) = value {
                environment.insert(key.to_owned(), value.to_owned());
            }
        }
        if let Some(address) = address {
            environment.insert("ALA_PROMOTE_ENGINE_ADDRESS".to_owned(), address.to_owned());
        }
        let address = environment.get("ALA_PROMOTE_ENGINE_ADDRESS").cloned();
        let mut engine = Self {
            name: String::new(),
            environment,
            is_here: address.is_none(),
            address: address.unwrap_or_else(|| "127.0.0.1".to_owned()),
            compose: Vec::new(),
        };
        let version = engine.try_docker(&["version", "--format", "{{.Server.Version}}"]);
        if !version.status.success() {
            return None;
        }
        let id = engine.docker(&["info", "--format", "{{.ID}}"]);
        engine.name = format!("{} ({id})", String::from_utf8_lossy(&version.stdout).trim());
        let plugin = engine.try_docker(&["compose", "version"]).status.success();
        let compose: &[&str] = if plugin { &["docker", "compose"] } else { &["docker-compose"] };
        engine.compose = compose.iter().map(|word| (*word).to_owned()).collect();
        Some(engine)
    }

    pub(crate) fn options(&self) -> DockerOptions {
        DockerOptions::new(self.environment.clone())
    }

    pub(crate) async fn backend(&self) -> DockerBackend {
        DockerBackend::connect(self.options()).await.unwrap()
    }

    /// Runs `docker`; panics when it fails.
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        checked(self.try_docker(args), args)
    }

    pub(crate) fn try_docker(&self, args: &[&str]) -> Output {
        self.docker_command(args).output().unwrap()
    }

    pub(crate) fn docker_command(&self, args: &[&str]) -> Command {
        self.command(&["docker".to_owned()], args)
    }

    /// The command line of this engine's Compose, for those who want to kill it.
    pub(crate) fn compose_command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = self.command(&self.compose, args);
        command.current_dir(dir);
        command
    }

    /// A program that is in the engine's network, which may not be ours.
    pub(crate) fn beside(&self, program: &str) -> Command {
        if self.is_here {
            return Command::new(program);
        }
        let socket = self.environment["DOCKER_HOST"].trim_start_matches("unix://");
        let pid = std::fs::read_to_string(Path::new(socket).with_file_name("docker.pid")).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", pid.trim(), program]);
        command
    }

    fn command(&self, program: &[String], args: &[&str]) -> Command {
        let path = self.environment.get("PATH").map(String::as_str).unwrap_or_default();
        let first = path.split(':').map(|dir| Path::new(dir).join(&program[0])).find(|file| file.exists());
        let mut command = Command::new(first.unwrap_or_else(|| PathBuf::from(&program[0])));
        command.args(&program[1..]).args(args).env_clear().envs(&self.environment).stdin(Stdio::null());
        command
    }
}

fn checked(output: Output, args: &[&str]) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Names and a folder of one test's own on one engine. Dropped, all that has them is removed.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) engine: TestEngine,
    /// Begins every name on the engine.
    pub(crate) prefix: String,
    pub(crate) dir: tempfile::TempDir,
    /// The ids of images that were made here: one may have no name any more.
    images: Mutex<Vec<String>>,
}

static STAGES: AtomicU32 = AtomicU32::new(0);

impl Stage {
    pub(crate) fn new(engine: &TestEngine) -> Self {
        eprintln!("on Docker Engine {}", engine.name);
        let number = STAGES.fetch_add(1, Ordering::Relaxed);
        // No prefix is the beginning of another one: what is cleaned up is found by it.
        let prefix = format!("alat{}x{number:03}", std::process::id());
        Self { engine: engine.clone(), prefix, dir: tempfile::tempdir().unwrap(), images: Mutex::default() }
    }

    pub(crate) fn project(&self) -> ProjectName {
        ProjectName::new(self.prefix.clone()).unwrap()
    }

    pub(crate) fn stack(&self) -> StackRef {
        StackRef {
            environment: "production".parse().unwrap(),
            project: self.project(),
            dir: self.dir.path().to_owned(),
            files: vec![self.dir.path().join("docker-compose.yml")],
            env_file: None,
            service_env_files: BTreeMap::new(),
            changes: Vec::new(),
            derived_file: None,
        }
    }

    /// Eight characters that no other stage has.
    pub(crate) fn unique8(&self) -> String {
        let (process, number) = self.prefix.trim_start_matches("alat").split_once('x').unwrap();
        format!("{:05x}{:03x}", process.parse::<u32>().unwrap(), number.parse::<u32>().unwrap())
    }

    /// The first three numbers of a network of this stage's own.
    pub(crate) fn subnet(&self) -> String {
        let (process, number) = self.prefix.trim_start_matches("alat").split_once('x').unwrap();
        format!("10.{}.{}", 100 + process.parse::<u32>().unwrap() % 100, number.parse::<u32>().unwrap() % 250)
    }

    /// A reference of this stage's own.
    pub(crate) fn reference(&self, tag: &str) -> ImageReference {
        format!("{}-app:{tag}", self.prefix).parse().unwrap()
    }

    /// An image with busybox in it that differs from others by `version`, and more as `docker import --change` says.
    pub(crate) fn image(&self, reference: &ImageReference, version: &str, changes: &[&str]) -> ImageId {
        let root = self.dir.path().join(format!("root-{version}"));
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::create_dir_all(root.join("tmp")).unwrap();
        std::fs::create_dir_all(root.join("www")).unwrap();
        std::fs::write(root.join("www/index.html"), version).unwrap();
        std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        for applet in
            ["sh", "sleep", "httpd", "cat", "echo", "nc", "nslookup", "true", "false", "test", "env"]
        {
            let _ = std::os::unix::fs::symlink("busybox", root.join("bin").join(applet));
        }
        let tar = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).output().unwrap();
        assert!(tar.status.success());
        let name = reference.to_string();
        let mut args = vec!["import"];
        let version = format!("LABEL version={version}");
        for change in [&["ENV PATH=/bin", version.as_str()], changes].concat() {
            args.extend(["--change", change]);
        }
        args.extend(["-", name.as_str()]);
        let mut command = self.engine.docker_command(&args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&tar.stdout).unwrap();
        let id = checked(child.wait_with_output().unwrap(), &args);
        self.images.lock().unwrap().push(id.clone());
        ImageId::new(id)
    }

    /// Writes the Compose file.
    pub(crate) fn compose_file(&self, text: &str) {
        std::fs::write(self.dir.path().join("docker-compose.yml"), text).unwrap();
    }

    /// Runs Compose on the stage's project.
    pub(crate) fn compose(&self, args: &[&str]) -> String {
        checked(self.compose_command(args).output().unwrap(), args)
    }

    pub(crate) fn compose_command(&self, args: &[&str]) -> Command {
        let args = [&["-p", &self.prefix], args].concat();
        self.engine.compose_command(self.dir.path(), &args)
    }

    /// The ids of a service's containers, stopped ones included.
    pub(crate) fn ids(&self, service: &str) -> Vec<String> {
        let project = format!("label=com.docker.compose.project={}", self.prefix);
        let service = format!("label=com.docker.compose.service={service}");
        let listed =
            self.engine.docker(&["ps", "-aq", "--no-trunc", "--filter", &project, "--filter", &service]);
        listed.lines().map(str::to_owned).collect()
    }

    /// The id of a service's one container.
    pub(crate) fn id(&self, service: &str) -> String {
        let ids = self.ids(service);
        assert_eq!(ids.len(), 1, "containers of {service}");
        ids.into_iter().next().unwrap()
    }

    /// What a command prints inside a container.
    pub(crate) fn exec(&self, id: &str, command: &[&str]) -> String {
        self.engine.docker(&[&["exec", id], command].concat())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let list = |args: &[&str]| {
            let output = self.engine.try_docker(args);
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let remove = |verb: &[&str], names: Vec<String>| {
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.engine.try_docker(&[verb, &names].concat());
            }
        };
        let named = format!("name={}", self.prefix);
        // By name or project, whichever is the stage's.
        let ours = |line: &String| line.contains(&self.prefix);
        let containers = list(&["ps", "-a", "--format", "{{.ID}} {{.Names}} {{.Labels}}"]);
        let id = |line: String| line.split(' ').next().map(str::to_owned);
        remove(&["rm", "-fv"], containers.into_iter().filter(ours).filter_map(id).collect());
        remove(&["volume", "rm"], list(&["volume", "ls", "-q", "--filter", &named]));
        remove(&["network", "rm"], list(&["network", "ls", "-q", "--filter", &named]));
        let images = list(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
        let mut images: Vec<_> = images.into_iter().filter(ours).collect();
        images.append(self.images.get_mut().unwrap());
        remove(&["rmi", "-f"], images);
    }
}

pub(crate) fn free_port() -> u16 {
    ala_promote_testkit::free_port().unwrap()
}

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !check() {
        assert!(Instant::now() < deadline, "not within 120 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Time as it is.
#[derive(Debug)]
pub(crate) struct RealClock;

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
