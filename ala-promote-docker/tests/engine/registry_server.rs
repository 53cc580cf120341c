//! A registry of one's own: Debian's `docker-registry`.

use std::fs::File;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use super::support::{TestEngine, eventually, free_port, skip};

const REGISTRY: &str = "docker-registry";

/// A registry that its engine reaches at 127.0.0.1, where engines speak plain HTTP.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) port: u16,
    engine: TestEngine,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Registry {
    /// Whether there is a program for it.
    pub(crate) fn is_here() -> bool {
        let is_here = Command::new(REGISTRY).arg("--version").stdout(Stdio::null()).status().is_ok();
        if !is_here {
            skip("there is no docker-registry; Debian has a package of that name");
        }
        is_here
    }

    pub(crate) fn new(engine: &TestEngine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { port: free_port(), engine: engine.clone(), folder, child: None }
    }

    pub(crate) fn start(&mut self, htpasswd: Option<&str>) {
        let folder = self.folder.path();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
             delete: {{enabled: true}}\nhttp: {{addr: \"127.0.0.1:{}\"}}\n",
            folder.join("data").display(),
            self.port
        );
        if let Some(users) = htpasswd {
            let path = folder.join("htpasswd");
            std::fs::write(&path, users).unwrap();
            config.push_str(&format!("auth:\n  htpasswd: {{realm: tests, path: {}}}\n", path.display()));
        }
        let mut file = File::create(folder.join("config.yml")).unwrap();
        file.write_all(config.as_bytes()).unwrap();
        let log = folder.join("log");
        let out = File::create(&log).unwrap();
        let mut command = self.engine.beside(REGISTRY);
        command.args(["serve"]).arg(folder.join("config.yml")).stdin(Stdio::null());
        self.child = Some(command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap());
        eventually("the registry listens", || {
            std::fs::read_to_string(&log).is_ok_and(|text| text.contains("listening on"))
        });
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}
