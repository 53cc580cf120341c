//! What is decided about a stack, as text.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use ala_promote_core::config::{Overrides, Settings, find_dir};
use ala_promote_core::domain::{Actor, Outcome, Request, StackRef, Verb};
use ala_promote_core::engine::{Engine, EngineError};
use ala_promote_core::ledger::{Journal, LedgerId, MemoryLedger};
use ala_promote_core::plan::{Finding, Plan, PlanInput, StageKind, promoted_services};
use ala_promote_docker::DockerBackend;

use crate::support::RealClock;

/// Gates whose findings say something of this machine, or of the ledger that is empty here.
const NOT_OF_THE_STACK: [&str; 2] = ["ports-free", "tested-release"];

/// The engine for a folder, with a ledger of its own in memory, and what its gates saw.
pub(crate) struct Decider {
    pub(crate) engine: Engine,
    ledger: MemoryLedger,
    seen: Arc<Mutex<String>>,
}

impl Decider {
    /// # Errors
    /// What a user would be told.
    pub(crate) fn new(dir: &Path, backend: Arc<DockerBackend>) -> Result<Self, String> {
        // The engine has one note of each ledger.
        static LEDGERS: AtomicU32 = AtomicU32::new(0);
        let number = LEDGERS.fetch_add(1, Ordering::Relaxed);
        let id = LedgerId::new(format!("stacks-{}-{number}", std::process::id())).unwrap();
        Self::with_ledger(dir, backend, MemoryLedger::new(id))
    }

    /// The same folder and ledger, by another backend.
    pub(crate) fn by(&self, backend: Arc<DockerBackend>) -> Self {
        Self::with_ledger(&self.engine.settings().dir, backend, self.ledger.open_again()).unwrap()
    }

