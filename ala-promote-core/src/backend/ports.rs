//! The ports of a backend. Each method lists its behaviour; the testkit's conformance suite checks those lines.
//!
//! Rules for all of them:
//! - Futures are `Send`; dropping one leaves the effect done, not done or half done, and calling again settles it.
//! - A method called `ensure_…` or said to ensure something succeeds, changing nothing, when it is so already.
//! - An unknown outcome is an error of kind [`TimedOut`](super::BackendErrorKind::TimedOut) or
//!   [`Unavailable`](super::BackendErrorKind::Unavailable), never a guess.
//! - No error and no progress line holds a secret.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{BackendResult, Call};
use crate::config::Settings;
use crate::domain::{
    Actor, BackupManifest, Container, DatabaseTarget, EnvironmentName, HealthTarget, HookCommand, ImageId,
    ImageIdentity, ImageReference, OperationId, PortMapping, ProjectName, PullSource, PulledImage, Render,
    Secret, ServiceDatabase, ServiceHealth, ServiceName, SourceState, StackRef,
};

/// All ports of one backend.
pub trait Backend: Send + Sync {
    /// What it is, with versions: `Docker Engine 28.5.2 (classic store), docker compose 2.40.3`.
    fn describe(&self) -> String;
    /// Images and their tags.
    fn images(&self) -> &dyn ImageStore;
    /// Stacks: rendering, containers, starting.
    fn stacks(&self) -> &dyn Stacks;
    /// Building and pulling images.
    fn builder(&self) -> &dyn Builder;
    /// The source tree.
    fn source(&self) -> &dyn Source;
    /// Databases and their backups.
    fn database(&self) -> &dyn Database;
    /// Commands of the team's own.
    fn hooks(&self) -> &dyn Hooks;
    /// Health.
    fn probe(&self) -> &dyn Probe;
    /// Exclusion of other operations.
    fn lock(&self) -> &dyn Lock;
    /// The note, kept apart from the state folder, that a ledger exists.
    fn witness(&self) -> &dyn Witness;
}

/// Images and their tags.
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// What a reference names now.
    /// - `None` when there is no such reference; that is no error.
    async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>>;

    /// The image with this id.
    /// - `None` when the store does not have it, whatever tags it once had.
    async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>>;

    /// Ensures that `reference` names the image `id`.
    /// - Moves the reference if it named another image; that image stays in the store.
    /// - [`NotFound`](super::BackendErrorKind::NotFound) when the store does not have `id`; the reference is unchanged.
    async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()>;

    /// Ensures that `reference` names nothing.
    /// - Succeeds when it named nothing.
    /// - The image itself may go with its last reference, but never while a container uses it.
    async fn untag(&self, reference: &ImageReference) -> BackendResult<()>;
}

/// Stacks: rendering, containers, starting.
#[async_trait]
pub trait Stacks: Send + Sync {
    /// Finds out what project, files and env file an environment means.
    /// - What runs comes first: containers that name the environment's folder tell all three.
    /// - Where settings and what runs disagree: [`Conflict`](super::BackendErrorKind::Conflict), showing both.
    /// - A missing env file is [`Invalid`](super::BackendErrorKind::Invalid) and names its template.
    /// - Changes nothing.
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef>;

    /// Renders a stack.
    /// - Broken files are [`Invalid`](super::BackendErrorKind::Invalid), with file and line where the tool tells them.
    /// - A variable that is not set is [`Invalid`](super::BackendErrorKind::Invalid) and named, unless the files give a
    ///   default.
    /// - Changes nothing.
    async fn render(&self, stack: &StackRef) -> BackendResult<Render>;

    /// All containers of a project, stopped ones included, one-off ones not.
    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>>;

    /// Who holds host ports now: containers of any project, and others as far as they can be seen.
    /// - `wanted` are the ports in question; holders of other ports may be left out.
    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>>;

    /// Ensures that the services run the images that their references name now, with the configuration that the files
    /// render to now.
    /// - Services that are not named are neither started, stopped nor replaced.
    /// - Builds nothing, pulls nothing that is present, removes no volume and no orphan.
    /// - Returns when the containers were started, not when they are healthy.
    async fn up(&self, stack: &StackRef, services: &[ServiceName], call: &Call) -> BackendResult<()>;

    /// Saves how the containers of these services are made, so that [`restore`](Self::restore) can make them again
    /// exactly: into `file`, mode 0600, since it holds secrets.
    /// - Replaces nothing: when `file` exists and is complete, it is left alone.
    /// - A service without containers is saved as such.
    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()>;

    /// Ensures that the services of a snapshot run as they were saved: same image by id, same configuration, running
    /// if they ran.
    /// - A container that is still the saved one is started if need be, not replaced.
    /// - A service that was saved without containers has none afterwards. Volumes are never removed.
    /// - May be called again after it failed half-way or was killed.
    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()>;

