//! Which Compose files an environment takes.

use std::path::{Path, PathBuf};

use toml::Spanned;

use super::draft::{Draft, Drafts};
use crate::config::conventions;
use crate::config::error::SettingsError;
use crate::config::paths::{absolute, present};
use crate::config::settings::ComposeFiles;
use crate::config::value::WrittenPath;
use crate::domain::EnvironmentName;

impl Drafts<'_> {
    pub(super) fn files(
        &self,
        name: &EnvironmentName,
        draft: &Draft<'_>,
    ) -> Result<ComposeFiles, SettingsError> {
        if let Some(files) = &draft.table.files {
            return self.written_files(name, draft, files);
        }
        if draft.apart || self.own_stack.as_ref() == Some(name) {
            return Ok(ComposeFiles::AsRunning);
        }
        match (conventions::overlay_file(self.folder, name.as_str()), &self.own_stack) {
            (Some(overlay), Some(base)) => Ok(ComposeFiles::OverlayOn { overlay, base: base.clone() }),
            (Some(overlay), None) => Err(self.nothing_below(name, draft, &overlay)),
            (None, Some(_)) => Err(self.no_files(name, draft)),
            (None, None) => Ok(ComposeFiles::AsRunning),
        }
    }

    fn written_files(
        &self,
        name: &EnvironmentName,
        draft: &Draft<'_>,
        files: &Spanned<Vec<Spanned<WrittenPath>>>,
    ) -> Result<ComposeFiles, SettingsError> {
        if files.get_ref().is_empty() {
            return Err(self
                .source
                .error(&files.span(), format!("environment `{name}`: `files` lists no file")));
        }
        let mut paths: Vec<PathBuf> = Vec::new();
        for written in files.get_ref() {
            let path = absolute(&draft.dir, written.get_ref().as_path());
            if !present(&path) {
                let problem = format!("environment `{name}`: there is no file {}", path.display());
                return Err(self.source.error(&written.span(), problem));
            }
            // Compose would merge it with itself and append each of its lists twice.
            if paths.contains(&path) {
                let problem = format!("environment `{name}`: {} is listed twice", path.display());
                return Err(self.source.error(&written.span(), problem));
            }
            paths.push(path);
        }
        Ok(ComposeFiles::Exactly(paths))
    }

    /// The Compose files that can be known now: those that run may be others.
    pub(super) fn files_to_look_through(
        &self,
        files: &ComposeFiles,
        dir: &Path,
    ) -> Result<Vec<PathBuf>, SettingsError> {
        match files {
            ComposeFiles::AsRunning => Ok(conventions::own_compose_files(dir)),
            ComposeFiles::Exactly(files) => Ok(files.clone()),
            ComposeFiles::OverlayOn { overlay, base } => {
                let mut all = match self.all.get(base) {
                    // No deeper than this: a base has the folder's own stack and is no overlay itself.
                    Some(draft) => self.files_to_look_through(&self.files(base, draft)?, &draft.dir)?,
                    None => Vec::new(),
                };
                all.push(overlay.clone());
                Ok(all)
            }
        }
    }

    fn nothing_below(&self, name: &EnvironmentName, draft: &Draft<'_>, overlay: &Path) -> SettingsError {
        let problem = format!(
            "environment `{name}`: no environment has the Compose files of this folder, so {} would be laid over \
             nothing",
            overlay.display()
        );
        self.source
            .error(&draft.span, problem)
            .with_hint(format!("list all its `files` under [environments.{name}]"))
    }

    fn no_files(&self, name: &EnvironmentName, draft: &Draft<'_>) -> SettingsError {
        let looked_for = conventions::overlay_names(name.as_str()).join(", ");
        let folder = self.folder.display();
        let problem =
            format!("environment `{name}` has no Compose file; looked in {folder} for {looked_for}");
        self.source
            .error(&draft.span, problem)
            .with_hint(format!("create one of these, or set `files` or `dir` under [environments.{name}]"))
    }
}
