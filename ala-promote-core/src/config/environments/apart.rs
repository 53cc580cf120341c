//! No two environments may be the same stack, as far as the config alone tells. What only the rendered Compose files
//! tell is for a gate.

use std::collections::BTreeMap;

use toml::Spanned;

use super::draft::{Draft, Drafts};
use crate::config::error::SettingsError;
use crate::config::paths::same;
use crate::config::settings::{ComposeFiles, EnvironmentSettings};
use crate::domain::EnvironmentName;

impl Drafts<'_> {
    pub(super) fn check_apart(
        &self,
        resolved: &BTreeMap<EnvironmentName, EnvironmentSettings>,
    ) -> Result<(), SettingsError> {
        let mut before: Vec<&EnvironmentSettings> = Vec::new();
        for one in resolved.values() {
            let Some(draft) = self.all.get(&one.name) else { continue };
            for other in &before {
                self.check_pair(draft, other, one)?;
            }
            before.push(one);
        }
        Ok(())
    }

    fn check_pair(
        &self,
        draft: &Draft<'_>,
        other: &EnvironmentSettings,
        one: &EnvironmentSettings,
    ) -> Result<(), SettingsError> {
        if one.project != other.project {
            return Ok(());
        }
        let names = format!("environments `{}` and `{}`", other.name, one.name);
        if let Some(project) = &one.project {
            let span = draft.table.project.as_ref().map(Spanned::span).unwrap_or_default();
            let problem = format!(
                "{names} have the same Compose project `{project}`: each would replace the other's containers"
            );
            return Err(self.source.error(&span, problem).with_hint("give each its own `project`"));
        }
        // Compose names both projects after the folder then, unless their env files name others.
        let same_names = one.files == ComposeFiles::AsRunning || one.env_file == other.env_file;
        if one.files == other.files && same_names && same(&one.dir, &other.dir) {
            let problem = format!("{names} are the same stack in {}", one.dir.display());
            let hint = "give one of them its own `dir`, `files` or `project`";
            return Err(self.source.error(&draft.span, problem).with_hint(hint));
        }
        Ok(())
    }
}
