//! The smallest stack there is: one web server, in staging and production.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ala_promote_demo::EngineEnv;
use ala_promote_testkit::free_port;

use crate::engines;

const BUSYBOX: &str = "/bin/busybox";
/// A promotion takes seconds; a machine at work on other things takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The stack in a folder of its own. What it left on the engine is removed when it is dropped.
pub(crate) struct Stack<'a> {
    engine: &'a EngineEnv,
    folder: tempfile::TempDir,
    name: String,
    /// Whether what it leaves on the engine is another one's to remove.
    is_twin: bool,
}

/// Runs a scenario on every engine at once, each with a stack of its own.
pub(crate) fn on_every_engine(scenario: impl Fn(&Stack<'_>) + Sync) {
    if busybox_is_here() {
        engines::on_every_engine(|engine| scenario(&Stack::create(engine)));
    }
}

/// The same on the engine of the environment and on the further one whose turn it is.
pub(crate) fn on_two_engines(turn: usize, scenario: impl Fn(&Stack<'_>) + Sync) {
    if busybox_is_here() {
        engines::on_two_engines(turn, |engine| scenario(&Stack::create(engine)));
    }
}

/// Whether there is a static busybox to make an image of. Said loudly where there is none; in CI that is a failure.
fn busybox_is_here() -> bool {
    let is_here = fs::exists(BUSYBOX).unwrap_or_default();
    if !is_here {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI may skip nothing");
        eprintln!("SKIPPED: there is no {BUSYBOX} (package busybox-static)");
    }
    is_here
}

impl<'a> Stack<'a> {
    pub(crate) fn create(engine: &'a EngineEnv) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("alaedge{}x{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let stack = Self { engine, folder: tempfile::tempdir().unwrap(), name, is_twin: false };
        let app = stack.dir().join("app");
        fs::create_dir_all(&app).unwrap();
        fs::copy(BUSYBOX, app.join("busybox")).unwrap();
        let server = r#"["/bin/busybox","httpd","-f","-p","80","-h","/www"]"#;
        let recipe = format!(
            "FROM scratch\nCOPY busybox /bin/busybox\nCOPY index.html /www/index.html\nENTRYPOINT {server}\n"
        );
        fs::write(app.join("Dockerfile"), recipe).unwrap();
        let service = format!(
            "version: \"3.8\"\nservices:\n  frontend:\n    image: {}-web:${{TAG}}\n    build: ./app\n    ports: \
             [\"${{PORT}}:80\"]\n    stop_signal: SIGKILL\n    restart: unless-stopped\n",
            stack.name
        );
        for (file, env_file, environment) in [
            ("docker-compose.yml", ".env", "production"),
            ("docker-compose.staging.yml", ".env.staging", "staging"),
        ] {
            fs::write(stack.dir().join(file), &service).unwrap();
            let variables = format!(
                "TAG={environment}\nPORT={}\nCOMPOSE_PROJECT_NAME={}-{environment}\n",
                free_port().unwrap(),
                stack.name
            );
            fs::write(stack.dir().join(env_file), variables).unwrap();
        }
        let config = "[backup]\nnone = \"there is no data\"\n\n[health]\nwindow = \"4s\"\n";
        fs::write(stack.dir().join("ala-promote.toml"), config).unwrap();
        stack.version("1");
        stack
    }

    /// The same stack checked out a second time, elsewhere: the same projects, images and ports.
    pub(crate) fn twin(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let twin = Self { engine: self.engine, folder, name: self.name.clone(), is_twin: true };
        let copied = Command::new("cp").arg("-r").arg(self.dir()).arg(twin.folder.path()).status().unwrap();
        assert!(copied.success());
        twin
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        self.engine.docker(arguments).unwrap()
    }

    /// Tells how often something was tried, and that it held; `.ci/torture` makes a table of such lines.
    pub(crate) fn held(&self, what: &str, cases: usize, started: Instant) {
        let version = self.docker(&["version", "--format", "{{.Server.Version}}"]);
        let driver = self.docker(&["info", "--format", "{{.Driver}}"]);
        let seconds = started.elapsed().as_secs();
        println!("figures: {what}, Engine {version} with {driver} | {cases} | 0 | {seconds} s");
    }

    /// The Compose project of an environment.
    pub(crate) fn project(&self, environment: &str) -> String {
        format!("{}-{environment}", self.name)
    }

    /// The records of the ledger, one a line, in their order.
    pub(crate) fn records(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.dir().join(".ala-promote/ledger")) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort_unstable();
        files
            .iter()
            .flat_map(|file| {
                fs::read_to_string(file).unwrap().lines().map(ToOwned::to_owned).collect::<Vec<_>>()
            })
            .collect()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("deployment")
    }

    /// Changes what is built.
    pub(crate) fn version(&self, version: &str) {
        fs::write(self.dir().join("app/index.html"), format!("{} {version}", self.name)).unwrap();
    }

    /// A command line as a shell would start it, its input a file or a pipe, its output to a file.
    pub(crate) fn start(&self, line: &str, input: Stdio) -> Running {
        spawn(self.command(line).stdin(input))
    }

    /// The same at a terminal of its own, where what is written to its input is typed.
    pub(crate) fn at_a_terminal(&self, line: &str) -> Running {
        let (program, arguments) = program(line);
        // A shell that stayed between would have the Ctrl-C too, and some end with it whatever their command says.
        let line = [&["exec", &*program.to_string_lossy()], &arguments[..]].concat().join(" ");
        // `script` makes the terminal, and hands on the exit code.
        spawn(self.in_the_folder("script").args(["-qefc", &line, "/dev/null"]).stdin(Stdio::piped()))
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let (program, arguments) = program(line);
        let mut command = self.in_the_folder(program);
        command.args(arguments);
        command
    }

    fn in_the_folder(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = engines::heeding_signals(program);
        command.env_clear().envs(&self.engine.variables).current_dir(self.dir());
        command
    }

    /// Runs a command line to its end; gives code and output.
    pub(crate) fn run(&self, line: &str) -> (i32, String) {
        self.start(line, Stdio::null()).end()
    }

    /// The container of an environment that runs.
    pub(crate) fn container(&self, environment: &str) -> String {
        let filter = format!("label=com.docker.compose.project={}", self.project(environment));
        self.docker(&["ps", "-q", "--filter", &filter])
    }

    /// The image that production runs.
    pub(crate) fn image(&self) -> String {
        self.docker(&["inspect", "--format", "{{.Image}}", &self.container("production")])
    }
}

impl Drop for Stack<'_> {
    fn drop(&mut self) {
        let docker = |arguments: &[&str]| self.engine.docker(arguments).unwrap_or_default();
        let forget = || {
            // The engine's note of the ledger.
            let folder = format!("label=ala-promote.ledger.dir={}", self.dir().display());
            for volume in docker(&["volume", "ls", "-q", "--filter", &folder]).split_whitespace() {
                docker(&["volume", "rm", volume]);
            }
        };
        if self.is_twin {
            return forget();
        }
        for environment in ["staging", "production"] {
            docker(&["rm", "-f", &format!("ala-promote-lock-{}", self.project(environment))]);
            let filter = format!("label=com.docker.compose.project={}", self.project(environment));
            for (list, remove) in [
                (&["ps", "-aq"][..], &["rm", "-f"][..]),
                (&["network", "ls", "-q"][..], &["network", "rm"][..]),
            ] {
                let found = docker(&[list, &["--filter", &filter]].concat());
                for id in found.split_whitespace() {
                    docker(&[remove, &[id]].concat());
                }
            }
        }
        forget();
        let reference = format!("reference={}-web", self.name);
        let images = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &reference]);
        for image in images.split_whitespace() {
            docker(&["rmi", "-f", image]);
        }
    }
}

fn program(line: &str) -> (PathBuf, Vec<&str>) {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap();
    (assert_cmd::cargo::cargo_bin(name), words.collect())
}

/// Its output goes to a file.
pub(crate) fn spawn(command: &mut Command) -> Running {
    let output = tempfile::NamedTempFile::new().unwrap();
    // One place to write at for both, so that neither writes over the other.
    let out = output.reopen().unwrap();
    let err = out.try_clone().unwrap();
    Running { child: command.stdout(out).stderr(err).spawn().unwrap(), output }
}

/// A command that runs. What a failed test leaves of it is ended.
pub(crate) struct Running {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of no effect where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// What it printed so far.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.output.path()).unwrap()
    }

    /// Waits until it printed this.
    pub(crate) fn until(&self, text: &str) {
        let start = Instant::now();
        while !self.text().contains(text) {
            assert!(start.elapsed() < PATIENCE, "`{text}` was not printed:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types at its terminal.
    pub(crate) fn types(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("/bin/kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code, and all that it printed.
    pub(crate) fn end(mut self) -> (i32, String) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code().unwrap_or(-1), self.text());
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
