//! Mocks of the small ports, by [`mockall`]: for claims about calls, which the in-memory backend can't state since it
//! only knows what came of them. To say what must be the case afterwards, use [`memory`](crate::memory).
//!
//! A claim that no fake can state: a reference that is to be moved away from is untagged exactly once, and not before
//! the new one names the image, since an engine may remove an image with its last reference.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ala_promote_core::backend::{Backend, BackendResult};
//! use ala_promote_core::domain::{ImageId, ImageReference};
//! use ala_promote_testkit::memory::MemoryBackend;
//! use ala_promote_testkit::mocks::MockImageStore;
//! use ala_promote_testkit::patched::Patched;
//! use mockall::Sequence;
//!
//! async fn rename(on: &dyn Backend, id: &ImageId, from: &ImageReference, to: &ImageReference) -> BackendResult<()> {
//!     on.images().tag(id, to).await?;
//!     on.images().untag(from).await
//! }
//!
//! let (old, new): (ImageReference, ImageReference) = ("ala-api:old".parse()?, "ala-api:new".parse()?);
//! let (mut images, mut order) = (MockImageStore::new(), Sequence::new());
//! let (expected_new, expected_old) = (new.clone(), old.clone());
//! images.expect_tag().once().in_sequence(&mut order).withf(move |_, to| *to == expected_new).returning(|_, _| Ok(()));
//! images.expect_untag().once().in_sequence(&mut order).withf(move |r| *r == expected_old).returning(|_| Ok(()));
//!
//! let backend = Patched::new(MemoryBackend::builder().build()?).with_images(images);
//! rename(&backend, &ImageId::new("sha256:1"), &old, &new).await?;
//! # Ok(()) }
//! ```

use std::path::Path;

use ala_promote_core::backend::{BackendResult, Call, Fetched, ImageStore, Probe, Source};
use ala_promote_core::domain::{
    HealthTarget, ImageId, ImageIdentity, ImageReference, ServiceHealth, SourceState, StackRef,
};
use async_trait::async_trait;
use mockall::mock;

mock! {
    /// A mock of the image store.
    #[derive(Debug)]
    pub ImageStore {}

    #[async_trait]
    impl ImageStore for ImageStore {
        async fn resolve(&self, reference: &ImageReference) -> BackendResult<Option<ImageIdentity>>;
        async fn find(&self, id: &ImageId) -> BackendResult<Option<ImageIdentity>>;
        async fn tag(&self, id: &ImageId, reference: &ImageReference) -> BackendResult<()>;
        async fn untag(&self, reference: &ImageReference) -> BackendResult<()>;
    }
}

mock! {
    /// A mock of the probe.
    #[derive(Debug)]
    pub Probe {}

    #[async_trait]
    impl Probe for Probe {
        async fn look(&self, stack: &StackRef, targets: &[HealthTarget]) -> BackendResult<Vec<ServiceHealth>>;
        fn address(&self) -> String;
    }
}

mock! {
    /// A mock of the source tree.
    #[derive(Debug)]
    pub Source {}

    #[async_trait]
    impl Source for Source {
        async fn state(&self, dir: &Path) -> BackendResult<Option<SourceState>>;
        async fn fetch(&self, dir: &Path, call: &Call) -> BackendResult<Fetched>;
    }
}
