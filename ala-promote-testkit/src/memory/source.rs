//! The source tree: commits say what the images do that are built from them.

use std::collections::BTreeMap;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, Fetched, Source};
use ala_promote_core::domain::SourceState;
use async_trait::async_trait;

use super::MemoryBackend;
use super::image::{ImageBehaviour, digest};

/// A commit. What it says of a service goes for the image that is built for that service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCommit {
    /// Its id, 40 hex digits; follows from its parent and its message.
    pub id: String,
    /// Its message.
    pub message: String,
    /// What holds for services that are not named below.
    pub(super) all: Content,
    /// What holds for single services.
    pub(super) services: BTreeMap<String, Content>,
    /// The only services that it changes, if it says so.
    only: Option<Vec<String>>,
}

/// The source of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Content {
    /// Different text, different image.
    pub(super) version: String,
    pub(super) behaviour: ImageBehaviour,
    /// The last lines of the build, where it fails.
    pub(super) breaks_build: Option<String>,
}

impl SourceCommit {
    /// A commit that changes every service, to ones that work.
    #[must_use]
    pub fn new(message: &str) -> Self {
        let all = Content { version: message.to_owned(), ..Content::default() };
        Self {
            id: digest(&["", message]).chars().take(40).collect(),
            message: message.to_owned(),
            all,
            services: BTreeMap::new(),
            only: None,
        }
    }

    /// Changes these services only; images of the others come out as they were.
    #[must_use]
    pub fn only(mut self, services: &[&str]) -> Self {
        self.only = Some(services.iter().map(|&s| s.to_owned()).collect());
        self
    }

    /// Makes a service behave like that.
    #[must_use]
    pub fn behaviour(mut self, service: &str, behaviour: ImageBehaviour) -> Self {
        self.content_mut(service).behaviour = behaviour;
        self
    }

    /// Makes a service's build fail with these last lines.
    #[must_use]
    pub fn breaks_build(mut self, service: &str, last_lines: &str) -> Self {
        self.content_mut(service).breaks_build = Some(last_lines.to_owned());
        self
    }

    fn content_mut(&mut self, service: &str) -> &mut Content {
        self.services.entry(service.to_owned()).or_insert_with(|| self.all.clone())
    }

    pub(super) fn content(&self, service: &str) -> &Content {
        self.services.get(service).unwrap_or(&self.all)
    }

    /// This commit on top of another.
    fn on(mut self, parent: &Self) -> Self {
        self.id = digest(&[&parent.id, &self.message]).chars().take(40).collect();
        if let Some(only) = &self.only {
            let mut services = parent.services.clone();
            for service in only {
                services.insert(service.clone(), self.content(service).clone());
            }
            (self.all, self.services) = (parent.all.clone(), services);
        }
        self
    }
}

/// The source tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    /// The branch; `None` on a detached head.
    pub branch: Option<String>,
    /// The commit that is checked out.
    pub head: SourceCommit,
    /// Whether tracked files differ from it.
    pub dirty: bool,
    /// What a fetch would find.
    pub upstream: Upstream,
}

/// What a fetch would find.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Upstream {
    /// The branch has no upstream.
    None,
    /// The upstream is ahead by nothing or by these, oldest first.
    Ahead(Vec<SourceCommit>),
    /// It went another way, so that it can't be fast-forwarded to.
    Diverged,
    /// It does not answer.
    Unreachable,
}

impl SourceTree {
    /// A clean tree on `main` with an upstream that has nothing new.
    #[must_use]
    pub fn at(head: SourceCommit) -> Self {
        Self { branch: Some("main".to_owned()), head, dirty: false, upstream: Upstream::Ahead(Vec::new()) }
    }

    /// Puts a commit on top of the head.
    pub fn commit(&mut self, commit: SourceCommit) {
        self.head = commit.on(&self.head);
    }
}

#[async_trait]
impl Source for MemoryBackend {
    async fn state(&self, dir: &Path) -> BackendResult<Option<SourceState>> {
        self.step().await;
        let root = self.root();
        Ok(self.state().source.as_ref().filter(|_| dir.starts_with(root)).map(|tree| SourceState {
            commit: tree.head.id.clone(),
            tree: digest(&["tree", &tree.head.id]).chars().take(40).collect(),
            branch: tree.branch.clone(),
            dirty: tree.dirty,
        }))
    }

    async fn fetch(&self, dir: &Path, call: &Call) -> BackendResult<Fetched> {
        self.step().await;
        let what = "fetch the source";
        let skipped = |reason: &str| Ok(Fetched::Skipped { reason: reason.to_owned() });
        let Some(tree) = self.state().source.clone().filter(|_| dir.starts_with(self.root())) else {
            return skipped("the folder is in no source tree");
        };
        if tree.branch.is_none() {
            return skipped("no branch is checked out");
        }
        if call.cancel.is_cancelled() {
            return Err(super::cancelled(what));
        }
        match tree.upstream {
            Upstream::None => skipped("the branch has no upstream"),
            Upstream::Unreachable => {
                Err(BackendError::new(BackendErrorKind::Unavailable, what, "the upstream does not answer"))
            }
            Upstream::Diverged => {
                let error = "the upstream is no descendant of what is checked out";
                Err(BackendError::new(BackendErrorKind::Failed, what, error)
                    .with_hint("merge or rebase by hand, then try again"))
            }
            Upstream::Ahead(commits) => self.change(what, |state, _| {
                let from = tree.head.id.clone();
                let Some(tree) = &mut state.source else { return skipped("the source tree went away") };
                for commit in commits {
                    tree.commit(commit);
                }
                tree.upstream = Upstream::Ahead(Vec::new());
                Ok(Fetched::Updated { from, to: tree.head.id.clone() })
            }),
        }
    }
}
