//! What a test does to the world, behind the engine's back: as a person, a registry or bad luck would.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, LockHolder};
use ala_promote_core::domain::{EnvironmentName, ImageId, ImageReference, ProjectName, ServiceName};

use super::builder::foreign_image;
use super::editor::EnvironmentEditor;
use super::state::HeldLock;
use super::world::Moment;
use super::{MemoryBackend, ModelError, SourceCommit, SourceTree, State};

impl MemoryBackend {
    /// Changes anything, as long as what comes out can be.
    ///
    /// # Errors
    /// When it can't: a host port or a name taken twice, a container without its image. Nothing has changed then.
    pub fn act(&self, what: &str, act: impl FnOnce(&mut State)) -> BackendResult<()> {
        self.change(what, |state, _| {
            act(state);
            Ok(())
        })
    }

    /// Edits the files of an environment; what runs stays as it is.
    ///
    /// # Errors
    /// When there is no such environment, or a name is none.
    pub fn edit(
        &self,
        environment: &str,
        edit: impl FnOnce(&mut EnvironmentEditor),
    ) -> Result<(), ModelError> {
        let missing = || ModelError { problems: vec![format!("there is no environment {environment}")] };
        let mut world = self.lock_world();
        let place = world.model.get(environment).map(|model| model.dir.clone()).ok_or_else(missing)?;
        let model = world.model.get_mut(environment).ok_or_else(missing)?;
        let mut editor = EnvironmentEditor::new(model.clone());
        edit(&mut editor);
        let (mut edited, _, problems) = editor.finish();
        if !problems.is_empty() {
            return Err(ModelError { problems });
        }
        edited.place(&place);
        *model = edited;
        Ok(())
    }

    /// Commits to the source tree, if there is one.
    pub fn commit(&self, commit: SourceCommit) {
        self.edit_source(|tree| tree.commit(commit));
    }

    /// Pushes a commit to the upstream, so that a fetch finds it.
    pub fn push_upstream(&self, commit: SourceCommit) {
        self.edit_source(|tree| match &mut tree.upstream {
            super::Upstream::Ahead(commits) => commits.push(commit),
            other => *other = super::Upstream::Ahead(vec![commit]),
        });
    }

    /// Edits the source tree, if there is one.
    pub fn edit_source(&self, edit: impl FnOnce(&mut SourceTree)) {
        self.act_freely("edit the source", |state| {
            if let Some(tree) = &mut state.source {
                edit(tree);
            }
        });
    }

    /// What a reference names now.
    #[must_use]
    pub fn image(&self, reference: &str) -> Option<ImageId> {
        let reference: ImageReference = reference.parse().ok()?;
        self.state().references.get(&reference).cloned()
    }

    /// The ids of the images of an environment's running containers, by service.
    #[must_use]
    pub fn running(&self, environment: &str) -> BTreeMap<ServiceName, Vec<ImageId>> {
        let running = |name: &EnvironmentName| self.state().running(name, self.now());
        EnvironmentName::new(environment).map(|name| running(&name)).unwrap_or_default()
    }

    /// The ids of an environment's containers.
    #[must_use]
    pub fn container_ids(&self, environment: &str) -> BTreeSet<String> {
        EnvironmentName::new(environment).map(|name| self.state().container_ids(&name)).unwrap_or_default()
    }

    /// Inserts a row into an environment's database, whose service is `service`.
    pub fn insert_row(&self, environment: &str, service: &str, row: &str) {
        let Some(key) = self.database_key(environment, service) else { return };
        self.act_freely("insert a row", |state| {
            state.databases.entry(key).or_default().push(row.to_owned());
        });
    }

    /// The rows of an environment's database.
    #[must_use]
    pub fn rows(&self, environment: &str, service: &str) -> Vec<String> {
        let key = self.database_key(environment, service);
        key.and_then(|key| self.state().databases.get(&key).cloned()).unwrap_or_default()
    }

    fn database_key(&self, environment: &str, service: &str) -> Option<(ProjectName, ServiceName)> {
        Some((self.stack(environment)?.project, ServiceName::new(service).ok()?))
    }

    /// Lets a service's containers end with an exit code.
    ///
    /// # Errors
    /// Never, as ending frees things only.
    pub fn kill(&self, environment: &str, service: &str, exit_code: i64) -> BackendResult<()> {
        let Some(stack) = self.stack(environment) else { return Ok(()) };
        let state = self.state();
        let mut names = state.containers_in(&stack.project).filter(|c| c.service.as_str() == service);
        names.try_for_each(|c| self.stop(&c.name, exit_code))
    }

