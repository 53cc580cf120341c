use ala_promote_core::backend::{Backend, BackendErrorKind};
use ala_promote_core::domain::{ImageId, ImageReference};

use super::support::{Stage, engines};

#[tokio::test]
async fn an_id_is_no_answer_to_a_reference() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let id = stage.image(&stage.reference("one"), "1", &[]);
        let hex = id.as_str().strip_prefix("sha256:").unwrap();
        // The first is read by engines as an id, the others as parts of one, if the tag is left out.
        for looks_like_an_id in
            [("sha256", hex), ("sha256", id.short()), (hex, "latest"), (id.short(), "latest")]
        {
            let reference = ImageReference::new(looks_like_an_id.0, looks_like_an_id.1).unwrap();
            assert_eq!(backend.images().resolve(&reference).await.unwrap(), None, "{reference}");
            backend.images().untag(&reference).await.unwrap();
        }
        assert!(backend.images().find(&id).await.unwrap().is_some());
        // Nor is the beginning of an id one.
        let short = ImageId::new(format!("sha256:{}", id.short()));
        assert_eq!(backend.images().find(&short).await.unwrap(), None);
        let error = backend.images().tag(&short, &stage.reference("two")).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::NotFound, "{error}");
        let reference = stage.reference("one").to_string();
        assert_eq!(backend.images().find(&ImageId::new(reference)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn untag_keeps_the_image_of_a_container_that_does_not_run() {
    for engine in engines() {
        for state in ["exited", "created"] {
            let stage = Stage::new(&engine);
            let backend = engine.backend().await;
            let images = backend.images();
            let one = stage.reference("one");
            let id = stage.image(&one, "1", &[]);
            let name = format!("{}-c", stage.prefix);
            let verb: &[&str] = if state == "created" { &["create"] } else { &["run", "-d"] };
            engine.docker(&[verb, &["--name", &name, &one.to_string(), "true"]].concat());
            if state == "exited" {
                engine.docker(&["wait", &name]);
            }
            images.untag(&one).await.unwrap();
            assert_eq!(images.resolve(&one).await.unwrap(), None, "{state}");
            assert!(images.find(&id).await.unwrap().is_some(), "{state}");
            assert_eq!(engine.docker(&["inspect", "--format", "{{.Image}}", &name]), id.as_str());
            engine.docker(&["start", &name]);
        }
    }
}
