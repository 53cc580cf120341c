//! Which environments there are, and where they stand.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::config::conventions::{self, PRODUCTION, STAGING};
use crate::config::error::SettingsError;
use crate::config::file::{ConfigFile, EnvironmentTable};
use crate::config::paths::{absolute, same};
use crate::config::source::Source;
use crate::domain::EnvironmentName;

/// The environments of one folder while they are put together.
pub(super) struct Drafts<'a> {
    pub(super) source: &'a Source,
    pub(super) folder: &'a Path,
    pub(super) all: BTreeMap<EnvironmentName, Draft<'a>>,
    /// The environment whose Compose files are those that Compose itself takes in the folder.
    pub(super) own_stack: Option<EnvironmentName>,
}

/// An environment of which only its table and folder are known.
pub(super) struct Draft<'a> {
    pub(super) table: &'a EnvironmentTable,
    /// Where its table stands in the config file; for one that is there by convention, the file's beginning.
    pub(super) span: Range<usize>,
    pub(super) dir: PathBuf,
    /// Whether it stands in a folder other than the one that is worked on.
    pub(super) apart: bool,
}

impl<'a> Drafts<'a> {
    pub(super) fn new(
        source: &'a Source,
        folder: &'a Path,
        config: &'a ConfigFile,
        unwritten: &'a EnvironmentTable,
    ) -> Result<Self, SettingsError> {
        let mut drafts = Self { source, folder, all: BTreeMap::new(), own_stack: None };
        for (name, table) in &config.environments {
            let draft = drafts.draft(name, table.get_ref(), table.span())?;
            drafts.all.insert(name.clone(), draft);
        }
        let conventional = drafts.conventional();
        drafts.own_stack = drafts.written_own_stack(conventional).cloned();
        let mut add = |name: &str| {
            let name = EnvironmentName::new(name)?;
            let draft = Draft { table: unwritten, span: 0..0, dir: folder.to_owned(), apart: false };
            drafts.all.entry(name.clone()).or_insert(draft);
            Ok::<_, SettingsError>(name)
        };
        if conventional && conventions::overlay_file(folder, STAGING).is_some() {
            add(STAGING)?;
        }
        let production_written = config.environments.keys().any(|name| name.as_str() == PRODUCTION);
        if conventional && drafts.own_stack.is_none() && !production_written {
            drafts.own_stack = Some(add(PRODUCTION)?);
        }
        Ok(drafts)
    }

    fn draft(
        &self,
        name: &EnvironmentName,
        table: &'a EnvironmentTable,
        span: Range<usize>,
    ) -> Result<Draft<'a>, SettingsError> {
        let Some(written) = &table.dir else {
            return Ok(Draft { table, span, dir: self.folder.to_owned(), apart: false });
        };
        let dir = absolute(self.folder, written.get_ref().as_path());
        if !dir.is_dir() {
            let problem = format!("environment `{name}`: there is no folder {}", dir.display());
            return Err(self.source.error(&written.span(), problem));
        }
        let apart = !same(&dir, self.folder);
        Ok(Draft { table, span, dir, apart })
    }

    /// Whether `staging` and `production` are there without being written. A config that speaks of environments, but of
    /// neither of these two, has its own and means no others.
    fn conventional(&self) -> bool {
        let origins = self.all.values().filter_map(|draft| draft.table.from.as_ref().map(Spanned::get_ref));
        let mut mentioned = self.all.keys().chain(origins);
        self.all.is_empty() || mentioned.any(|name| [PRODUCTION, STAGING].contains(&name.as_str()))
    }

    /// The written environment that has the folder's own stack: `production`; else one that lists just the files that
    /// Compose takes by itself; else, among environments with names of their own, one that says nothing of files and
    /// has no file by convention.
    fn written_own_stack(&self, conventional: bool) -> Option<&EnvironmentName> {
        let here = || self.all.iter().filter(|(_, draft)| !draft.apart);
        let own = conventions::own_compose_files(self.folder);
        let lists_own = |draft: &Draft<'_>| {
            draft.table.files.as_ref().is_some_and(|files| {
                let mut paths = files.get_ref().iter().map(|f| absolute(&draft.dir, f.get_ref().as_path()));
                paths.all(|path| own.contains(&path))
            })
        };
        let bare = |name: &EnvironmentName, draft: &Draft<'_>| {
            draft.table.files.is_none() && conventions::overlay_file(self.folder, name.as_str()).is_none()
        };
        here()
            .find(|(name, _)| name.as_str() == PRODUCTION)
            .or_else(|| here().find(|(_, draft)| lists_own(draft)))
            .or_else(|| here().find(|(name, draft)| !conventional && bare(name, draft)))
            .map(|(name, _)| name)
    }
}
