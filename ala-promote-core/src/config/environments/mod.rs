//! The environments: what the config file says of them, over what the folder means by convention.

mod apart;
mod draft;
mod files;
mod lineage;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::Path;

use toml::Spanned;

use super::conventions::{self, PRODUCTION};
use super::error::SettingsError;
use super::file::{ConfigFile, EnvironmentTable};
use super::paths::{absolute, same};
use super::settings::{Beside, EnvFileChoice, EnvironmentSettings};
use super::source::Source;
use super::value::{WrittenPath, compose_project};
use crate::domain::{EnvironmentName, ProjectName, ServiceName};
use draft::{Draft, Drafts};

/// The longest suffix of a name, in bytes.
const MAX_SUFFIX_BYTES: usize = 32;

/// Which environment comes from which.
type Origins = BTreeMap<EnvironmentName, Option<EnvironmentName>>;

/// Puts together all environments of a folder.
pub(super) fn environments(
    source: &Source,
    folder: &Path,
    config: &ConfigFile,
) -> Result<BTreeMap<EnvironmentName, EnvironmentSettings>, SettingsError> {
    let unwritten = EnvironmentTable::default();
    let drafts = Drafts::new(source, folder, config, &unwritten)?;
    let origins = drafts.origins()?;
    if let Some(circle) = lineage::circle(&origins) {
        return Err(drafts.circular(&circle));
    }
    let resolved: BTreeMap<_, _> = drafts
        .all
        .iter()
        .map(|(name, draft)| Ok((name.clone(), drafts.resolve(name, draft, &origins)?)))
        .collect::<Result<_, SettingsError>>()?;
    drafts.check_apart(&resolved)?;
    Ok(resolved)
}

impl Drafts<'_> {
    fn resolve(
        &self,
        name: &EnvironmentName,
        draft: &Draft<'_>,
        origins: &Origins,
    ) -> Result<EnvironmentSettings, SettingsError> {
        let files = self.files(name, draft)?;
        let (env_file, env_file_choice) = match &draft.table.env_file {
            Some(written) => (Some(absolute(&draft.dir, written.as_path())), EnvFileChoice::Named),
            None => {
                let site = conventions::EnvFileSite {
                    dir: &draft.dir,
                    environment: name.as_str(),
                    own_stack: self.own_stack.as_ref() == Some(name),
                    alone: !self.all.iter().any(|(n, d)| n != name && same(&d.dir, &draft.dir)),
                };
                let files = self.files_to_look_through(&files, &draft.dir)?;
                let choice = EnvFileChoice::Convention { rivals: conventions::rival_env_files(&site) };
                (conventions::env_file(&site, &files), choice)
            }
        };
        let feeds_others = origins.values().any(|from| from.as_ref() == Some(name));
        let from = origins.get(name).cloned().flatten();
        Ok(EnvironmentSettings {
            name: name.clone(),
            dir: draft.dir.clone(),
            files,
            env_file,
            env_file_choice,
            project: self.project(draft)?,
            map: self.map(name, draft, from.is_some())?,
            from,
            // An environment that others take from is there to be tried on; any other may hold what people rely on.
            protected: draft.table.protected.unwrap_or(name.as_str() == PRODUCTION || !feeds_others),
            beside: self.beside(draft)?,
        })
    }

    fn beside(&self, draft: &Draft<'_>) -> Result<Option<Beside>, SettingsError> {
        let Some(table) = &draft.table.beside else { return Ok(None) };
        let port_offset = table.port_offset.as_ref().map(|written| {
            let offset = u16::try_from(*written.get_ref()).ok().and_then(NonZeroU16::new);
            offset.ok_or_else(|| {
                let problem = "`port_offset` is a number from 1 to 65535, such as 10000".to_owned();
                self.source.error(&written.span(), problem)
            })
        });
        let path = |written: &WrittenPath| absolute(&draft.dir, written.as_path());
        Ok(Some(Beside {
            port_offset: port_offset.transpose()?,
            container_suffix: self.suffix("container_suffix", &table.container_suffix)?,
            image_suffix: self.suffix("image_suffix", &table.image_suffix)?,
            env_files: table.env_files.iter().map(|(given, read)| (path(given), path(read))).collect(),
        }))
    }

    /// The end of a name.
    fn suffix(&self, key: &str, written: &Option<Spanned<String>>) -> Result<Option<String>, SettingsError> {
        let Some(written) = written else { return Ok(None) };
        let suffix = written.get_ref();
        let is_of_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if suffix.is_empty() || suffix.len() > MAX_SUFFIX_BYTES || !suffix.chars().all(is_of_names) {
            let problem =
                format!("`{key}` is made of letters, digits, `-`, `_` and `.`, such as \"-staging\"");
            return Err(self.source.error(&written.span(), problem));
        }
        Ok(Some(suffix.clone()))
    }

    fn project(&self, draft: &Draft<'_>) -> Result<Option<ProjectName>, SettingsError> {
        let Some(written) = &draft.table.project else { return Ok(None) };
        match compose_project(written.get_ref().as_str()) {
            Ok(()) => Ok(Some(written.get_ref().clone())),
            Err(problem) => Err(self.source.error(&written.span(), problem)),
        }
    }

    /// In the file a pair reads `source = target`; in the settings the target's name leads to the source's.
    fn map(
        &self,
        name: &EnvironmentName,
        draft: &Draft<'_>,
        has_origin: bool,
    ) -> Result<BTreeMap<ServiceName, ServiceName>, SettingsError> {
        let mut map = BTreeMap::new();
        for (theirs, ours) in &draft.table.map {
            let fail = |problem: String| Err(self.source.error(&Spanned::span(ours), problem));
            if !has_origin {
                return fail(format!("environment `{name}` has a `map`, but comes `from` nowhere"));
            }
            let ours = ours.get_ref();
            if let Some(other) = map.insert(ours.clone(), theirs.clone()) {
                let problem = format!(
                    "environment `{name}`: `map` pairs service `{ours}` with both `{other}` and `{theirs}`"
                );
                return fail(problem);
            }
        }
        Ok(map)
    }
}