    /// Ensures that a snapshot's file is gone.
    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()>;
}

/// Who holds a host port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortHolder {
    /// The port.
    pub port: PortMapping,
    /// The container's name, or what is known of a process.
    pub holder: String,
    /// The Compose project of the container.
    pub project: Option<ProjectName>,
    /// The service of the container.
    pub service: Option<ServiceName>,
}

/// Building images, and pulling those that were built elsewhere.
#[async_trait]
pub trait Builder: Send + Sync {
    /// Builds these services, side by side, each to its reference, and looks what came out.
    /// - No other reference is moved.
    /// - On failure the error ends with the last lines of the build; references of services that were built may exist.
    /// - Stops at once when cancelled.
    async fn build(
        &self,
        stack: &StackRef,
        targets: &BTreeMap<ServiceName, ImageReference>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, ImageIdentity>>;

    /// Pulls the images of these services from their registries, side by side, and looks what came.
    /// - By tag: the tag names here afterwards what it names in the registry, whatever it named before. By digest: no
    ///   reference is moved.
    /// - Nothing else is pulled. The registry gets the credentials that the user's own client has for it.
    /// - What the registry does not have, and one that does not answer or refuses, is an error with its words; tags of
    ///   images that came may have moved.
    /// - Stops at once when cancelled.
    async fn pull(
        &self,
        stack: &StackRef,
        sources: &BTreeMap<ServiceName, PullSource>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, PulledImage>>;
}

/// The source tree.
#[async_trait]
pub trait Source: Send + Sync {
    /// Where the tree that holds `dir` stands; `None` where it is in no tree.
    async fn state(&self, dir: &Path) -> BackendResult<Option<SourceState>>;

    /// Brings the current branch up to its upstream, fast-forward only.
    /// - Never asks for anything.
    /// - Without an upstream, on a detached head or in no tree: changes nothing and says so.
    /// - When it can't be done, nothing has changed.
    async fn fetch(&self, dir: &Path, call: &Call) -> BackendResult<Fetched>;
}

/// What a fetch did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fetched")]
#[non_exhaustive]
pub enum Fetched {
    /// The tree is what its upstream is; `from` tells whether it moved.
    Updated {
        /// The commit before.
        from: String,
        /// The commit now.
        to: String,
    },
    /// There was nothing to fetch from.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// Databases and their backups.
#[async_trait]
pub trait Database: Send + Sync {
    /// Which of these containers are databases that can be backed up, and how.
    /// - Looks at the image, not at names.
    async fn detect(&self, render: &Render, containers: &[Container]) -> BackendResult<Vec<ServiceDatabase>>;

    /// The URL that a key of the stack's env file holds, as the stack itself would read it; `None` where the file does not
    /// set it, or to nothing.
    async fn url(&self, stack: &StackRef, key: &str) -> BackendResult<Option<Secret>>;

    /// Free space for `file`, and the size of the database, in bytes.
    /// - Fails where a dump would fail at once: a database that does not answer, an image that is not there, a `pg_dump`
    ///   older than the server. What a command will write is not known: 0.
    async fn room(&self, stack: &StackRef, target: &DatabaseTarget, file: &Path) -> BackendResult<Room>;

    /// Dumps the database to `file` and writes its manifest.
    /// - The dump is streamed; `file` appears under its name only when it is complete and synced.
    /// - An existing `file` is never overwritten, but for a complete one with its manifest that this very operation
    ///   made, which is returned.
    /// - A dump that was cut anywhere is an error, and leaves no `file`. A command's output is taken for whole when it
    ///   exited with 0 and wrote something.
    /// - Stops at once when cancelled. However it ended, nothing of it is at work any more.
    async fn dump(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
        call: &Call,
    ) -> BackendResult<BackupManifest>;

    /// Ensures that nothing incomplete is left of a dump to `file` that this operation began, also where it was killed.
    /// - A complete backup stays, with its manifest: it is true, and harms nothing.
    /// - Files of other operations stay.
    /// - Nothing that the dump made on the engine is left. Its session in the database is ended, if the database answers.
    /// - Succeeds when there is nothing, not even a folder.
    async fn discard_partial(
        &self,
        stack: &StackRef,
        target: &DatabaseTarget,
        operation: &OperationId,
        file: &Path,
    ) -> BackendResult<()>;
}

/// Space for a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Free space where the backup goes, in bytes.
    pub free_bytes: u64,
    /// The database's size on its disk, in bytes: more than a dump takes in most cases.
    pub database_bytes: u64,
}

/// Commands of the team's own, on the host or in a container of a service's image.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Runs a command to its end: on the host in the stack's folder; or in a container of its own, made as the service's
    /// are (image that its reference names now, environment, networks, volumes) but for published ports.
    /// - Succeeds only when the command exited with 0; else [`Failed`](super::BackendErrorKind::Failed) with its last
    ///   lines.
    /// - No shell reads the words. The command finds [`HookCommand::variables`] in its environment. On the host it gets
    ///   besides them only what programs are found by.
    /// - One that takes longer than its time is ended:
    ///   [`TimedOut`](super::BackendErrorKind::TimedOut). One that is cancelled is ended too.
    /// - However it ended: nothing of it is at work any more. On the host that means its process group.
    /// - Its output is added to the log, which only its owner can read. Values of env files are not in it.
    /// - A service that the stack has not: [`NotFound`](super::BackendErrorKind::NotFound). Starts no other service,
    ///   builds nothing, pulls nothing.
    async fn run(&self, stack: &StackRef, command: &HookCommand, call: &Call) -> BackendResult<()>;

    /// Ensures that nothing is at work that [`run`](Self::run) began for this operation and hook, also where its process
    /// was killed. What holds the operation's lock open is not looked for: it can't be there while that is held anew.
    async fn end(&self, stack: &StackRef, command: &HookCommand) -> BackendResult<()>;
}

/// Health.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Looks once at each service, side by side.
    /// - A pass needs the container to be running (a job: to have exited 0) and its own check to pass.
    /// - Never waits for health; answers within seconds.
    async fn look(&self, stack: &StackRef, targets: &[HealthTarget]) -> BackendResult<Vec<ServiceHealth>>;

