//! `[[hooks]]`: commands of the team's own, checked as far as that can be done without the Compose files.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::error::{SettingsError, list_names};
use super::file::HookTable;
use super::nearest::nearest;
use super::settings::{EnvironmentSettings, HookSettings, HookedVerb};
use super::source::Source;
use super::value::HumanDuration;
use crate::domain::{EnvironmentName, Hook};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const TIMEOUT_BOUNDS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(6 * 3600)];
/// A rollback puts an old release on a database that newer hooks may have changed: that is for each hook to say.
const DEFAULT_VERBS: [HookedVerb; 2] = [HookedVerb::Deploy, HookedVerb::Promote];
/// The most words and the longest word of a command: more belongs into a script.
const MOST_WORDS: usize = 100;
const LONGEST_WORD_BYTES: usize = 2000;

/// All hooks, as written.
pub(super) fn hooks(
    source: &Source,
    tables: &[Spanned<HookTable>],
    environments: &BTreeMap<EnvironmentName, EnvironmentSettings>,
) -> Result<Vec<HookSettings>, SettingsError> {
    let mut hooks: Vec<HookSettings> = Vec::new();
    for table in tables {
        let hook = one(source, table, environments)?;
        let is_same = |other: &&HookSettings| {
            other.hook.name == hook.hook.name && other.environment == hook.environment
        };
        if hooks.iter().any(|other| is_same(&other)) {
            let problem = format!("{} has two hooks of the name `{}`", hook.environment, hook.hook.name);
            return Err(source.error(&table.get_ref().name.span(), problem));
        }
        hooks.push(hook);
    }
    Ok(hooks)
}

fn one(
    source: &Source,
    table: &Spanned<HookTable>,
    environments: &BTreeMap<EnvironmentName, EnvironmentSettings>,
) -> Result<HookSettings, SettingsError> {
    let written = table.get_ref();
    let environment = written.environment.get_ref();
    if !environments.contains_key(environment) {
        let known: Vec<_> = environments.keys().cloned().collect();
        let near = nearest(environment.as_str(), known.iter().map(EnvironmentName::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let problem = format!("there is no environment `{environment}`{near}");
        let hint = format!("known are: {}", list_names(&known));
        return Err(source.error(&written.environment.span(), problem).with_hint(hint));
    }
    let on = match &written.on {
        None => DEFAULT_VERBS.to_vec(),
        Some(on) if on.get_ref().is_empty() => {
            let error = source.error(&on.span(), "a hook with an empty `on` would never run");
            return Err(error.with_hint("on = [\"deploy\", \"promote\"], or with \"rollback\" too"));
        }
        Some(on) => on.get_ref().clone(),
    };
    let undo = written.undo.as_ref().map(|undo| command(source, undo)).transpose()?;
    Ok(HookSettings {
        hook: Hook {
            name: written.name.get_ref().clone(),
            service: written.service.as_ref().map(|service| service.get_ref().clone()),
            command: command(source, &written.command)?,
            undo,
            timeout: timeout(source, written.timeout.as_ref(), DEFAULT_TIMEOUT)?,
        },
        environment: environment.clone(),
        at: written.at,
        on,
        place: source.place(&written.service.as_ref().map_or_else(|| table.span(), Spanned::span)),
    })
}

/// Words that can be shown on a terminal and given to a program.
pub(super) fn command(source: &Source, written: &Spanned<Vec<String>>) -> Result<Vec<String>, SettingsError> {
    let words = written.get_ref();
    let problem = if words.first().is_none_or(|program| program.trim().is_empty()) {
        "the command has no program"
    } else if words.iter().any(|word| word.chars().any(char::is_control)) {
        "the command has control characters"
    } else if words.len() > MOST_WORDS || words.iter().any(|word| word.len() > LONGEST_WORD_BYTES) {
        "the command is too long: put it into a script"
    } else {
        return Ok(words.clone());
    };
    let hint = "a list of program and arguments, which no shell reads: [\"./migrate\", \"up\"]";
    Err(source.error(&written.span(), problem).with_hint(hint))
}

/// How long a command may take.
pub(super) fn timeout(
    source: &Source,
    written: Option<&Spanned<HumanDuration>>,
    default: Duration,
) -> Result<Duration, SettingsError> {
    let Some(written) = written else { return Ok(default) };
    let [least, most] = TIMEOUT_BOUNDS;
    let (HumanDuration(value), span): (_, Range<usize>) = (*written.get_ref(), written.span());
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let (value, least, most) = (HumanDuration(value), HumanDuration(least), HumanDuration(most));
    Err(source.error(&span, format!("{value} is not between {least} and {most}")))
}
