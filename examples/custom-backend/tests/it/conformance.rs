//! The testkit's conformance suite. Who writes a backend begins here.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ala_promote_core::backend::{Builder as _, Call, Stacks as _};
use ala_promote_core::config::{Overrides, Settings};
use ala_promote_core::domain::{HealthTarget, PortMapping, StackRef};
use ala_promote_custom_backend::{LocalBackend, TimeOfDay};
use ala_promote_testkit::conformance::{Accident, Claim, Fixture, Guard, Subject, run_all};
use ala_promote_testkit::free_port;
use async_trait::async_trait;

/// What this backend says that it can do.
const CLAIMS: [Claim; 3] = [Claim::Stacks, Claim::ForeignPorts, Claim::Builds];

#[tokio::test]
async fn it_does_what_it_claims() {
    let report = run_all(&Local).await;
    println!("{report}");
    report.assert_ok();
    assert!(report.not_claimed.iter().all(|(_, claim)| !CLAIMS.contains(claim)), "{report}");
    assert!(report.held.len() > 45, "{report}");
}

struct Local;

#[async_trait]
impl Subject for Local {
    fn claims(&self) -> BTreeSet<Claim> {
        CLAIMS.into()
    }

    async fn fixture(&self, needs: &[Claim]) -> Result<Fixture, String> {
        Home::fixture(needs.contains(&Claim::Stacks)).await.map_err(|error| error.to_string())
    }
}

/// A folder with a host and an environment in it.
struct Home {
    backend: LocalBackend,
    stack: StackRef,
    /// Ports that something else listens on.
    taken: Mutex<Vec<TcpListener>>,
    folder: tempfile::TempDir,
}

impl Home {
    async fn fixture(running: bool) -> Result<Fixture, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let home = folder.path().canonicalize()?;
        for name in ["shop", "source", "scratch"] {
            std::fs::create_dir(home.join(name))?;
        }
        let port = free_port()?;
        write_stack(&home, port, &[])?;
        std::fs::write(
            home.join("ala-promote.toml"),
            "[environments.shop]\ndir = \"shop\"\nfiles = [\"stack.json\"]\n",
        )?;
        let backend = LocalBackend::new(&home.join("host"))?;
        let settings = Settings::load(&home, &Default::default(), &Overrides::default())?;
        let stack = backend.resolve(&settings, &"shop".parse()?).await?;
        // Two images that differ: each is what the source is now.
        for (reference, page) in [("shop:other", "other"), ("shop:live", "live"), ("still:live", "live")] {
            std::fs::write(home.join("source/page"), page)?;
            let targets = [("web".parse()?, reference.parse()?)].into();
            backend.build(&stack, &targets, &Call::silent()).await?;
        }
        if running {
            backend.up(&stack, &["web".parse()?, "bystander".parse()?], &Call::silent()).await?;
        }
        Ok(Fixture {
            backend: Arc::new(backend.clone()),
            clock: Arc::new(TimeOfDay),
            settings,
            service: HealthTarget {
                service: "web".parse()?,
                display: "Web".into(),
                promoted: true,
                job: false,
                ports: vec![PortMapping {
                    host_ip: Some("127.0.0.1".into()),
                    published: Some(port),
                    target: port,
                    protocol: "tcp".into(),
                }],
                path: None,
                replicas: 1,
            },
            reference: "shop:live".parse()?,
            other: "shop:other".parse()?,
            bystander: "bystander".parse()?,
            absent: "absent".parse()?,
            database: None,
            pushed: None,
            secret: None,
            free_port: Some(free_port()?),
            scratch: home.join("scratch"),
            stack: stack.clone(),
            guard: Box::new(Self { backend, stack, taken: Mutex::default(), folder }),
        })
    }
}

/// The stack, with what runs in the copy of the source when it is built.
fn write_stack(home: &Path, port: u16, build: &[&str]) -> std::io::Result<()> {
    let sleep = serde_json::json!({ "image": "still:live", "command": ["sleep", "600"] });
    let web = serde_json::json!({
        "image": "shop:live",
        "build": { "from": "../source", "command": build },
        "command": [env!("CARGO_BIN_EXE_ala-promote-custom-backend"), "serve"],
        "port": port,
    });
    let stack = serde_json::json!({ "services": { "web": web, "bystander": sleep, "absent": sleep } });
    std::fs::write(home.join("shop/stack.json"), stack.to_string())
}

#[async_trait]
impl Guard for Home {
    async fn happen(&self, accident: Accident) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        match accident {
            Accident::ServiceStops => {
                let web = "web".parse().map_err(|e| text(&e))?;
                self.backend.end(&self.stack.project, &web).await.map_err(|e| text(&e))
            }
            Accident::BuildBreaks => {
                let words = ["sh", "-c", "echo conformance-broken; exit 3"];
                write_stack(self.folder.path(), 1, &words).map_err(|e| text(&e))
            }
            Accident::LockGoes => {
                std::fs::remove_dir_all(self.folder.path().join("host/locks")).map_err(|e| text(&e))
            }
            Accident::PortIsTaken(port) => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|e| text(&e))?;
                self.taken.lock().map_err(|e| text(&e))?.push(listener);
                Ok(())
            }
            other => Err(format!("{other:?} is not claimed")),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let (backend, project) = (self.backend.clone(), self.stack.project.clone());
        // A drop can't wait, and the test's own runtime is at work: so by one of its own.
        let down = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(backend.take_down(&project)).unwrap();
        });
        down.join().unwrap();
    }
}
