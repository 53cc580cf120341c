//! What a backend says that it can do, and what happens to stacks behind its back.

use std::fmt;

use async_trait::async_trait;

/// What a backend may do or not. Images, locks and the witness are for all to have: no engine works without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Claim {
    /// It starts services, saves how they are made, and looks at their health.
    Stacks,
    /// Stacks are written in files with variables of an env file.
    Files,
    /// It sees who holds a host port, also where that is none of its own.
    ForeignPorts,
    /// It builds images.
    Builds,
    /// It pulls images.
    Pulls,
    /// Stacks are in a source tree that has an upstream.
    SourceTree,
    /// It finds databases and backs them up.
    Databases,
    /// It runs commands on the host.
    HostHooks,
    /// It runs commands in services' images.
    ServiceHooks,
}

impl Claim {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Stacks,
        Self::Files,
        Self::ForeignPorts,
        Self::Builds,
        Self::Pulls,
        Self::SourceTree,
        Self::Databases,
        Self::HostHooks,
        Self::ServiceHooks,
    ];
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stacks => "stacks",
            Self::Files => "files",
            Self::ForeignPorts => "foreign ports",
            Self::Builds => "builds",
            Self::Pulls => "pulls",
            Self::SourceTree => "source tree",
            Self::Databases => "databases",
            Self::HostHooks => "hooks on the host",
            Self::ServiceHooks => "hooks in services",
        })
    }
}

/// What people and bad luck do to a stack. A case asks only for what belongs to claims that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accident {
    /// [`Claim::Stacks`]: the container of the fixture's service is stopped, and stays as it is otherwise.
    ServiceStops,
    /// [`Claim::Builds`]: the service's build prints `conformance-broken` and fails.
    BuildBreaks,
    /// For all: somebody takes away what keeps others from working on the stack's project.
    LockGoes,
    /// [`Claim::Files`]: the stack's files can't be read any more.
    FilesBreak,
    /// [`Claim::Files`]: the variable that holds the fixture's secret is taken out of the env file.
    VariableGoes,
    /// [`Claim::Files`]: that variable gets another value, also in what the service's environment would be.
    VariableChanges,
    /// [`Claim::Files`]: the env file is gone.
    EnvFileGoes,
    /// [`Claim::ForeignPorts`]: something that is none of the backend's takes this TCP port.
    PortIsTaken(u16),
    /// [`Claim::SourceTree`]: the upstream has a commit more.
    UpstreamMoves,
    /// [`Claim::SourceTree`]: the upstream went another way.
    UpstreamDiverges,
    /// [`Claim::SourceTree`]: no branch is checked out.
    HeadDetaches,
    /// [`Claim::Databases`]: from now on, dumps end after so many bytes, in the way in which a backend notices least.
    DumpsAreCut {
        /// How many bytes come.
        after: u64,
    },
}

/// Stands for what was made for a case: dropped, it removes all of it. Until then it lets accidents happen.
#[async_trait]
pub trait Guard: Send + Sync {
    /// Lets it happen.
    ///
    /// # Errors
    /// Why it can't.
    async fn happen(&self, accident: Accident) -> Result<(), String>;
}
