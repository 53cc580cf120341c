//! How tests say what an environment's files say.

use std::path::PathBuf;

use ala_promote_core::domain::{EnvironmentName, ProjectName, Resource, Secret, ServiceName};

use super::model::{EnvironmentModel, ServiceModel};
use super::service_editor::{ServiceEditor, noted};

/// Edits an environment's files. What can't be is collected and told by whoever handed the editor out.
#[derive(Debug)]
pub struct EnvironmentEditor {
    model: EnvironmentModel,
    running: Option<ProjectName>,
    problems: Vec<String>,
    /// Takes what is said of a service whose name is none.
    scrap: ServiceModel,
}

impl EnvironmentEditor {
    pub(super) fn new(model: EnvironmentModel) -> Self {
        Self { model, running: None, problems: Vec::new(), scrap: ServiceModel::default() }
    }

    pub(super) fn finish(self) -> (EnvironmentModel, Option<ProjectName>, Vec<String>) {
        (self.model, self.running, self.problems)
    }

    /// Takes its releases from that environment.
    pub fn from(&mut self, environment: &str) -> &mut Self {
        self.model.from = noted(EnvironmentName::new(environment), &mut self.problems);
        self
    }

    /// Makes its data precious.
    pub fn protected(&mut self) -> &mut Self {
        self.model.protected = true;
        self
    }

    /// Gives it that project.
    pub fn project(&mut self, project: &str) -> &mut Self {
        if let Some(project) = noted(ProjectName::new(project), &mut self.problems) {
            self.model.project = project;
        }
        self
    }

    /// Puts it into that folder of its own, relative to `deployment`.
    pub fn dir(&mut self, dir: &str) -> &mut Self {
        self.model.dir = PathBuf::from(dir);
        self
    }

    /// Renders from these Compose files and that env file, relative to its folder.
    pub fn files(&mut self, compose: &[&str], env_file: &str) -> &mut Self {
        self.model.files = compose.iter().map(PathBuf::from).collect();
        self.model.env_file = PathBuf::from(env_file);
        self
    }

    /// Lets it already run, on images from the source tree's first commit.
    pub fn running(&mut self) -> &mut Self {
        self.running = Some(self.model.project.clone());
        self
    }

    /// Lets it already run, started by hand under another project's name.
    pub fn running_as(&mut self, project: &str) -> &mut Self {
        self.running = noted(ProjectName::new(project), &mut self.problems);
        self
    }

    /// Sets a variable in the env file.
    pub fn variable(&mut self, name: &str, value: &str) -> &mut Self {
        let variables = self.model.variables.get_or_insert_default();
        variables.insert(name.to_owned(), Secret::new(value));
        self
    }

    /// Takes a variable out of the env file.
    pub fn without_variable(&mut self, name: &str) -> &mut Self {
        self.model.variables.iter_mut().for_each(|variables| drop(variables.remove(name)));
        self
    }

    /// Takes the env file away.
    pub fn without_env_file(&mut self) -> &mut Self {
        self.model.variables = None;
        self
    }

    /// Breaks the last Compose file: `line 7: mapping values are not allowed here`.
    pub fn broken(&mut self, problem: &str) -> &mut Self {
        self.model.broken = Some(problem.to_owned());
        self
    }

    /// Mends what [`broken`](Self::broken) broke.
    pub fn mended(&mut self) -> &mut Self {
        self.model.broken = None;
        self
    }

    /// Adds a network; an empty `name` is `<project>_<key>`.
    pub fn network(&mut self, key: &str, name: &str, external: bool) -> &mut Self {
        self.model.networks.insert(key.to_owned(), Resource { name: name.to_owned(), external });
        self
    }

    /// Adds a named volume; an empty `name` is `<project>_<key>`.
    pub fn volume(&mut self, key: &str, name: &str, external: bool) -> &mut Self {
        self.model.volumes.insert(key.to_owned(), Resource { name: name.to_owned(), external });
        self
    }

    /// Adds a service, or goes on with one.
    pub fn service(&mut self, name: &str) -> ServiceEditor<'_> {
        let service = match noted(ServiceName::new(name), &mut self.problems) {
            Some(service) => self.model.services.entry(service).or_default(),
            None => &mut self.scrap,
        };
        service.spec.replicas = service.spec.replicas.max(1);
        ServiceEditor { name: name.to_owned(), service, problems: &mut self.problems }
    }

    /// Takes a service out.
    pub fn without_service(&mut self, name: &str) -> &mut Self {
        self.model.services.retain(|service, _| service.as_str() != name);
        self
    }
}
