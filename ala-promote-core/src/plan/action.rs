//! What a step does, as a value: names and prior values are fixed when it is planned, and undo uses nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Fetched;
use crate::config::HealthSettings;
use crate::domain::{
    BackupManifest, DatabaseTarget, HealthTarget, Hook, HookName, ImageId, ImageIdentity, ImageReference,
    PullSource, PulledImage, Release, ReleaseKind, ReleaseTag, RepositoryDigest, ServiceHealth, ServiceName,
    SourceState, StackRef, StepId,
};

/// An image that is known when the plan is made, or that an earlier step will build or pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ImageSource {
    /// This one.
    Known(ImageIdentity),
    /// What `step` builds or pulls for `service`.
    Built {
        /// The step.
        step: StepId,
        /// The service.
        service: ServiceName,
    },
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
#[non_exhaustive]
pub enum Action {
    /// Bring the source up to its upstream.
    Fetch {
        /// A folder of the tree.
        dir: PathBuf,
    },
    /// Save how the containers are made, for the undo of [`Swap`](Self::Swap).
    Snapshot {
        /// The stack.
        stack: StackRef,
        /// Its services that may change.
        services: Vec<ServiceName>,
        /// Where to.
        file: PathBuf,
    },
    /// Build images, each to a reference of its own.
    Build {
        /// The stack.
        stack: StackRef,
        /// The reference for each service that is built.
        targets: BTreeMap<ServiceName, ImageReference>,
    },
    /// Pull images from their registries.
    Pull {
        /// The stack.
        stack: StackRef,
        /// What is pulled for each service.
        targets: BTreeMap<ServiceName, PullTarget>,
    },
    /// Make a reference name an image.
    Tag {
        /// The reference.
        reference: ImageReference,
        /// The image.
        to: ImageSource,
        /// What it named when the plan was made.
        prior: Option<ImageId>,
    },
    /// Back a database up.
    Backup {
        /// The stack.
        stack: StackRef,
        /// The database, or what stands for one.
        database: DatabaseTarget,
        /// Where to.
        file: PathBuf,
    },
    /// Replace containers by such of the new images.
    Swap {
        /// The stack.
        stack: StackRef,
        /// Its services to start or replace.
        services: Vec<ServiceName>,
        /// How they were made before.
        snapshot: PathBuf,
    },
    /// Wait until all are healthy and run the expected images, and watch that they stay so.
    AwaitHealth {
        /// The stack.
        stack: StackRef,
        /// What to look at.
        targets: Vec<HealthTarget>,
        /// The image that each promoted service must run.
        expect: BTreeMap<ServiceName, ImageSource>,
        /// How long.
        settings: HealthSettings,
    },
    /// Run a command of the team's own.
    Hook {
        /// The stack.
        stack: StackRef,
        /// The command, and what takes it back.
        hook: Hook,
        /// For one in a promoted service: what its reference must name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<HookImage>,
        /// Where its output goes.
        log: PathBuf,
    },
    /// The commit point: from here on the release is what the environment runs.
    Commit {
        /// The release.
        release: PlannedRelease,
    },
    /// Make a reference name nothing.
    Untag {
        /// The reference.
        reference: ImageReference,
    },
    /// Remove the file of a [`Snapshot`](Self::Snapshot).
    DiscardSnapshot {
        /// The file.
        file: PathBuf,
    },
    /// A step of an embedder's own; see [`StepHandler`](crate::engine::StepHandler).
    External {
        /// Which handler.
        kind: String,
        /// The version of `payload`'s format.
        version: u32,
        /// What the handler is given. No secrets: it is recorded.
        payload: serde_json::Value,
    },
}

/// What is pulled, and what that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullTarget {
    /// What the registry is asked for.
    pub source: PullSource,
    /// What a tag named here when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<ImageId>,
    /// The image that must come; `None` where it is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<ImageIdentity>,
}

/// The image that a hook runs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookImage {
    /// The service's reference.
    pub reference: ImageReference,
    /// The image of the release that is put on.
    pub image: ImageSource,
}

/// A release whose images may still have to be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRelease {
    /// Its name.
    pub tag: ReleaseTag,
    /// How it comes to be.
    pub kind: ReleaseKind,
    /// When it was planned, or when it was made where it is known already.
    pub created_at: Timestamp,
    /// Its images by service.
    pub images: BTreeMap<ServiceName, PlannedImage>,
    /// The source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceState>,
}

/// One image of a planned release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedImage {
    /// The repository.
    pub repository: String,
    /// The image.
    pub image: ImageSource,
    /// What its registry has it as, where that is known before it is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<RepositoryDigest>,
}

impl From<&Release> for PlannedRelease {
    fn from(release: &Release) -> Self {
        let planned = |image: &crate::domain::ReleaseImage| PlannedImage {
            repository: image.repository.clone(),
            image: ImageSource::Known(image.identity.clone()),
            digest: image.digest.clone(),
        };
        Self {
            tag: release.tag.clone(),
            kind: release.kind,
            created_at: release.created_at,
            images: release.images.iter().map(|(service, image)| (service.clone(), planned(image))).collect(),
            source: release.source.clone(),
        }
    }
}

/// What a step found out or made; recorded, and read by later steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "output")]
#[non_exhaustive]
pub enum Output {
    /// Nothing to tell.
    Done,
    /// Of [`Action::Fetch`].
    Fetched(Fetched),
    /// Of [`Action::Build`].
    Built {
        /// What came out, looked up after the build.
        images: BTreeMap<ServiceName, ImageIdentity>,
    },
    /// Of [`Action::Pull`].
    Pulled {
        /// What came, looked up after the pull.
        images: BTreeMap<ServiceName, PulledImage>,
    },
    /// Of [`Action::Backup`].
    BackedUp(BackupManifest),
    /// Of [`Action::Hook`].
    HookRan {
        /// The hook.
        name: HookName,
        /// What it printed.
        log: PathBuf,
    },
    /// Of [`Action::AwaitHealth`].
    Healthy {
        /// The last look.
        services: Vec<ServiceHealth>,
    },
    /// Of [`Action::Commit`].
    Committed(Release),
    /// Of [`Action::External`].
    External {
        /// What the handler answered. No secrets.
        value: serde_json::Value,
    },
}
