//! How tests say what there is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ala_promote_core::backend::Clock as _;
use ala_promote_core::domain::{EnvironmentName, ImageReference, ProjectName};
use thiserror::Error;

use super::MemoryBackend;
use super::editor::EnvironmentEditor;
use super::image::Image;
use super::model::EnvironmentModel;
use super::source::{SourceCommit, SourceTree};
use super::state::State;
use super::world::World;
use crate::clock::VirtualClock;

/// What was told to a builder and can't be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the in-memory world can't be made: {}", problems.join("; "))]
#[non_exhaustive]
pub struct ModelError {
    /// Each thing that can't be.
    pub problems: Vec<String>,
}

/// Makes a [`MemoryBackend`].
#[derive(Debug)]
pub struct MemoryBuilder {
    root: Option<PathBuf>,
    clock: VirtualClock,
    source: Option<SourceTree>,
    model: BTreeMap<EnvironmentName, EnvironmentModel>,
    running: Vec<(EnvironmentName, ProjectName)>,
    images: Vec<ImageReference>,
    free_bytes: u64,
    problems: Vec<String>,
}

impl MemoryBuilder {
    pub(super) fn new() -> Self {
        Self {
            root: None,
            clock: VirtualClock::default(),
            source: Some(SourceTree::at(SourceCommit::new("first commit"))),
            model: BTreeMap::new(),
            running: Vec::new(),
            images: Vec::new(),
            free_bytes: 1 << 40,
            problems: Vec::new(),
        }
    }

    /// Puts the source tree into this real, existing folder, whose folder `deployment` the environments use. Without
    /// it, a temporary one is made that goes with the last handle of the backend.
    #[must_use]
    pub fn root(mut self, root: &Path) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    /// Goes by this clock.
    #[must_use]
    pub fn clock(mut self, clock: VirtualClock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts with this source tree, or with none.
    #[must_use]
    pub fn source(mut self, source: Option<SourceTree>) -> Self {
        self.source = source;
        self
    }

    /// Adds an environment. Its folder, its files (`docker-compose.<name>.yml`, `.env.<name>`) and its project
    /// (`ala-<name>`) have defaults.
    #[must_use]
    pub fn environment(mut self, name: &str, describe: impl FnOnce(&mut EnvironmentEditor)) -> Self {
        match (EnvironmentName::new(name), ProjectName::new(format!("ala-{name}"))) {
            (Ok(name), Ok(project)) => {
                let model = EnvironmentModel {
                    from: None,
                    protected: false,
                    project,
                    dir: PathBuf::new(),
                    files: vec![PathBuf::from(format!("docker-compose.{name}.yml"))],
                    env_file: PathBuf::from(format!(".env.{name}")),
                    variables: Some(BTreeMap::new()),
                    services: BTreeMap::new(),
                    networks: BTreeMap::new(),
                    volumes: BTreeMap::new(),
                    broken: None,
                    name: name.clone(),
                };
                let mut editor = EnvironmentEditor::new(model);
                describe(&mut editor);
                let (model, running, problems) = editor.finish();
                self.problems.extend(problems);
                if let Some(project) = running {
                    self.running.push((name.clone(), project));
                }
                if self.model.insert(name.clone(), model).is_some() {
                    self.problems.push(format!("there are two environments {name}"));
                }
            }
            (Err(error), _) | (_, Err(error)) => self.problems.push(error.to_string()),
        }
        self
    }

    /// Puts an image of its own under a reference.
    #[must_use]
    pub fn image(mut self, reference: &str) -> Self {
        match reference.parse() {
            Ok(reference) => self.images.push(reference),
            Err(error) => self.problems.push(format!("{error}")),
        }
        self
    }

    /// Leaves that much space on every disk; 1 TiB if nothing is said.
    #[must_use]
    pub fn free_bytes(mut self, bytes: u64) -> Self {
        self.free_bytes = bytes;
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// [`ModelError`] lists all that can't be: names that are none, two services on one port, an environment that is
    /// to run without an image.
    pub fn build(mut self) -> Result<MemoryBackend, ModelError> {
        let folder = match &self.root {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(|e| ModelError { problems: vec![e.to_string()] })?),
        };
        let root = self.root.clone().or_else(|| folder.as_ref().map(|f| f.path().to_owned()));
        let root = root.unwrap_or_default();
        for model in self.model.values_mut() {
            model.place(&root.join("deployment"));
        }
        let state = State { source: self.source.take(), free_bytes: self.free_bytes, ..State::default() };
        let world = World {
            root,
            _folder: folder,
            model: self.model,
            state: Arc::new(state),
            history: Vec::new(),
            next_id: 0,
        };
        let backend = MemoryBackend::over(world, self.clock);
        let mut problems = self.problems;
        for environment in backend.model().values() {
            if let Err(error) = std::fs::create_dir_all(&environment.dir) {
                problems.push(format!("{}: {error}", environment.dir.display()));
            }
        }
        problems.extend(backend.pull_all(&self.images).err().map(|e| e.to_string()));
        for (environment, project) in &self.running {
            problems.extend(backend.run_at_first(environment, project).err().map(|e| e.to_string()));
        }
        if problems.is_empty() { Ok(backend) } else { Err(ModelError { problems }) }
    }
}

impl EnvironmentModel {
    /// Puts relative paths into a folder.
    pub(super) fn place(&mut self, dir: &Path) {
        self.dir = dir.join(&self.dir);
        self.files = self.files.iter().map(|file| self.dir.join(file)).collect();
        self.env_file = self.dir.join(&self.env_file);
        for service in self.services.values_mut() {
            let binds = service.spec.binds.iter_mut().map(|bind| &mut bind.source);
            for path in binds.chain(&mut service.spec.env_files) {
                *path = self.dir.join(&*path);
            }
        }
    }
}

/// Images that nobody here builds, as a registry would give them.
pub(super) fn foreign_image(reference: &ImageReference, postgres: bool, created: &VirtualClock) -> Image {
    let content = BTreeMap::from([("reference".to_owned(), reference.to_string())]);
    let mut image = Image::made_of(&content, created.now());
    image.postgres = postgres;
    image
}
