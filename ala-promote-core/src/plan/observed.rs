//! What was seen of the world before deciding. Collected once, by the engine; the planner and the gates only read it.

use std::collections::BTreeMap;

use super::Finding;
use crate::backend::{PortHolder, Room, Witnessed};
use crate::domain::{
    Container, EnvironmentName, ImageId, ImageIdentity, ImageReference, Render, Secret, ServiceDatabase,
    ServiceHealth, ServiceName, SourceState,
};

/// What was seen. Holds secrets within its renders; never recorded.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The environments in question: the one that changes, the one it is promoted from, and others that must stay
    /// apart from it.
    pub environments: BTreeMap<EnvironmentName, ObservedEnvironment>,
    /// What each reference in question names; a reference that is missing here names nothing.
    pub references: BTreeMap<ImageReference, ImageIdentity>,
    /// The images of known releases that the store still has.
    pub images: BTreeMap<ImageId, ImageIdentity>,
    /// Holders of the ports in question.
    pub port_holders: Vec<PortHolder>,
    /// Databases in containers of the environment that changes.
    pub databases: Vec<ServiceDatabase>,
    /// Space for the backups, where any will be taken: the databases' sizes are added up.
    pub room: Option<Room>,
    /// Where the source stands.
    pub source: Option<SourceState>,
    /// What the witness says about this folder's ledger.
    pub witnessed: Option<Witnessed>,
    /// What could not be seen, and other things to know.
    pub notes: Vec<Finding>,
    /// Where published ports answer.
    pub address: String,
}

/// One environment.
#[derive(Debug, Clone)]
pub struct ObservedEnvironment {
    /// Its stack as rendered.
    pub render: Render,
    /// Its containers.
    pub containers: Vec<Container>,
    /// One look at each service that runs.
    pub health: Vec<ServiceHealth>,
    /// URLs of the databases outside of the stack that the config backs up, by the keys of the env file that hold them.
    pub urls: BTreeMap<String, Secret>,
}

impl ObservedEnvironment {
    /// The containers of one service.
    pub fn containers_of<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a Container> + 'a {
        self.containers.iter().filter(move |container| &container.service == service)
    }

    /// Whether any of its containers runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.containers.iter().any(Container::is_running)
    }
}