    /// Where published ports of this backend answer.
    fn address(&self) -> String;
}

/// Who holds a lock, for those who find it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its operation.
    pub operation: OperationId,
    /// Who asked for it.
    pub actor: Actor,
    /// Since when.
    pub since: jiff::Timestamp,
    /// What it does: `promote production`.
    pub what: String,
    /// The id of the ledger that holds its records.
    pub ledger: String,
}

/// What is to be excluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockScope {
    /// One operation at a time on this project, on this host and on the engine; `None` where no project changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// One operation at a time on this source tree, on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<PathBuf>,
    /// Where the files of the locks lie.
    pub state_dir: PathBuf,
}

/// What came of asking for a lock.
#[derive(Debug)]
#[non_exhaustive]
pub enum Acquired {
    /// It is held until the guard is dropped, or the process dies.
    Held(Box<dyn LockGuard>),
    /// Somebody else has it.
    Busy {
        /// Who, as far as it left a note.
        holder: Option<LockHolder>,
        /// Whether that process is alive, as far as can be seen; `false`: it died, and `recover` may take over.
        alive: bool,
    },
    /// Its holder died, and children of it still work: they must end before anybody may take over.
    Orphaned {
        /// Who held it.
        holder: LockHolder,
        /// The children, each as people find it: `4242 docker-compose`.
        children: Vec<String>,
    },
}

/// Exclusion of other operations.
#[async_trait]
pub trait Lock: Send + Sync {
    /// Asks for the lock; never waits.
    /// - Of any number that ask at once, at most one gets it.
    /// - `take_over` names an operation whose dead holder's lock is taken; a live holder's never is, nor one whose
    ///   children still work.
    async fn acquire(
        &self,
        scope: &LockScope,
        holder: &LockHolder,
        take_over: Option<&OperationId>,
    ) -> BackendResult<Acquired>;
}

/// A held lock.
#[async_trait]
pub trait LockGuard: Send + Sync + std::fmt::Debug {
    /// Looks whether the lock is still ours.
    /// - [`Conflict`](super::BackendErrorKind::Conflict) when it was removed or taken: then nothing more may be done.
    async fn check(&self) -> BackendResult<()>;

    /// Gives it up. Dropping the guard instead leaves on the engine what a killed process would leave.
    async fn release(self: Box<Self>) -> BackendResult<()>;
}

/// What the witness says about a folder's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnessed {
    /// The ledger's id.
    pub ledger: String,
    /// Records that it had.
    pub seq: u64,
    /// The hash of the last of them.
    pub hash: String,
}

/// The note, kept apart from the state folder, that a ledger exists: its loss is noticed.
#[async_trait]
pub trait Witness: Send + Sync {
    /// What was written last for this folder; `None` if never.
    async fn read(&self, dir: &Path) -> BackendResult<Option<Witnessed>>;

    /// Replaces it. A reader finds the old one or the new one, never none.
    /// - A later note of the same ledger, by an operation that ended meanwhile, stays.
    async fn write(&self, dir: &Path, witnessed: &Witnessed) -> BackendResult<()>;

    /// Ensures that nothing is noted for this folder.
    /// - Notes of other folders stay.
    async fn forget(&self, dir: &Path) -> BackendResult<()>;
}
