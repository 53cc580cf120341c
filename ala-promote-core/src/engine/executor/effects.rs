//! What each kind of step does.

use std::collections::BTreeMap;
use std::path::Path;

use super::Executor;
use super::health::Expectation;
use crate::backend::{BackendError, BackendErrorKind, BackendResult, Call, Fetched};
use crate::domain::{ImageIdentity, Release, ReleaseImage, RepositoryDigest, ServiceName, StackRef};
use crate::engine::Progress;
use crate::plan::{Action, ImageSource, Output, PlannedRelease, PullTarget, Step};

impl Executor<'_> {
    /// Ensures a step's effect, and looks what came of it.
    pub(super) async fn effect(&self, known: &Progress, step: &Step) -> BackendResult<Output> {
        let call = self.call(&step.id, self.cancel.clone());
        let stacks = self.backend.stacks();
        match &step.action {
            Action::Fetch { dir } => self.fetch(dir, &call).await.map(Output::Fetched),
            Action::Snapshot { stack, services, file } => {
                stacks.snapshot(stack, services, file).await.map(|()| Output::Done)
            }
            Action::Build { stack, targets } => {
                let images = self.backend.builder().build(stack, targets, &call).await?;
                match targets.keys().find(|service| !images.contains_key(*service)) {
                    Some(service) => Err(failed("build", format!("no image came out for service {service}"))),
                    None => Ok(Output::Built { images }),
                }
            }
            Action::Pull { stack, targets } => self.pull(stack, targets, &call).await,
            Action::Tag { reference, to, .. } => {
                let image = resolve(known, to)?;
                self.backend.images().tag(&image.id, reference).await?;
                match self.backend.images().resolve(reference).await? {
                    Some(found) if found.is_same(&image) => Ok(Output::Done),
                    _ => Err(failed(
                        format!("tag {reference}"),
                        "it names another image right after it was set",
                    )),
                }
            }
            Action::Backup { stack, database, file } => {
                let operation = &known.plan().operation;
                let dump = self.backend.database().dump(stack, database, operation, file, &call);
                dump.await.map(Output::BackedUp)
            }
            Action::Swap { stack, services, .. } => {
                // A swap in hand is finished, also when the operation is being cancelled.
                let call = self.call(&step.id, crate::backend::CancelToken::new());
                stacks.up(stack, services, &call).await.map(|()| Output::Done)
            }
            Action::AwaitHealth { stack, targets, expect, settings } => {
                let images =
                    expect.iter().map(|(service, source)| Ok((service.clone(), resolve(known, source)?)));
                let images = images.collect::<BackendResult<BTreeMap<_, _>>>()?;
                let expectation = Expectation { stack, targets, images: &images, settings };
                self.await_health(&expectation).await.map(|services| Output::Healthy { services })
            }
            Action::Hook { stack, hook, image, log } => {
                self.run_hook(known, stack, hook, image.as_ref(), log, &call).await
            }
            Action::Commit { release } => resolve_release(known, release).map(Output::Committed),
            Action::Untag { reference } => {
                self.backend.images().untag(reference).await.map(|()| Output::Done)
            }
            Action::DiscardSnapshot { file } => stacks.discard_snapshot(file).await.map(|()| Output::Done),
            Action::External { kind, version, payload } => {
                let value = self.handler(kind)?.run(*version, payload, &call).await?;
                Ok(Output::External { value })
            }
        }
    }

    /// A fetch that failed may have moved the tree all the same; only a look tells. It is not undone, so to say that it
    /// changed nothing would be wrong.
    async fn fetch(&self, dir: &Path, call: &Call) -> BackendResult<Fetched> {
        let source = self.backend.source();
        let before = source.state(dir).await?;
        let fetched = source.fetch(dir, call).await;
        let Err(error) = fetched else { return fetched };
        match (before, source.state(dir).await) {
            (Some(before), Ok(Some(now))) if before.commit != now.commit => {
                Ok(Fetched::Updated { from: before.commit, to: now.commit })
            }
            _ => Err(error),
        }
    }

    /// Pulls, and holds what came against what must come.
    async fn pull(
        &self,
        stack: &StackRef,
        targets: &BTreeMap<ServiceName, PullTarget>,
        call: &Call,
    ) -> BackendResult<Output> {
        let sources =
            targets.iter().map(|(service, target)| (service.clone(), target.source.clone())).collect();
        let images = self.backend.builder().pull(stack, &sources, call).await?;
        for (service, target) in targets {
            let Some(image) = images.get(service) else {
                return Err(failed("pull", format!("no image came for service {service}")));
            };
            if target.expect.as_ref().is_some_and(|expected| !expected.is_same(&image.identity)) {
                let what = format!("pull {}", target.source);
                return Err(failed(what, "the image that came is not the one that the release had"));
            }
        }
        Ok(Output::Pulled { images })
    }

    pub(super) fn handler(&self, kind: &str) -> BackendResult<&dyn crate::engine::StepHandler> {
        let missing = || {
            BackendError::new(
                BackendErrorKind::Unsupported,
                format!("step of kind {kind}"),
                "no handler is registered",
            )
            .with_hint("run it with the program that planned it")
        };
        self.handlers.get(kind).map(AsRef::as_ref).ok_or_else(missing)
    }
}

pub(super) fn failed(what: impl Into<String>, detail: impl Into<String>) -> BackendError {
    BackendError::new(BackendErrorKind::Failed, what, detail)
}

/// The image that a source means, from what earlier steps found out.
pub(super) fn resolve(known: &Progress, source: &ImageSource) -> BackendResult<ImageIdentity> {
    match source {
        ImageSource::Known(image) => Ok(image.clone()),
        ImageSource::Built { step, service } => match known.output(step) {
            Some(Output::Built { images }) => images.get(service).cloned(),
            Some(Output::Pulled { images }) => images.get(service).map(|image| image.identity.clone()),
            _ => None,
        }
        .ok_or_else(|| failed("plan", format!("{step} made no image for service {service}"))),
    }
}

/// What the registry has an image as that an earlier step pulled.
fn pulled_digest(known: &Progress, source: &ImageSource) -> Option<RepositoryDigest> {
    let ImageSource::Built { step, service } = source else { return None };
    match known.output(step) {
        Some(Output::Pulled { images }) => images.get(service)?.digest.clone(),
        _ => None,
    }
}

fn resolve_release(known: &Progress, planned: &PlannedRelease) -> BackendResult<Release> {
    let images = planned.images.iter().map(|(service, image)| {
        let identity = resolve(known, &image.image)?;
        let digest = image.digest.clone().or_else(|| pulled_digest(known, &image.image));
        Ok((service.clone(), ReleaseImage { repository: image.repository.clone(), identity, digest }))
    });
    Ok(Release {
        tag: planned.tag.clone(),
        kind: planned.kind,
        created_at: planned.created_at,
        images: images.collect::<BackendResult<_>>()?,
        source: planned.source.clone(),
    })
}
