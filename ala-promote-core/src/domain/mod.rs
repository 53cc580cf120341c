//! The field's terms as types. Values only: nothing here does anything to the world.

mod backup;
mod health;
mod hook;
mod image;
mod name;
mod operation;
mod places;
mod release;
mod remote;
mod secret;
mod stack;

pub use backup::{
    BackedUp, BackupCommand, BackupManifest, DatabaseKind, DatabaseTarget, ServiceDatabase, UrlDatabase,
};
pub use health::{HealthTarget, HealthVerdict, ServiceHealth};
pub use hook::{Hook, HookCommand, HookMoment};
pub use image::{ImageId, ImageIdentity, ImageReference, ImageStoreKind, ReferenceError};
pub use name::{
    BackupName, EnvironmentName, HookName, MAX_NAME_BYTES, NameError, OperationId, ProjectName, ReleaseTag,
    ServiceName, StepId,
};
pub use operation::{Actor, Outcome, Request, Verb};
pub use places::Places;
pub(crate) use places::located;
pub use release::{Release, ReleaseImage, ReleaseKind, SourceState};
pub use remote::{PullSource, PulledImage, RepositoryDigest};
pub use secret::{FingerprintKey, Secret};
pub use stack::{
    Bind, BuildSpec, Container, ContainerHealth, ContainerState, PortMapping, Render, Resource, ServiceSpec,
    StackChange, StackRef, is_source_file,
};