    /// Lets something that is no container hold a host port.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn occupy_port(&self, port: u16, holder: &str) -> BackendResult<()> {
        self.act(&format!("take port {port}"), |state| {
            state.foreign_ports.insert(port, holder.to_owned());
        })
    }

    /// Lets another operation hold a project's lock, whoever held it before; one that is not alive left it behind.
    pub fn hold_lock(&self, project: &ProjectName, holder: &LockHolder, alive: bool) {
        let lock = HeldLock { holder: holder.clone(), alive, child: None, token: self.fresh_id() };
        self.act_freely("another operation locks", |state| {
            state.locks.insert(project.clone(), lock);
        });
    }

    /// Lets a child of the dead holder of a project's lock go on working for a while.
    pub fn outlive(&self, project: &ProjectName, child: &str, how_long: Duration) {
        let until = self.now() + how_long;
        self.act_freely("a child outlives its parent", |state| {
            if let Some(held) = state.locks.get_mut(project) {
                held.child = Some((child.to_owned(), until));
            }
        });
    }

    /// Removes the images that have no reference and no container, as `docker image prune` does; gives their ids.
    pub fn prune(&self) -> BTreeSet<ImageId> {
        let before = self.state();
        self.act_freely("prune images", |state| {
            let ids: Vec<_> = state.images.keys().cloned().collect();
            ids.iter().for_each(|id| state.drop_if_unused(id));
        });
        let after = self.state();
        before.images.keys().filter(|id| !after.images.contains_key(id)).cloned().collect()
    }

    /// Removes an image and its references, as `docker image rm -f` does.
    ///
    /// # Errors
    /// [`BackendErrorKind::NotFound`] when there is none, [`BackendErrorKind::Conflict`] while a container uses it.
    pub fn remove_image(&self, id: &ImageId) -> BackendResult<()> {
        let what = format!("remove image {}", id.short());
        self.change(&what, |state, _| {
            state.references.retain(|_, named| named != id);
            state.images.remove(id).map(|_| ()).ok_or_else(|| {
                BackendError::new(BackendErrorKind::NotFound, &what, "there is no such image in the store")
            })
        })
    }

    /// An act that can't make a state that can't be.
    pub(super) fn act_freely(&self, what: &str, act: impl FnOnce(&mut State)) {
        let done = self.act(what, act);
        debug_assert!(done.is_ok(), "{what}");
    }

    /// Gets all images that nobody here builds.
    pub(super) fn pull_all(&self, more: &[ImageReference]) -> BackendResult<()> {
        let model = self.model();
        let services: Vec<_> = model.values().flat_map(|e| e.services.values()).collect();
        let built: BTreeSet<_> = services
            .iter()
            .filter(|s| s.spec.build.is_some())
            .filter_map(|s| s.spec.image.as_ref().map(ImageReference::repository))
            .collect();
        let foreign = services.iter().filter(|s| s.spec.build.is_none());
        let foreign = foreign.filter_map(|s| s.spec.image.as_ref().map(|i| (i, s.postgres)));
        let foreign = foreign.filter(|(image, _)| !built.contains(image.repository()));
        for (reference, postgres) in foreign.chain(more.iter().map(|image| (image, false))) {
            let image = foreign_image(reference, postgres, &self.clock);
            self.put_image(&format!("pull {reference}"), &image, reference)?;
        }
        Ok(())
    }

    /// Starts an environment that is to run before the test begins; the history begins after it.
    pub(super) fn run_at_first(
        &self,
        environment: &EnvironmentName,
        project: &ProjectName,
    ) -> BackendResult<()> {
        let model = self.environment_model("run at first", environment)?;
        for (name, service) in &model.services {
            if let (Some(reference), Some(build)) = (&service.spec.image, &service.spec.build) {
                let image = self.image_of_source(name, service, build)?;
                self.put_image("build", &image, reference)?;
            }
        }
        for service in model.services.values() {
            if let Some(reference) = service.spec.image.as_ref().filter(|r| self.state().resolve(r).is_none())
            {
                let image = foreign_image(reference, service.postgres, &self.clock);
                self.put_image("pull", &image, reference)?;
            }
        }
        let services: Vec<_> = model.services.keys().cloned().collect();
        if !services.is_empty() {
            let stack = model.stack(project.clone());
            finish(self.bring_up(&stack, &services, &ala_promote_core::backend::Call::silent()))?;
        }
        let mut world = self.lock_world();
        let state = std::sync::Arc::clone(&world.state);
        world.history = vec![Moment { at: self.now(), what: "at first".to_owned(), state }];
        Ok(())
    }
}

/// Polls a future of this backend until it is done: it waits for nobody else.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
