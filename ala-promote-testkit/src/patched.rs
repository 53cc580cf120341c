//! A backend with some of its ports replaced.

use std::fmt;

use ala_promote_core::backend::{
    Backend, Builder, Database, Hooks, ImageStore, Lock, Probe, Source, Stacks, Witness,
};

/// A backend some of whose ports are others: a mock, or one that is wrong on purpose.
pub struct Patched<B> {
    base: B,
    images: Option<Box<dyn ImageStore>>,
    stacks: Option<Box<dyn Stacks>>,
    builder: Option<Box<dyn Builder>>,
    source: Option<Box<dyn Source>>,
    database: Option<Box<dyn Database>>,
    hooks: Option<Box<dyn Hooks>>,
    probe: Option<Box<dyn Probe>>,
    lock: Option<Box<dyn Lock>>,
    witness: Option<Box<dyn Witness>>,
}

macro_rules! replacing {
    ($($with:ident $port:ident: $trait:ident;)*) => {
        $(
            #[doc = concat!("Replaces the port `", stringify!($port), "`.")]
            #[must_use]
            pub fn $with(mut self, $port: impl $trait + 'static) -> Self {
                self.$port = Some(Box::new($port));
                self
            }
        )*
    };
}

impl<B: Backend> Patched<B> {
    /// The backend as it is.
    #[must_use]
    pub fn new(base: B) -> Self {
        Self {
            base,
            images: None,
            stacks: None,
            builder: None,
            source: None,
            database: None,
            hooks: None,
            probe: None,
            lock: None,
            witness: None,
        }
    }

    replacing! {
        with_images images: ImageStore;
        with_stacks stacks: Stacks;
        with_builder builder: Builder;
        with_source source: Source;
        with_database database: Database;
        with_hooks hooks: Hooks;
        with_probe probe: Probe;
        with_lock lock: Lock;
        with_witness witness: Witness;
    }
}

impl<B: Backend> Backend for Patched<B> {
    fn describe(&self) -> String {
        format!("{}, with ports replaced", self.base.describe())
    }
    fn images(&self) -> &dyn ImageStore {
        self.images.as_deref().unwrap_or_else(|| self.base.images())
    }
    fn stacks(&self) -> &dyn Stacks {
        self.stacks.as_deref().unwrap_or_else(|| self.base.stacks())
    }
    fn builder(&self) -> &dyn Builder {
        self.builder.as_deref().unwrap_or_else(|| self.base.builder())
    }
    fn source(&self) -> &dyn Source {
        self.source.as_deref().unwrap_or_else(|| self.base.source())
    }
    fn database(&self) -> &dyn Database {
        self.database.as_deref().unwrap_or_else(|| self.base.database())
    }
    fn hooks(&self) -> &dyn Hooks {
        self.hooks.as_deref().unwrap_or_else(|| self.base.hooks())
    }
    fn probe(&self) -> &dyn Probe {
        self.probe.as_deref().unwrap_or_else(|| self.base.probe())
    }
    fn lock(&self) -> &dyn Lock {
        self.lock.as_deref().unwrap_or_else(|| self.base.lock())
    }
    fn witness(&self) -> &dyn Witness {
        self.witness.as_deref().unwrap_or_else(|| self.base.witness())
    }
}

impl<B: Backend> fmt::Debug for Patched<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}
