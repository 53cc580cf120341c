//! Mocks in place of ports of a backend.

use ala_promote_core::backend::{Backend as _, Call, Fetched};
use ala_promote_testkit::memory::MemoryBackend;
use ala_promote_testkit::mocks::{MockImageStore, MockProbe, MockSource};
use ala_promote_testkit::patched::Patched;

#[tokio::test]
async fn mocks_take_the_place_of_ports_and_the_rest_stays() {
    let world = MemoryBackend::ala_medical().build().unwrap();
    let (mut images, mut probe, mut source) = (MockImageStore::new(), MockProbe::new(), MockSource::new());
    images.expect_resolve().once().returning(|_| Ok(None));
    images.expect_tag().never();
    probe.expect_address().return_const("192.0.2.1".to_owned());
    source.expect_fetch().once().returning(|_, _| Ok(Fetched::Skipped { reason: "as told".into() }));

    let backend = Patched::new(world.clone()).with_images(images).with_probe(probe).with_source(source);
    assert_eq!(backend.images().resolve(&"ala-api:staging".parse().unwrap()).await.unwrap(), None);
    assert_eq!(backend.probe().address(), "192.0.2.1");
    let fetched = backend.source().fetch(&world.root(), &Call::silent()).await.unwrap();
    assert_eq!(fetched, Fetched::Skipped { reason: "as told".into() });
    let containers = backend.stacks().containers(&"ala".parse().unwrap()).await.unwrap();
    assert_eq!(containers.len(), 4);
}

#[tokio::test]
#[should_panic = "untag"]
async fn a_call_that_was_not_expected_fails_the_test() {
    let backend = Patched::new(MemoryBackend::builder().build().unwrap()).with_images(MockImageStore::new());
    let _ = backend.images().untag(&"ala-api:old".parse().unwrap()).await;
}