    fn with_ledger(dir: &Path, backend: Arc<DockerBackend>, ledger: MemoryLedger) -> Result<Self, String> {
        let dir = find_dir(Some(dir), Path::new("/"), None).map_err(|error| told(&error, error.hint()))?;
        let overrides = Overrides::default();
        let settings = Settings::load(&dir, &std::collections::BTreeMap::new(), &overrides)
            .map_err(|error| told(&error, error.hint()))?;
        let journal = Journal::open(Box::new(ledger.open_again())).unwrap();
        let actor = Actor { user: "stacks".into(), host: "host.example.com".into(), pid: std::process::id() };
        let seen = Arc::new(Mutex::new(String::new()));
        let note = Arc::clone(&seen);
        let look = move |input: &PlanInput<'_>| {
            *note.lock().unwrap() = pairs(input);
            Vec::new()
        };
        let engine =
            Engine::builder(settings, backend, Arc::new(RealClock), journal, actor).gate(look).build();
        Ok(Self { engine, ledger, seen })
    }

    /// Plans an operation and runs it.
    pub(crate) async fn operate(&self, environment: &str, verb: Verb) -> Outcome {
        let request = Request { environment: environment.parse().unwrap(), verb };
        let plan = self.engine.plan(&request).await.unwrap_or_else(|error| panic!("{environment}: {error}"));
        self.engine.run(plan).finish(|_| {}).await.unwrap()
    }

    /// What each environment is, what a deployment does to those that build, and a promotion to the others.
    pub(crate) async fn decide(&self) -> String {
        let mut text = String::new();
        let settings = self.engine.settings();
        for (name, environment) in &settings.environments {
            let stack = self.engine.backend().stacks().resolve(settings, name).await;
            match stack {
                Ok(stack) => describe(&mut text, &stack, &settings.dir),
                Err(error) => {
                    let told = told(&error, error.hint());
                    write!(text, "{name}: refused\n{}", indented(&told)).unwrap();
                    continue;
                }
            }
            let verb = match environment.from {
                Some(_) => Verb::Promote,
                None => Verb::Deploy { build: true, keep_failed: false },
            };
            text.push_str(&self.outcome(&Request { environment: name.clone(), verb }).await);
        }
        text
    }

    async fn outcome(&self, request: &Request) -> String {
        self.seen.lock().unwrap().clear();
        let planned = self.engine.plan(request).await;
        let mut text = match self.seen.lock().unwrap().as_str() {
            "" => String::new(),
            pairs => format!("  pairs:\n{}", indented(&indented(pairs))),
        };
        let verb = if request.verb == Verb::Promote { "promote" } else { "deploy" };
        match planned {
            Ok(plan) => {
                writeln!(text, "  {verb}: planned{}", made(&plan)).unwrap();
                text.push_str(&findings(&plan.notes));
            }
            Err(EngineError::Refused(refusal)) => {
                let of_the_stack = findings(&refusal.findings);
                let refuses = refusal
                    .findings
                    .iter()
                    .any(|f| f.refuses() && !NOT_OF_THE_STACK.contains(&f.gate.as_str()));
                let what = if refuses { "refused" } else { "not refused for what the stack is" };
                write!(text, "  {verb}: {what}\n{of_the_stack}").unwrap();
            }
            Err(EngineError::Backend(error)) => {
                write!(text, "  {verb}: error\n{}", indented(&indented(&told(&error, error.hint()))))
                    .unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        text
    }
}

fn describe(text: &mut String, stack: &StackRef, dir: &Path) {
    let name = |path: &PathBuf| {
        path.strip_prefix(dir).map_or_else(|_| path.display().to_string(), |path| path.display().to_string())
    };
    let files: Vec<_> = stack.files.iter().map(name).collect();
    let env_file = stack.env_file.as_ref().map_or_else(|| "none".to_owned(), name);
    writeln!(text, "{}: project {}", stack.environment, stack.project).unwrap();
    writeln!(text, "  files: {}\n  env file: {env_file}", files.join(" ")).unwrap();
}

/// A line for each service: what its image comes from, or that it is not promoted, and the ports that it publishes.
fn pairs(input: &PlanInput<'_>) -> String {
    let Some(target) = input.target() else { return String::new() };
    let promoted = promoted_services(input);
    let mut text = String::new();
    for (service, spec) in &target.render.services {
        let image = spec.image.as_ref().map_or_else(|| "by digest".to_owned(), ToString::to_string);
        write!(text, "{service} ({image})").unwrap();
        if input.is_database(service) {
            text.push_str(", a database");
        }
        match promoted.iter().find(|p| p.service == service) {
            Some(p) if p.builder == p.service => text.push_str(" promoted"),
            Some(p) => write!(text, " promoted from {}", p.builder).unwrap(),
            None => {}
        }
        let published = spec.ports.iter().filter_map(|port| Some((port.host_ip.as_deref(), port.published?)));
        for (ip, port) in published {
            write!(text, " {}{port}", ip.map(|ip| format!("{ip}:")).unwrap_or_default()).unwrap();
        }
        if spec.replicas != 1 {
            write!(text, " x{}", spec.replicas).unwrap();
        }
        text.push('\n');
    }
    text
}

/// What a plan makes: builds and pulls, and what it starts.
fn made(plan: &Plan) -> String {
    let told = |kind: &StageKind| matches!(kind, StageKind::Build | StageKind::Pull | StageKind::Swap);
    let titles = plan.stages.iter().filter(|stage| told(&stage.kind)).flat_map(|stage| &stage.steps);
    titles.map(|step| format!(", {}", step.title)).collect()
}

fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings.iter().filter(|f| !NOT_OF_THE_STACK.contains(&f.gate.as_str())) {
        let mark = if finding.refuses() { "refuse" } else { "note" };
        writeln!(text, "    {mark} {}: {}", finding.gate, finding.reason).unwrap();
        finding.evidence.iter().for_each(|line| writeln!(text, "      seen: {line}").unwrap());
        finding
            .mend
            .iter()
            .for_each(|line| text.push_str(&indented(&indented(&indented(&format!("mend: {line}"))))));
    }
    text
}

/// An error with its causes and what to do, as a user is told.
fn told(error: &dyn Error, hint: Option<impl AsRef<str>>) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").unwrap();
        cause = error.source();
    }
    if let Some(hint) = hint {
        write!(text, "\nmend: {}", hint.as_ref()).unwrap();
    }
    text
}

pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
