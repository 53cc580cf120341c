//! What a backend brings along to be checked.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ala_promote_core::backend::{Backend, Clock, LockHolder, LockScope};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    Actor, HealthTarget, ImageId, ImageReference, OperationId, ReferenceError, ServiceName, StackRef,
};
use async_trait::async_trait;

use crate::memory::{MemoryBackend, SourceCommit};

/// A backend under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A running stack of its own, with all that a case needs, untouched by earlier cases.
    ///
    /// # Errors
    /// Why it could not be set up.
    async fn fixture(&self) -> Result<Fixture, String>;
}

/// What a case works on.
pub struct Fixture {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// Removes all that was made for the case when it is dropped.
    pub guard: Box<dyn Any + Send + Sync>,
    /// A clock to wait by.
    pub clock: Arc<dyn Clock>,
    /// Settings whose environments include the stack's, without a project of their own.
    pub settings: Settings,
    /// A stack whose services below run and are healthy.
    pub stack: StackRef,
    /// One of them, built by the stack, with a published port.
    pub service: HealthTarget,
    /// Its image's reference, as rendered.
    pub reference: ImageReference,
    /// A reference of the same repository to another image that it can run.
    pub other: ImageReference,
    /// Another service that runs.
    pub bystander: ServiceName,
    /// A service of the stack that has no container, and whose image is there.
    pub absent: ServiceName,
    /// A database of the stack, if this backend has databases here.
    pub database: Option<ServiceName>,
    /// A tag in a registry of this backend's, if it has one here.
    pub pushed: Option<ImageReference>,
    /// An empty folder outside of the source tree.
    pub scratch: PathBuf,
    /// Whether the stack's folder is in a source tree.
    pub in_source_tree: bool,
}

impl Fixture {
    /// A reference that names nothing.
    ///
    /// # Errors
    /// Never, as the tag is one.
    pub fn free(&self, tag: &str) -> Result<ImageReference, ReferenceError> {
        self.reference.with_tag(&format!("conformance-{tag}"))
    }

    /// An id that no image has.
    #[must_use]
    pub fn unknown_image(&self) -> ImageId {
        ImageId::new(format!("sha256:{}", "0".repeat(64)))
    }

    /// What a lock is asked for on.
    #[must_use]
    pub fn scope(&self) -> LockScope {
        let tree = Some(self.stack.dir.clone());
        LockScope {
            project: Some(self.stack.project.clone()),
            tree,
            state_dir: self.settings.state_dir.clone(),
        }
    }

    /// Somebody who asks for a lock.
    #[must_use]
    pub fn holder(&self, operation: &OperationId) -> LockHolder {
        LockHolder {
            operation: operation.clone(),
            actor: Actor {
                user: "conformance".into(),
                host: "host.example.com".into(),
                pid: std::process::id(),
            },
            since: self.clock.now(),
            what: format!("promote {}", self.stack.environment),
            ledger: "conformance".into(),
        }
    }
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("stack", &self.stack).finish_non_exhaustive()
    }
}

/// The in-memory backend as a subject.
#[derive(Debug, Clone, Copy)]
pub struct MemorySubject;

impl MemorySubject {
    /// A fixture over a given world, which [`world`](Self::world) made.
    ///
    /// # Errors
    /// When the world can't be used so.
    pub async fn fixture_of(world: &MemoryBackend, backend: Arc<dyn Backend>) -> Result<Fixture, String> {
        let text = |e: &dyn fmt::Display| e.to_string();
        let stack = world.stack("staging").ok_or("there is no staging")?;
        let reference: ImageReference = "ala-api:staging".parse().map_err(|e| text(&e))?;
        let other = reference.with_tag("other").map_err(|e| text(&e))?;
        let name = |name: &str| ServiceName::new(name).map_err(|e| text(&e));
        world.commit(SourceCommit::new("another version"));
        let targets = [(name("backend")?, other.clone())].into();
        let call = ala_promote_core::backend::Call::silent();
        world.builder().build(&stack, &targets, &call).await.map_err(|e| text(&e))?;
        world
            .edit("staging", |e| drop(e.service("absent").image("ala-web:staging")))
            .map_err(|e| text(&e))?;
        let pushed: ImageReference =
            "registry.example.com/team/ala-api:pushed".parse().map_err(|e| text(&e))?;
        world.push(&pushed.to_string(), "1").map_err(|e| text(&e))?;
        let model = world.model();
        let service =
            model.get(&stack.environment).and_then(|e| e.services.get("backend")).ok_or("no backend")?;
        let scratch = tempfile::tempdir().map_err(|e| text(&e))?;
        Ok(Fixture {
            backend,
            clock: Arc::new(world.clock()),
            settings: world.settings(),
            service: HealthTarget {
                service: name("backend")?,
                display: "Backend".to_owned(),
                promoted: true,
                job: false,
                ports: service.spec.ports.clone(),
                path: None,
                replicas: 1,
            },
            stack,
            reference,
            other,
            bystander: name("frontend")?,
            absent: name("absent")?,
            database: Some(name("db")?),
            pushed: Some(pushed),
            scratch: scratch.path().to_owned(),
            in_source_tree: true,
            guard: Box::new(scratch),
        })
    }

    /// The world that fixtures are made over.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn world() -> Result<MemoryBackend, String> {
        MemoryBackend::ala_medical().build().map_err(|e| e.to_string())
    }
}

#[async_trait]
impl Subject for MemorySubject {
    async fn fixture(&self) -> Result<Fixture, String> {
        let world = Self::world()?;
        Self::fixture_of(&world, Arc::new(world.clone())).await
    }
}
