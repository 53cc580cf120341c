//! The builder's port. The same source and settings give the same image.

use std::collections::BTreeMap;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Builder, Call};
use ala_promote_core::domain::{
    BuildSpec, ImageIdentity, ImageReference, PullSource, PulledImage, ServiceName, StackRef,
};
use async_trait::async_trait;

use super::image::Image;
use super::model::ServiceModel;
use super::{MemoryBackend, State, cancelled};

#[async_trait]
impl Builder for MemoryBackend {
    async fn build(
        &self,
        stack: &StackRef,
        targets: &BTreeMap<ServiceName, ImageReference>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, ImageIdentity>> {
        self.step().await;
        let what = format!("build for {}", stack.environment);
        let model = self.environment_model(&what, &stack.environment)?;
        model.render(stack)?;
        // Compose refuses all when one of them can't be built at all.
        for service in targets.keys() {
            buildable(&what, service, model.services.get(service))?;
        }
        let mut built = BTreeMap::new();
        for (service, reference) in targets {
            call.line(&format!("{service}: building {reference}"));
            self.step().await;
            if call.cancel.is_cancelled() {
                return Err(cancelled(&what));
            }
            let (service_model, spec) = buildable(&what, service, model.services.get(service))?;
            let image = self.image_of_source(service, service_model, spec)?;
            self.put_image(&format!("build {reference}"), &image, reference)?;
            built.insert(service.clone(), self.stored(&image));
        }
        Ok(built)
    }

    async fn pull(
        &self,
        stack: &StackRef,
        sources: &BTreeMap<ServiceName, PullSource>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, PulledImage>> {
        self.pull_from_registry(stack, sources, call).await
    }
}

fn buildable<'a>(
    what: &str,
    service: &ServiceName,
    model: Option<&'a ServiceModel>,
) -> BackendResult<(&'a ServiceModel, &'a BuildSpec)> {
    let Some(model) = model else {
        let detail = format!("there is no service {service}");
        return Err(BackendError::new(BackendErrorKind::NotFound, what, detail));
    };
    model.spec.build.as_ref().map(|spec| (model, spec)).ok_or_else(|| {
        let detail = format!("service {service} is not built here");
        BackendError::new(BackendErrorKind::Invalid, what, detail)
    })
}

impl MemoryBackend {
    /// The image that the source, as it is now, makes for a service.
    pub(super) fn image_of_source(
        &self,
        service: &ServiceName,
        model: &ServiceModel,
        spec: &BuildSpec,
    ) -> BackendResult<Image> {
        let revealed = |(key, value): (&String, &ala_promote_core::domain::Secret)| {
            (format!("build.{key}"), value.reveal().to_owned())
        };
        let mut content: BTreeMap<String, String> = spec.settings.iter().map(revealed).collect();
        let state = self.state();
        let Some(tree) = &state.source else {
            return Ok(Image { postgres: model.postgres, ..Image::made_of(&content, self.now()) });
        };
        let source = tree.head.content(service.as_str());
        if let Some(last_lines) = &source.breaks_build {
            let what = format!("build service {service}");
            return Err(BackendError::new(BackendErrorKind::Failed, what, last_lines));
        }
        content.insert("source".to_owned(), source.version.clone());
        if tree.dirty {
            content.insert("uncommitted".to_owned(), "changes".to_owned());
        }
        let image = Image::made_of(&content, self.now());
        Ok(Image { behaviour: source.behaviour.clone(), postgres: model.postgres, ..image })
    }

    /// Puts an image into the store, under a reference. An image that is there already stays as it is.
    pub(super) fn put_image(
        &self,
        what: &str,
        image: &Image,
        reference: &ImageReference,
    ) -> BackendResult<()> {
        self.change(what, |state: &mut State, _| {
            state.images.entry(image.id().clone()).or_insert_with(|| image.clone());
            state.references.insert(reference.clone(), image.id().clone());
            Ok(())
        })
    }

    /// As the store has it: the creation time of one that was built before is the one of then.
    fn stored(&self, image: &Image) -> ImageIdentity {
        self.state().images.get(image.id()).unwrap_or(image).identity.clone()
    }
}
