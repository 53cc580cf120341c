//! Starting services, saving how they are made, and making them so again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, PortHolder, Stacks};
use ala_promote_core::config::{ComposeFiles, Settings};
use ala_promote_core::domain::{
    Container, EnvironmentName, PortMapping, ProjectName, Render, ServiceName, StackRef,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::containers::Made;
use crate::file::StackFile;
use crate::host::{LocalBackend, read, remove, write};

/// How long a port may take to answer that nobody else listens on it.
const PORT_LIMIT: Duration = Duration::from_secs(1);

/// A snapshot: each service as it was made, and whether it ran; or that it was not.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    services: BTreeMap<ServiceName, Option<Saved>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    made: Made,
    ran: bool,
}

#[async_trait]
impl Stacks for LocalBackend {
    async fn resolve(&self, settings: &Settings, environment: &EnvironmentName) -> BackendResult<StackRef> {
        let what = format!("find the stack of {environment}");
        let wanted = settings.environments.get(environment).ok_or_else(|| {
            BackendError::new(BackendErrorKind::NotFound, &what, "the settings have no such environment")
        })?;
        let ran: BTreeSet<ProjectName> = self
            .all_made()?
            .into_iter()
            .filter_map(|made| (made.dir == wanted.dir).then_some(made.project))
            .collect();
        let project = match (&wanted.project, ran.first()) {
            (Some(named), Some(ran)) if named != ran => {
                let detail = format!("the settings say project {named}, but it runs as project {ran}");
                return Err(BackendError::new(BackendErrorKind::Conflict, what, detail));
            }
            (named, ran) => {
                named.clone().or_else(|| ran.cloned()).map_or_else(|| called_after(&wanted.dir), Ok)?
            }
        };
        let files = match &wanted.files {
            ComposeFiles::Exactly(files) => files.clone(),
            _ => vec![wanted.dir.join("stack.json")],
        };
        Ok(StackRef {
            environment: environment.clone(),
            project,
            dir: wanted.dir.clone(),
            files,
            env_file: None,
            service_env_files: BTreeMap::new(),
            changes: Vec::new(),
            derived_file: None,
        })
    }

    async fn render(&self, stack: &StackRef) -> BackendResult<Render> {
        Ok(StackFile::of(stack)?.render(stack))
    }

    async fn containers(&self, project: &ProjectName) -> BackendResult<Vec<Container>> {
        let made = self.all_made()?.into_iter().filter(|made| made.project == *project);
        Ok(made.map(|made| self.observed(made)).collect())
    }

    async fn port_holders(&self, wanted: &[PortMapping]) -> BackendResult<Vec<PortHolder>> {
        let running: Vec<Made> = self.all_made()?.into_iter().filter(Made::is_running).collect();
        let holder = |port: &PortMapping| {
            let number = port.published?;
            if let Some(made) = running.iter().find(|made| made.config.port == Some(number)) {
                return Some(PortHolder {
                    port: port.clone(),
                    holder: format!("{}-{}", made.project, made.service),
                    project: Some(made.project.clone()),
                    service: Some(made.service.clone()),
                });
            }
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
            let holder = "a process that is none of ours".to_owned();
            let answers = TcpStream::connect_timeout(&address, PORT_LIMIT).is_ok();
            answers.then(|| PortHolder { port: port.clone(), holder, project: None, service: None })
        };
        Ok(wanted.iter().filter_map(holder).collect())
    }

    async fn up(&self, stack: &StackRef, services: &[ServiceName], call: &Call) -> BackendResult<()> {
        let file = StackFile::of(stack)?;
        // What can't be is said before anything changes.
        let wanted = services.iter().map(|service| self.wanted(stack, &file, service));
        for made in wanted.collect::<BackendResult<Vec<_>>>()? {
            self.make(&made).await?;
            call.line(&format!("{} started", made.service));
        }
        Ok(())
    }

    async fn snapshot(&self, stack: &StackRef, services: &[ServiceName], file: &Path) -> BackendResult<()> {
        if read::<Snapshot>(file).is_ok_and(|snapshot| snapshot.is_some()) {
            return Ok(());
        }
        let mut saved = BTreeMap::new();
        for service in services {
            let made = self.made(&stack.project, service)?;
            saved.insert(service.clone(), made.map(|made| Saved { ran: made.is_running(), made }));
        }
        write(file, &Snapshot { version: 1, services: saved })
    }

    async fn restore(&self, stack: &StackRef, file: &Path, call: &Call) -> BackendResult<()> {
        let what = format!("restore {} from {}", stack.environment, file.display());
        let snapshot: Snapshot = read(file)?
            .ok_or_else(|| BackendError::new(BackendErrorKind::NotFound, &what, "there is no such file"))?;
        for (service, saved) in &snapshot.services {
            match saved {
                None => self.unmake(&stack.project, service).await?,
                Some(Saved { made, ran: true }) => self.make(made).await?,
                Some(Saved { made, ran: false }) => {
                    self.make(made).await?;
                    self.end(&stack.project, service).await?;
                }
            }
            call.line(&format!("{service} restored"));
        }
        Ok(())
    }

    async fn discard_snapshot(&self, file: &Path) -> BackendResult<()> {
        remove(file)
    }
}

impl LocalBackend {
    /// How a service is to be made now.
    fn wanted(&self, stack: &StackRef, file: &StackFile, name: &ServiceName) -> BackendResult<Made> {
        let missing =
            |detail: String| BackendError::new(BackendErrorKind::NotFound, format!("start {name}"), detail);
        let service = file
            .services
            .get(name)
            .ok_or_else(|| missing(format!("{} has no such service", stack.environment)))?;
        let image = self
            .named(&service.image)
            .ok_or_else(|| missing(format!("{} names no image; build it first", service.image)))?;
        Ok(Made {
            id: new_id(&stack.project, name),
            dir: stack.dir.clone(),
            project: stack.project.clone(),
            service: name.clone(),
            image: image.id,
            reference: service.image.clone(),
            config: service.config(),
        })
    }
}

/// No two are alike, whoever makes them: the time in nanoseconds, and who asks.
fn new_id(project: &ProjectName, service: &ServiceName) -> String {
    let now = jiff::Timestamp::now().as_nanosecond();
    format!("{project}-{service}-{now:x}-{}", std::process::id())
}

fn called_after(dir: &Path) -> BackendResult<ProjectName> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    ProjectName::new(name).map_err(|error| {
        let what = format!("name a project after {}", dir.display());
        BackendError::new(BackendErrorKind::Invalid, what, error.to_string())
    })
}
