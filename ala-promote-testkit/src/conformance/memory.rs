//! The in-memory backend as a subject.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use ala_promote_core::backend::{Backend, Call};
use ala_promote_core::domain::{HealthTarget, ImageReference, ServiceName};
use async_trait::async_trait;

use super::{Accident, Claim, Fixture, Guard, Subject};
use crate::memory::{EnvironmentEditor, MemoryBackend, SourceCommit, Upstream};

/// A variable of the env file, and its value.
const SECRET: (&str, &str) = ("API_PASSWORD", "hunter2000");

/// The in-memory backend as a subject: it claims everything.
#[derive(Debug, Clone, Copy)]
pub struct MemorySubject;

impl MemorySubject {
    /// A fixture over a given world, which [`world`](Self::world) made.
    ///
    /// # Errors
    /// When the world can't be used so.
    pub async fn fixture_of(world: &MemoryBackend, backend: Arc<dyn Backend>) -> Result<Fixture, String> {
        let reference: ImageReference = "ala-api:staging".parse().map_err(text)?;
        let other = reference.with_tag("other").map_err(text)?;
        let pushed: ImageReference = "registry.example.com/team/ala-api:pushed".parse().map_err(text)?;
        let stack = world.stack("staging").ok_or("there is no staging")?;
        world.commit(SourceCommit::new("another version"));
        let targets = [(service("backend")?, other.clone())].into();
        world.builder().build(&stack, &targets, &Call::silent()).await.map_err(text)?;
        world.push(&pushed.to_string(), "1").map_err(text)?;
        edit(world, |e| {
            e.service("absent").image("ala-web:staging");
            has_secret(e, SECRET.1);
        })?;
        world.stacks().up(&stack, &[service("backend")?], &Call::silent()).await.map_err(text)?;
        let model = world.model();
        let spec =
            model.get(&stack.environment).and_then(|e| e.services.get("backend")).ok_or("no backend")?;
        let scratch = tempfile::tempdir().map_err(text)?;
        Ok(Fixture {
            backend,
            clock: Arc::new(world.clock()),
            settings: world.settings(),
            service: HealthTarget {
                service: service("backend")?,
                display: "Backend".to_owned(),
                promoted: true,
                job: false,
                ports: spec.spec.ports.clone(),
                path: None,
                replicas: 1,
            },
            stack,
            reference,
            other,
            bystander: service("frontend")?,
            absent: service("absent")?,
            database: Some(service("db")?),
            pushed: Some(pushed),
            secret: Some((SECRET.0.to_owned(), SECRET.1.to_owned())),
            free_port: Some(4711),
            scratch: scratch.path().to_owned(),
            guard: Box::new(World { world: world.clone(), _scratch: scratch }),
        })
    }

    /// The world that fixtures are made over.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn world() -> Result<MemoryBackend, String> {
        MemoryBackend::ala_medical().build().map_err(text)
    }
}

#[async_trait]
impl Subject for MemorySubject {
    fn claims(&self) -> BTreeSet<Claim> {
        Claim::ALL.into()
    }

    async fn fixture(&self, _needs: &[Claim]) -> Result<Fixture, String> {
        let world = Self::world()?;
        Self::fixture_of(&world, Arc::new(world.clone())).await
    }
}

/// The world of a fixture.
struct World {
    world: MemoryBackend,
    _scratch: tempfile::TempDir,
}

#[async_trait]
impl Guard for World {
    async fn happen(&self, accident: Accident) -> Result<(), String> {
        let world = &self.world;
        match accident {
            Accident::ServiceStops => world.kill("staging", "backend", 0).map_err(text),
            Accident::BuildBreaks => {
                let commit = SourceCommit::new("broken").breaks_build("backend", "conformance-broken");
                world.commit(commit);
                Ok(())
            }
            Accident::LockGoes => world.act("remove all locks", |state| state.locks.clear()).map_err(text),
            Accident::FilesBreak => edit(world, |e| {
                e.broken("line 7: mapping values are not allowed here");
            }),
            Accident::VariableGoes => edit(world, |e| {
                e.without_variable(SECRET.0);
            }),
            Accident::VariableChanges => edit(world, |e| has_secret(e, "another-value")),
            Accident::EnvFileGoes => edit(world, |e| {
                e.without_env_file();
            }),
            Accident::PortIsTaken(port) => world.occupy_port(port, "another program").map_err(text),
            Accident::UpstreamMoves => {
                world.push_upstream(SourceCommit::new("a commit more"));
                Ok(())
            }
            Accident::UpstreamDiverges => {
                world.edit_source(|tree| tree.upstream = Upstream::Diverged);
                Ok(())
            }
            Accident::HeadDetaches => {
                world.edit_source(|tree| tree.branch = None);
                Ok(())
            }
            Accident::DumpsAreCut { after } => {
                world.act("dumps are cut", |state| state.dumps_end_after = Some(after)).map_err(text)
            }
        }
    }
}

fn edit(world: &MemoryBackend, edit: impl FnOnce(&mut EnvironmentEditor)) -> Result<(), String> {
    world.edit("staging", edit).map_err(text)
}

fn has_secret(e: &mut EnvironmentEditor, value: &str) {
    e.variable(SECRET.0, value).service("backend").environment(SECRET.0, value).needs_variable(SECRET.0);
}

fn service(name: &str) -> Result<ServiceName, String> {
    ServiceName::new(name).map_err(text)
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}
