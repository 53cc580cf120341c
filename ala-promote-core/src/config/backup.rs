//! `[backup]`: what is backed up, and how, as far as that can be checked without the engine.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::conventions::BACKUP_DIR;
use super::error::SettingsError;
use super::file::{BackupDatabaseTable, BackupTable};
use super::hooks;
use super::load::LONGEST_REASON;
use super::paths::absolute;
use super::settings::{BackupSettings, DatabaseChoice, DatabaseSettings};
use super::source::Source;
use super::value::{self, HumanDuration};
use crate::domain::{BackupCommand, BackupName, ImageReference, ServiceName, UrlDatabase};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);
const LONGEST_KEY_BYTES: usize = 100;

/// What is backed up, and where to.
pub(super) fn backup(
    source: &Source,
    dir: &Path,
    stack: Option<&str>,
    table: &BackupTable,
) -> Result<BackupSettings, SettingsError> {
    let by_convention = Path::new(BACKUP_DIR).join(stack.unwrap_or_default());
    let written = table.dir.as_ref().map_or(by_convention.as_path(), |written| written.as_path());
    let short = Entry::short(table);
    let listed = table.databases.first().map(|first| (first.span(), "[[backup.databases]]".to_owned()));
    let none = table.none.as_ref().map(|none| (none.span(), "`none`".to_owned()));
    let said: Vec<_> = [short.first(), listed, none].into_iter().flatten().collect();
    if let [(_, one), (span, other), ..] = said.as_slice() {
        let problem = format!("[backup] has both {one} and {other}; only one can be meant");
        return Err(source.error(span, problem));
    }
    let database = if !table.databases.is_empty() {
        DatabaseChoice::Listed(listed_databases(source, &table.databases)?)
    } else if let Some(none) = &table.none {
        DatabaseChoice::None { reason: reason(source, none)? }
    } else if let Some((span, _)) = short.first() {
        DatabaseChoice::One(short.read(source, &span)?)
    } else {
        DatabaseChoice::Detect
    };
    Ok(BackupSettings { dir: absolute(dir, written), database })
}

fn reason(source: &Source, written: &Spanned<String>) -> Result<String, SettingsError> {
    let reason = written.get_ref().trim().to_owned();
    value::shown_text(&reason, LONGEST_REASON).map_err(|problem| {
        let hint = "say why no backup is needed: it is shown in every plan";
        source.error(&written.span(), problem).with_hint(hint)
    })?;
    Ok(reason)
}

/// Each once: their backups are named by them.
fn listed_databases(
    source: &Source,
    tables: &[Spanned<BackupDatabaseTable>],
) -> Result<Vec<DatabaseSettings>, SettingsError> {
    let mut databases: Vec<DatabaseSettings> = Vec::new();
    for table in tables {
        let entry = Entry::listed(table.get_ref());
        let span = entry.first().map_or_else(|| table.span(), |(span, _)| span);
        let database = entry.read(source, &span)?;
        let is_same = |other: &&DatabaseSettings| {
            other.label() == database.label() || other.file_name() == database.file_name()
        };
        if let Some(other) = databases.iter().find(is_same) {
            let (one, two) = (other.label(), database.label());
            let problem = match one == two {
                true => format!("`{two}` is listed twice in [[backup.databases]]"),
                false => format!("the backups of `{one}` and `{two}` would be one file"),
            };
            return Err(source.error(&entry.named_at().unwrap_or(span), problem));
        }
        databases.push(database);
    }
    Ok(databases)
}

/// The keys of one database, in the table itself or in an entry of the list.
struct Entry<'a> {
    service: Option<&'a Spanned<ServiceName>>,
    url_env: Option<&'a Spanned<String>>,
    image: Option<&'a Spanned<String>>,
    network: Option<&'a Spanned<String>>,
    name: Option<&'a Spanned<BackupName>>,
    command: Option<&'a Spanned<Vec<String>>>,
    timeout: Option<&'a Spanned<HumanDuration>>,
}

impl<'a> Entry<'a> {
    fn short(table: &'a BackupTable) -> Self {
        Self {
            service: table.service.as_ref(),
            url_env: table.url_env.as_ref(),
            image: table.image.as_ref(),
            network: table.network.as_ref(),
            name: table.name.as_ref(),
            command: table.command.as_ref(),
            timeout: table.timeout.as_ref(),
        }
    }

    fn listed(table: &'a BackupDatabaseTable) -> Self {
        Self {
            service: table.service.as_ref(),
            url_env: table.url_env.as_ref(),
            image: table.image.as_ref(),
            network: table.network.as_ref(),
            name: table.name.as_ref(),
            command: table.command.as_ref(),
            timeout: table.timeout.as_ref(),
        }
    }

    /// Where it begins, and how it is called in messages.
    fn first(&self) -> Option<(Range<usize>, String)> {
        let service = self.service.map(|s| (s.span(), format!("`service = \"{}\"`", s.get_ref())));
        let others = [
            self.url_env.map(|w| (w.span(), "`url_env`")),
            self.command.map(|w| (w.span(), "`command`")),
            self.name.map(|w| (w.span(), "`name`")),
            self.image.map(|w| (w.span(), "`image`")),
            self.network.map(|w| (w.span(), "`network`")),
            self.timeout.map(|w| (w.span(), "`timeout`")),
        ];
        service.or_else(|| others.into_iter().flatten().next().map(|(span, key)| (span, key.to_owned())))
    }

