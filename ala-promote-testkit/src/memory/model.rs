//! What the files of environments say: the in-memory stand-in for Compose files and env files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{
    EnvironmentName, ImageReference, ProjectName, Render, Resource, Secret, ServiceName, ServiceSpec,
    StackChange, StackRef,
};

/// One environment as its files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentModel {
    /// Its name.
    pub name: EnvironmentName,
    /// The environment that its releases come from.
    pub from: Option<EnvironmentName>,
    /// Whether its data is precious.
    pub protected: bool,
    /// The project as Compose would name it.
    pub project: ProjectName,
    /// The project directory, absolute.
    pub dir: PathBuf,
    /// The Compose files, absolute.
    pub files: Vec<PathBuf>,
    /// The env file, absolute.
    pub env_file: PathBuf,
    /// What the env file holds; `None` when there is no such file.
    pub variables: Option<BTreeMap<String, Secret>>,
    /// The services.
    pub services: BTreeMap<ServiceName, ServiceModel>,
    /// Networks by key.
    pub networks: BTreeMap<String, Resource>,
    /// Named volumes by key.
    pub volumes: BTreeMap<String, Resource>,
    /// What is wrong with the files' syntax, if anything: `line 7: …`.
    pub broken: Option<String>,
}

/// One service as the files say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceModel {
    /// As it renders.
    pub spec: ServiceSpec,
    /// Variables of the env file that it uses and has no default for.
    pub needs: BTreeSet<String>,
    /// The exit code with which its command ends at once, for a job.
    pub exits: Option<i64>,
    /// Whether its image, where it is not built here, is PostgreSQL.
    pub postgres: bool,
}

impl EnvironmentModel {
    /// The stack under a project's name.
    #[must_use]
    pub fn stack(&self, project: ProjectName) -> StackRef {
        StackRef {
            environment: self.name.clone(),
            project,
            dir: self.dir.clone(),
            files: self.files.clone(),
            env_file: Some(self.env_file.clone()),
            service_env_files: BTreeMap::new(),
            changes: Vec::new(),
            derived_file: None,
        }
    }

    /// Fails when the stack names other files than there are.
    pub(super) fn check_stack(&self, what: &str, stack: &StackRef) -> BackendResult<()> {
        let mut expected = self.stack(stack.project.clone());
        expected.service_env_files.clone_from(&stack.service_env_files);
        expected.changes.clone_from(&stack.changes);
        expected.derived_file.clone_from(&stack.derived_file);
        if *stack == expected {
            return self.check_changes(what, stack);
        }
        let detail = format!(
            "the stack names the folder {}, files {:?} and env file {:?}, but there are {}, {:?} and {:?}",
            stack.dir.display(),
            stack.files,
            stack.env_file,
            expected.dir.display(),
            expected.files,
            expected.env_file
        );
        Err(BackendError::new(BackendErrorKind::Invalid, what, detail))
    }

    /// Fails when the stack is to have otherwise what it does not have.
    fn check_changes(&self, what: &str, stack: &StackRef) -> BackendResult<()> {
        let has = |change: &&StackChange| {
            let Some(service) = self.services.get(change.service()) else { return false };
            match change {
                StackChange::PortDropped { port, .. } | StackChange::PortMoved { port, .. } => {
                    service.spec.ports.contains(port)
                }
                StackChange::ContainerRenamed { name, .. } => {
                    service.spec.container_name.as_ref() == Some(name)
                }
                StackChange::ImageRenamed { image, .. } => service.spec.image.as_ref() == Some(image),
                _ => false,
            }
        };
        let Some(change) = stack.changes.iter().find(|change| !has(change)) else { return Ok(()) };
        let detail = format!("service {} has nothing for {change:?}", change.service());
        Err(BackendError::new(BackendErrorKind::Invalid, what, detail))
    }

    /// What Compose would say.
    pub(super) fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        let what = format!("render {}", self.name);
        let invalid = |detail: String| BackendError::new(BackendErrorKind::Invalid, &what, detail);
        self.check_stack(&what, stack)?;
        if let (Some(broken), Some(file)) = (&self.broken, self.files.last()) {
            return Err(invalid(format!("{}: {broken}", file.display())));
        }
        let variables = self.variables()?;
        for (name, service) in &self.services {
            if let Some(missing) = service.needs.iter().find(|v| !variables.contains_key(*v)) {
                let file = self.env_file.display();
                return Err(invalid(format!("service {name} uses the variable {missing}, which is not set"))
                    .with_hint(format!("set {missing} in {file}")));
            }
        }
        let name_of = |resource: &Resource, key: &str| Resource {
            name: if resource.name.is_empty() {
                format!("{}_{key}", stack.project)
            } else {
                resource.name.clone()
            },
            external: resource.external,
        };
        let named = |map: &BTreeMap<String, Resource>| {
            map.iter().map(|(key, resource)| (key.clone(), name_of(resource, key))).collect()
        };
        Ok(Render {
            stack: stack.clone(),
            services: self.services.iter().map(|(n, s)| (n.clone(), s.rendered(n, stack))).collect(),
            networks: named(&self.networks),
            volumes: named(&self.volumes),
            places: Default::default(),
            notes: Vec::new(),
        })
    }

    /// The env file's variables, or that it is missing.
    pub(super) fn variables(&self) -> BackendResult<&BTreeMap<String, Secret>> {
        self.variables.as_ref().ok_or_else(|| {
            let file = self.env_file.display();
            let what = format!("read the env file of {}", self.name);
            BackendError::new(BackendErrorKind::Invalid, what, format!("{file} does not exist"))
                .with_hint(format!("copy its template: cp {file}.template {file}"))
        })
    }
}

impl ServiceModel {
    /// As it renders in a stack, with that one's changes; Compose names what it builds where the files don't.
    fn rendered(&self, name: &ServiceName, stack: &StackRef) -> ServiceSpec {
        let mut spec = self.spec.changed(name, &stack.changes);
        for file in &mut spec.env_files {
            if let Some(read) = stack.service_env_files.get(file) {
                file.clone_from(read);
            }
        }
        if spec.image.is_none() && spec.build.is_some() {
            spec.image = ImageReference::new(&format!("{}-{name}", stack.project), "latest").ok();
        }
        spec
    }
}
