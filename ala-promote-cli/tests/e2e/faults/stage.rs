//! The sample with two releases, and an independent look at what it runs.

use std::collections::BTreeMap;

use ala_promote_demo::{EngineEnv, Environment, Sample};

use crate::script::{call, hurry, images};

use Environment::{Production, Staging};

/// The image ids by promoted service.
pub(super) type Images = BTreeMap<String, String>;

pub(super) const OLD: &str = "1.0.0";
pub(super) const NEW: &str = "2.0.0";

/// Production runs the old release, and staging has tested the new one.
pub(super) struct Stage {
    pub(super) sample: Sample,
    pub(super) old: Images,
    pub(super) new: Images,
}

impl Stage {
    pub(super) fn create(engine: &EngineEnv) -> Self {
        let sample = Sample::create(engine).expect("the sample can be built");
        hurry(&sample);
        sample.release(OLD).expect("a release");
        call(&sample, &["deploy-staging"]).expect(0, &[]);
        call(&sample, &["promote-to-production", "--confirm", "production"]).expect(0, &[]);
        let old = promoted(&sample, Production);
        sample.release(NEW).expect("a release");
        call(&sample, &["deploy-staging"]).expect(0, &[]);
        let new = promoted(&sample, Staging);
        assert!(old.len() == 3 && new.len() == 3 && old.iter().all(|(service, id)| new[service] != *id));
        Self { sample, old, new }
    }

    /// The version of the one release that production runs whole, as the engine tells: images, tags, containers.
    #[track_caller]
    pub(super) fn production_runs(&self) -> &'static str {
        let running = promoted(&self.sample, Production);
        expect_tags(&self.sample, Production, &running);
        match running {
            running if running == self.old => OLD,
            running if running == self.new => NEW,
            mixed => panic!("neither the old release nor the new one: {mixed:?}"),
        }
    }
}

/// What runs of the promoted services.
pub(super) fn promoted(sample: &Sample, environment: Environment) -> Images {
    images(sample, environment).into_iter().filter(|(service, _)| service != "db").collect()
}

/// The environment's tags name what runs.
#[track_caller]
pub(super) fn expect_tags(sample: &Sample, environment: Environment, running: &Images) {
    let tag = match environment {
        Staging => "staging",
        Production => "production",
    };
    for (service, image) in [("backend", "api"), ("worker", "api"), ("frontend", "frontend")] {
        let reference = format!("{}-{image}:{tag}", sample.name());
        let id = sample.engine().docker(&["inspect", "--format", "{{.Id}}", &reference]);
        assert_eq!(running.get(service), id.ok().as_ref(), "{service} does not run {reference}");
    }
}