    /// Where its label stands.
    fn named_at(&self) -> Option<Range<usize>> {
        self.service.map(Spanned::span).or(self.url_env.map(Spanned::span)).or(self.name.map(Spanned::span))
    }

    fn read(&self, source: &Source, at: &Range<usize>) -> Result<DatabaseSettings, SettingsError> {
        let kinds = [
            self.service.map(|w| ("service", w.span())),
            self.url_env.map(|w| ("url_env", w.span())),
            self.command.map(|w| ("command", w.span())),
        ];
        let kinds: Vec<_> = kinds.into_iter().flatten().collect();
        if let [(one, _), (other, span), ..] = kinds.as_slice() {
            let problem = format!("one database has both `{one}` and `{other}`; only one can be meant");
            return Err(source.error(span, problem).with_hint("list several as [[backup.databases]]"));
        }
        match (self.service, self.url_env, self.command) {
            (Some(service), ..) => {
                let foreign = [self.image_key(), self.network_key(), self.name_key(), self.timeout_key()];
                refuse(source, foreign, "service")?;
                Ok(DatabaseSettings::Service(service.get_ref().clone()))
            }
            (_, Some(url_env), _) => {
                refuse(source, [self.name_key(), self.timeout_key()], "url_env")?;
                self.url(source, url_env).map(DatabaseSettings::Url)
            }
            (.., Some(command)) => {
                refuse(source, [self.image_key(), self.network_key()], "command")?;
                self.command(source, command).map(DatabaseSettings::Command)
            }
            (None, None, None) => {
                let problem = "a database needs `service`, `url_env` or `command`";
                Err(source.error(at, problem).with_hint("see [backup] in docs/configuration.md"))
            }
        }
    }

    fn url(&self, source: &Source, key: &Spanned<String>) -> Result<UrlDatabase, SettingsError> {
        let url_env = key.get_ref();
        let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = url_env.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !url_env.chars().all(is_key) || url_env.len() > LONGEST_KEY_BYTES {
            // Not quoted: it may be the URL itself.
            let problem = "`url_env` is no name of a variable";
            let hint = "the key of the env file that holds the URL, not the URL: url_env = \"DATABASE_URL\"";
            return Err(source.error(&key.span(), problem).with_hint(hint));
        }
        let Some(image) = self.image else {
            let problem = "`url_env` needs `image`: the image that pg_dump runs in";
            let hint = "of the server's version or a newer one, and on the engine: image = \"postgres:16\"";
            return Err(source.error(&key.span(), problem).with_hint(hint));
        };
        let reference: ImageReference = image
            .get_ref()
            .parse()
            .map_err(|problem| source.error(&image.span(), format!("`{}`: {problem}", image.get_ref())))?;
        let network = self.network.map(|network| engine_network(source, network)).transpose()?;
        Ok(UrlDatabase { url_env: url_env.clone(), image: reference, network })
    }

    fn command(&self, source: &Source, words: &Spanned<Vec<String>>) -> Result<BackupCommand, SettingsError> {
        let Some(name) = self.name else {
            let problem = "`command` needs `name`: what its backups are called";
            let hint = "its backups are backup-YYYYMMDD-HHMMSS-<name>: name = \"mongo.archive\"";
            return Err(source.error(&words.span(), problem).with_hint(hint));
        };
        Ok(BackupCommand {
            name: name.get_ref().clone(),
            command: hooks::command(source, words)?,
            timeout: hooks::timeout(source, self.timeout, DEFAULT_TIMEOUT)?,
        })
    }

    fn image_key(&self) -> Option<(&'static str, Range<usize>)> {
        self.image.map(|w| ("image", w.span()))
    }

    fn network_key(&self) -> Option<(&'static str, Range<usize>)> {
        self.network.map(|w| ("network", w.span()))
    }

    fn name_key(&self) -> Option<(&'static str, Range<usize>)> {
        self.name.map(|w| ("name", w.span()))
    }

    fn timeout_key(&self) -> Option<(&'static str, Range<usize>)> {
        self.timeout.map(|w| ("timeout", w.span()))
    }
}

/// Keys that mean nothing beside `kind`.
fn refuse<const N: usize>(
    source: &Source,
    keys: [Option<(&str, Range<usize>)>; N],
    kind: &str,
) -> Result<(), SettingsError> {
    match keys.into_iter().flatten().next() {
        Some((key, span)) => Err(source.error(&span, format!("`{key}` means nothing beside `{kind}`"))),
        None => Ok(()),
    }
}

/// The name of a network of the engine, `host` included; not another container's, nor none.
fn engine_network(source: &Source, written: &Spanned<String>) -> Result<String, SettingsError> {
    let name = written.get_ref();
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_inner);
    if is_name && name != "none" && name.len() <= LONGEST_KEY_BYTES {
        return Ok(name.clone());
    }
    let problem = format!("`{name}` is no network that a database could be reached by");
    let hint = "a name of `docker network ls`, such as that of another stack, or \"host\"";
    Err(source.error(&written.span(), problem).with_hint(hint))
}
