//! Variables, as Compose reads them: no other reader of env files follows all of its rules.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use ala_promote_core::backend::BackendResult;
use ala_promote_core::domain::StackRef;
use sha2::{Digest, Sha256};

use super::failure::Explain;
use super::invocation::{arguments, arguments_without_project};
use super::prepared::{Key, Prepared};
use super::tool::Family;
use super::{Compose, MAX_CACHED, write_private};

impl Compose {
    /// The env files of each service, with variables in their paths filled in.
    pub(super) async fn env_files(
        &self,
        stack: &StackRef,
        prepared: &Prepared,
    ) -> BackendResult<BTreeMap<String, Vec<PathBuf>>> {
        let mut texts: Vec<String> = prepared.raw.env_files.values().flatten().cloned().collect();
        texts.retain(|text| text.contains('$'));
        let filled = self.interpolate(stack, prepared, &texts, arguments).await?;
        let filled: BTreeMap<_, _> = texts.iter().zip(filled).collect();
        let path = |text: &String| without_dots(Path::new(filled.get(text).unwrap_or(text)));
        let paths = prepared.raw.env_files.iter();
        Ok(paths.map(|(service, texts)| (service.clone(), texts.iter().map(path).collect())).collect())
    }

    /// The profiles that the env file switches on. v1 renders services of all of them.
    pub(super) async fn profiles(&self, stack: &StackRef, prepared: &Prepared) -> BackendResult<Vec<String>> {
        let value = self.variable(stack, prepared, "COMPOSE_PROFILES").await?.unwrap_or_default();
        Ok(value.split(',').map(|profile| profile.trim().to_owned()).filter(|p| !p.is_empty()).collect())
    }

    /// What stands between project and service in the name of an image that only Compose names.
    pub(super) async fn separator(&self, stack: &StackRef, prepared: &Prepared) -> BackendResult<char> {
        let compatible = self.variable(stack, prepared, "COMPOSE_COMPATIBILITY").await?;
        let compatible =
            compatible.is_some_and(|value| matches!(value.as_str(), "1" | "t" | "true" | "TRUE"));
        Ok(if self.tool.family() == Family::One || compatible { '_' } else { '-' })
    }

    /// The value of a variable of the env file, as Compose reads it.
    pub(super) async fn variable(
        &self,
        stack: &StackRef,
        prepared: &Prepared,
        name: &str,
    ) -> BackendResult<Option<String>> {
        if let Some(value) = prepared.env_file.plain(name) {
            return Ok(Some(value.to_owned()).filter(|value| !value.is_empty()));
        }
        if !prepared.env_file.sets(name) {
            return Ok(None);
        }
        let text = format!("${{{name}-}}");
        let value = self.interpolate(stack, prepared, &[text], arguments_without_project).await?.pop();
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// Has Compose fill variables into texts.
    pub(super) async fn interpolate(
        &self,
        stack: &StackRef,
        prepared: &Prepared,
        texts: &[String],
        arguments: fn(&StackRef, Family) -> Vec<OsString>,
    ) -> BackendResult<Vec<String>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let mut hash = Sha256::new();
        hash.update(prepared.key);
        texts.iter().for_each(|text| hash.update(format!("{text:?}")));
        let key: Key = hash.finalize().into();
        if let Some(values) = self.cache(|cache| cache.interpolated.get(&key).cloned()) {
            return Ok(values);
        }
        let name = |index: usize| format!("V{index}");
        let variables: BTreeMap<_, _> = texts.iter().enumerate().map(|(i, text)| (name(i), text)).collect();
        let file = serde_json::json!({"services": {"a": {"image": "a", "environment": variables}}});
        let folder = self.scratch()?;
        let path = write_private(&folder, "variables.yml", &file.to_string())?;
        let asked = StackRef { files: vec![path], ..stack.clone() };
        let mut args = arguments(&asked, self.tool.family());
        args.extend(self.config_command());
        let what = format!("fill in variables for {}", stack.environment);
        let done = self.process(what, args, &stack.dir, prepared).run(&self.lock).await?;
        if !done.status.success() {
            let explain =
                Explain { stack, raw: &prepared.raw, scrub: &prepared.scrub, lines: &done.last_lines };
            return Err(explain.render_failure());
        }
        let mut model = self.parse(&String::from_utf8_lossy(&done.stdout))?;
        let mut service = model.services.remove("a").unwrap_or_default();
        let mut value = |i| service.environment.remove(&name(i)).flatten().map(|t| t.0).unwrap_or_default();
        let values: Vec<String> = (0..texts.len()).map(&mut value).collect();
        self.cache(|cache| {
            if cache.interpolated.len() >= MAX_CACHED {
                cache.interpolated.clear();
            }
            cache.interpolated.insert(key, values.clone());
        });
        Ok(values)
    }
}

/// A path without `..`, as the config and `--env-file` have it, so that one file is one.
fn without_dots(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|_| path.components().any(|part| part == Component::ParentDir));
    let real = folder.and_then(|folder| Some(folder.canonicalize().ok()?.join(path.file_name()?)));
    real.unwrap_or_else(|| path.to_owned())
}
