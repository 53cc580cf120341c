//! Several stacks in one folder: each has a config and a state of its own, and none of them may meet another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::conventions::{CONFIG_FILE, STATE_DIR, TEMPLATE_ENDS};
use super::error::SettingsError;
use super::file::ConfigFile;
use super::paths::{absolute, same};
use super::settings::EnvironmentSettings;
use super::source::Source;
use crate::domain::{EnvironmentName, ProjectName};

/// What stands before and after the stack's name in the name of its config file.
const AROUND: (&str, &str) = ("ala-promote.", ".toml");
/// The longest name of a stack.
const LONGEST: usize = 40;

/// The config file of a stack: `ala-promote.toml`, or `ala-promote.NAME.toml`.
#[must_use]
pub fn config_file(stack: Option<&str>) -> String {
    stack.map_or_else(|| CONFIG_FILE.to_owned(), |name| format!("{}{name}{}", AROUND.0, AROUND.1))
}

/// The state folder of a stack where its config names none: `.ala-promote`, or `.ala-promote.NAME`.
pub(super) fn state_dir(stack: Option<&str>) -> String {
    stack.map_or_else(|| STATE_DIR.to_owned(), |name| format!("{STATE_DIR}.{name}"))
}

/// The names of the stacks that have a config of that form in a folder, sorted.
pub(super) fn named(dir: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| {
        let file = entry.file_name().into_string().ok()?;
        let name = file.strip_prefix(AROUND.0)?.strip_suffix(AROUND.1)?;
        is_name(name).then(|| name.to_owned())
    };
    let mut names: Vec<String> = fs::read_dir(dir).into_iter().flatten().flatten().filter_map(name).collect();
    names.sort();
    names
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_template = TEMPLATE_ENDS.iter().any(|end| end.trim_start_matches('.') == text);
    !text.is_empty() && text.len() <= LONGEST && text.chars().all(allowed) && !is_template
}

/// Reads the config of a stack. Which one is meant is never guessed: a folder whose configs all have names has no stack
/// without one.
pub(super) fn read(dir: &Path, stack: Option<&str>) -> Result<Source, SettingsError> {
    let path = dir.join(config_file(stack));
    if let Some(name) = stack.filter(|name| !is_name(name)) {
        let problem = format!("can't be the config of a stack: `{name}` is no name");
        return Err(SettingsError::path(&path, problem)
            .with_hint(format!("a stack's name has 1 to {LONGEST} letters, digits, `-` and `_`")));
    }
    if let Some(source) = Source::read(&path)? {
        return Ok(source);
    }
    let others = named(dir);
    let known: Vec<String> = others.iter().map(|name| format!("--stack {name}")).collect();
    match stack {
        None if others.is_empty() => Ok(Source::empty(&path)),
        None => Err(SettingsError::path(dir, format!("holds several stacks: {}", known.join(", ")))
            .with_hint(
                "say which one is meant; one without a name would have its config in ala-promote.toml",
            )),
        Some(_) => {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(SettingsError::path(
                &path,
                format!("is not there, and with it no such stack (known: {known})"),
            )
            .with_hint("write it, with `files` and `project` for each environment"))
        }
    }
}

/// That nothing but what is written is an environment of a stack that has others beside it: files of any of them would
/// make one by their names.
pub(super) fn check_written(
    source: &Source,
    dir: &Path,
    stack: Option<&str>,
    config: &ConfigFile,
    environments: &BTreeMap<EnvironmentName, EnvironmentSettings>,
) -> Result<(), SettingsError> {
    let by_convention = environments.keys().find(|name| !config.environments.contains_key(*name));
    match by_convention {
        Some(name) if stack.is_some() || !named(dir).is_empty() => {
            let problem = format!(
                "`{name}` would be an environment of this stack by the name of its file, which may be another stack's"
            );
            Err(source.error(&(0..0), problem).with_hint(format!(
                "write [environments.{name}] with `files` and `project`, or give the others names of their own"
            )))
        }
        _ => Ok(()),
    }
}

/// That no two stacks of a folder have one state folder or one project. What a config does not say would be found by
/// what lies and runs in the folder, which is of all of them: so each environment has to say it.
pub(super) fn check_apart(
    source: &Source,
    dir: &Path,
    stack: Option<&str>,
    config: &ConfigFile,
    state: &Path,
) -> Result<(), SettingsError> {
    let others = named(dir).into_iter().map(Some).chain(dir.join(CONFIG_FILE).exists().then_some(None));
    let others: Vec<Option<String>> = others.filter(|other| other.as_deref() != stack).collect();
    if others.is_empty() && stack.is_none() {
        return Ok(());
    }
    all_said(source, config)?;
    for other in others {
        let path = dir.join(config_file(other.as_deref()));
        let Some(their_source) = Source::read(&path)? else { continue };
        let theirs = their_source.parse()?;
        let shown = path.display();
        let their_state = written_state_dir(dir, other.as_deref(), &theirs);
        if same(&their_state, state) || their_state.starts_with(state) || state.starts_with(&their_state) {
            let span = config.state_dir.as_ref().map(Spanned::span).unwrap_or_default();
            let problem = format!("the state folder {} is that of {shown}, too", state.display());
            return Err(source
                .error(&span, problem)
                .with_hint("give each stack a `state_dir` of its own, or none"));
        }
        let projects: BTreeMap<_, _> = projects_of(&theirs).map(|(name, p)| (p.get_ref(), name)).collect();
        for (name, project) in projects_of(config) {
            if let Some(their_name) = projects.get(project.get_ref()) {
                let problem = format!(
                    "environment `{name}`: Compose project `{}` is that of `{their_name}` in {shown}, too: each would \
                     replace the other's containers",
                    project.get_ref()
                );
                return Err(source.error(&project.span(), problem).with_hint("give each its own `project`"));
            }
        }
    }
    Ok(())
}

/// Where a config has its state, as far as it says.
pub(super) fn written_state_dir(dir: &Path, stack: Option<&str>, config: &ConfigFile) -> PathBuf {
    match &config.state_dir {
        Some(written) => absolute(dir, written.get_ref().as_path()),
        None => absolute(dir, Path::new(&state_dir(stack))),
    }
}

fn all_said(source: &Source, config: &ConfigFile) -> Result<(), SettingsError> {
    let lines = "[environments.staging]\nfiles = [\"…\"]\nproject = \"…\"\n[environments.production]\nfiles = \
                 [\"…\"]\nproject = \"…\"";
    if config.environments.is_empty() {
        let problem = "this folder holds several stacks, and this one says nothing of its environments";
        return Err(source.error(&(0..0), problem).with_hint(format!("write:\n{lines}")));
    }
    for (name, table) in &config.environments {
        let written = table.get_ref();
        let missing = match (&written.files, &written.project) {
            (Some(_), Some(_)) => continue,
            (None, Some(_)) => "`files`",
            (Some(_), None) => "`project`",
            (None, None) => "`files` and `project`",
        };
        let problem =
            format!("environment `{name}`: of several stacks in one folder, each says its {missing}");
        return Err(source.error(&table.span(), problem).with_hint(format!("such as:\n{lines}")));
    }
    Ok(())
}

fn projects_of(config: &ConfigFile) -> impl Iterator<Item = (&EnvironmentName, &Spanned<ProjectName>)> {
    config.environments.iter().filter_map(|(name, table)| Some((name, table.get_ref().project.as_ref()?)))
}
