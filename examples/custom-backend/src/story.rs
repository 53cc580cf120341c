//! Deploy, promote, a promotion that fails and is put back, rollback.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::Backend;
use ala_promote_core::config::{Overrides, Settings, prepare_state_dir};
use ala_promote_core::domain::{Actor, EnvironmentName, Outcome, Request, Verb};
use ala_promote_core::engine::Engine;
use ala_promote_core::ledger::{FileLedger, FileLedgerOptions, Journal, LedgerId};
use ala_promote_custom_backend::{LocalBackend, TimeOfDay, free_ports};

/// The settings of ala-promote know nothing of this backend, and need not.
const CONFIG: &str = r#"
[environments.staging]
dir = "staging"
files = ["stack.json"]

[environments.production]
dir = "production"
files = ["stack.json"]
from = "staging"

[backup]
none = "there is no database"

[health]
timeout = "3s"
window = "1s"
interval = "100ms"
"#;
const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
const DEPLOY: Verb = Verb::Deploy { build: true, keep_failed: false };

/// Tells it.
pub(crate) async fn tell(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let town = Town::new(home.path())?;
    let told = town.tell(out).await;
    // What was started ends with the story, however it ends.
    town.close().await?;
    told
}

/// Two environments on one host.
struct Town<'a> {
    home: &'a Path,
    backend: LocalBackend,
    ports: [u16; 2],
}

impl<'a> Town<'a> {
    fn new(home: &'a Path) -> Result<Self, Box<dyn Error>> {
        let ports = free_ports()?;
        for (stage, port) in ENVIRONMENTS.into_iter().zip(ports) {
            std::fs::create_dir(home.join(stage))?;
            let stack = serde_json::json!({ "services": { "web": {
                "image": format!("shop:{stage}"),
                "build": { "from": "../source" },
                "command": [std::env::current_exe()?, "serve"],
                "port": port,
                "environment": { "STAGE": stage },
            } } });
            std::fs::write(home.join(stage).join("stack.json"), stack.to_string())?;
        }
        std::fs::create_dir(home.join("source"))?;
        std::fs::write(home.join("ala-promote.toml"), CONFIG)?;
        Ok(Self { home, backend: LocalBackend::new(&home.join("host"))?, ports })
    }

    fn engine(&self) -> Result<Engine, Box<dyn Error>> {
        let settings = Settings::load(self.home, &Default::default(), &Overrides::default())?;
        prepare_state_dir(&settings)?;
        let folder = settings.state_dir.join("ledger");
        let ledger =
            FileLedger::create(&folder, LedgerId::new("custom-backend")?, FileLedgerOptions::default())?;
        let actor = Actor { user: "embedder".into(), host: "localhost".into(), pid: std::process::id() };
        let backend: Arc<dyn Backend> = Arc::new(self.backend.clone());
        let journal = Journal::open(Box::new(ledger))?;
        Ok(Engine::builder(settings, backend, Arc::new(TimeOfDay), journal, actor).build())
    }

    async fn tell(&self, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
        let engine = self.engine()?;
        writeln!(out, "{}", self.backend.describe().split(',').next().unwrap_or_default())?;

        self.write_source("page", "the first release")?;
        self.operate(&engine, out, "staging", DEPLOY).await?;
        self.operate(&engine, out, "production", Verb::Promote).await?;

        self.write_source("page", "a release that only staging likes")?;
        self.write_source("broken-in", "production")?;
        self.operate(&engine, out, "staging", DEPLOY).await?;
        self.operate(&engine, out, "production", Verb::Promote).await?;

        self.write_source("page", "the third release")?;
        std::fs::remove_file(self.home.join("source/broken-in"))?;
        self.operate(&engine, out, "staging", DEPLOY).await?;
        self.operate(&engine, out, "production", Verb::Promote).await?;
        self.operate(&engine, out, "production", Verb::Rollback { to: None }).await
    }

    fn write_source(&self, name: &str, text: &str) -> std::io::Result<()> {
        std::fs::write(self.home.join("source").join(name), text)
    }

    /// Plans, runs, and shows what came of it, what production answers now, and where its link points.
    async fn operate(
        &self,
        engine: &Engine,
        out: &mut impl Write,
        environment: &str,
        verb: Verb,
    ) -> Result<(), Box<dyn Error>> {
        let name = verb.name();
        let request = Request { environment: EnvironmentName::new(environment)?, verb };
        let plan = engine.plan(&request).await?;
        let outcome = match engine.run(plan).finish(|_| {}).await? {
            Outcome::Committed { .. } => "committed".to_owned(),
            Outcome::RolledBack { reason } => {
                format!("put back: {}", reason.lines().next().unwrap_or_default())
            }
            other => format!("{other:?}"),
        };
        writeln!(out, "{name} {environment}: {outcome}")?;
        for (stage, port) in ENVIRONMENTS.into_iter().zip(self.ports) {
            let current = self.home.join(format!("host/stacks/{stage}/web/current"));
            let Ok(release) = std::fs::read_link(current) else { continue };
            let release = release.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let short: String = release.chars().take(15).collect();
            writeln!(out, "  {stage} answers `{}`, from {short}", ask(port)?)?;
        }
        Ok(())
    }

    /// Ends all services.
    async fn close(&self) -> Result<(), Box<dyn Error>> {
        for stage in ENVIRONMENTS {
            self.backend.take_down(&stage.parse()?).await?;
        }
        Ok(())
    }
}

/// What is answered there.
fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
}
