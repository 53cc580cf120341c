//! What a backend brings along to be checked.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ala_promote_core::backend::{Backend, Clock, LockHolder, LockScope};
use ala_promote_core::config::Settings;
use ala_promote_core::domain::{
    Actor, HealthTarget, ImageId, ImageReference, OperationId, ReferenceError, ServiceName, StackRef,
};
use async_trait::async_trait;

use super::case::{CaseResult, Miss, some};
use super::{Accident, Claim, Guard};

/// A backend under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// What the backend can do. Cases about anything else are not run, and the report names them.
    fn claims(&self) -> BTreeSet<Claim>;

    /// A stack of its own for one case, untouched by earlier ones. `needs` are those of the claims that the case is
    /// about: whatever belongs to others may be left out, as it is not looked at.
    ///
    /// # Errors
    /// Why it could not be set up.
    async fn fixture(&self, needs: &[Claim]) -> Result<Fixture, String>;
}

/// What a case works on.
pub struct Fixture {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// Removes all that was made for the case when it is dropped, and lets accidents happen until then.
    pub guard: Box<dyn Guard>,
    /// A clock to wait by.
    pub clock: Arc<dyn Clock>,
    /// Settings whose environments include the stack's, without a project of their own.
    pub settings: Settings,
    /// A stack. With [`Claim::Stacks`], its services below run, or soon will, and become healthy.
    pub stack: StackRef,
    /// A service that the stack builds, with a published port.
    pub service: HealthTarget,
    /// Its image's reference, as rendered.
    pub reference: ImageReference,
    /// A reference of the same repository to another image that it can run.
    pub other: ImageReference,
    /// Another service that runs.
    pub bystander: ServiceName,
    /// A service of the stack that has no container, and whose image is there.
    pub absent: ServiceName,
    /// With [`Claim::Databases`]: a database that runs.
    pub database: Option<ServiceName>,
    /// With [`Claim::Pulls`]: a tag in a registry of this backend's.
    pub pushed: Option<ImageReference>,
    /// With [`Claim::Files`]: a variable of the env file, and its value, which `service` has in its environment under
    /// the same name. The value is secret.
    pub secret: Option<(String, String)>,
    /// With [`Claim::ForeignPorts`]: a host port that nobody holds.
    pub free_port: Option<u16>,
    /// An empty folder outside of any source tree.
    pub scratch: PathBuf,
}

impl Fixture {
    /// A reference that names nothing.
    ///
    /// # Errors
    /// Never, as the tag is one.
    pub fn free(&self, tag: &str) -> Result<ImageReference, ReferenceError> {
        self.reference.with_tag(&format!("conformance-{tag}"))
    }

    pub(super) async fn happen(&self, accident: Accident) -> CaseResult {
        self.guard
            .happen(accident)
            .await
            .map_err(|e| Miss(format!("{accident:?} could not be made happen: {e}")))
    }

    pub(super) fn secret(&self) -> Result<(String, String), Miss> {
        some(self.secret.clone(), "the fixture's secret")
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
