//! Reading `ala-promote.toml`, and telling where in it something is wrong.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{Place, SettingsError};
use super::file::{ConfigFile, FORMAT_VERSION};
use super::nearest::nearest;

/// The longest config file that is read, in bytes.
pub(super) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Longest excerpt of the file's own text in a message, in characters.
const MAX_SHOWN: usize = 300;

/// A config file's text, and what it is called.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Reads a config file; `None` where there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, SettingsError> {
        let fail = |problem: &str, error| Err(SettingsError::io(path, problem, error));
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(SettingsError::path(path, "is a directory, not a config file"));
            }
            // Opening a named pipe would wait for ever.
            Ok(metadata) if !metadata.is_file() => {
                return Err(SettingsError::path(path, "is not a regular file"));
            }
            Ok(_) => {}
            // A link that leads nowhere is not the absence of a config file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match fs::symlink_metadata(path) {
                    Ok(_) => fail("is a symbolic link that leads nowhere", error),
                    Err(_) => Ok(None),
                };
            }
            Err(error) => return fail("can't be read", error),
        }
        let mut bytes = Vec::new();
        match File::open(path).and_then(|f| f.take(MAX_CONFIG_BYTES + 1).read_to_end(&mut bytes)) {
            Ok(_) if bytes.len() as u64 > MAX_CONFIG_BYTES => {
                Err(SettingsError::path(path, "is larger than 1 MiB; that is no config file of ala-promote"))
            }
            Ok(_) => Self::from_bytes(path, bytes).map(Some),
            Err(error) => fail("can't be read", error),
        }
    }

    /// What stands in the place of a file that is not there.
    pub(super) fn empty(path: &Path) -> Self {
        Self::of(path, "")
    }

    /// What a file of that name would say.
    pub(super) fn of(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, SettingsError> {
        String::from_utf8(bytes).map(|text| Self { path: path.to_owned(), text }).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()).into_owned();
            let before = Self { path: path.to_owned(), text };
            before.error(&(good..good), "the file is not UTF-8").with_hint("save it as UTF-8 text")
        })
    }

    /// Reads the text as a config.
    pub(super) fn parse(&self) -> Result<ConfigFile, SettingsError> {
        // The version comes first: a newer format's keys are not typing errors.
        #[derive(Deserialize)]
        struct Version {
            version: Option<Spanned<i64>>,
        }
        let head: Version = toml::from_str(&self.text).map_err(|error| self.toml_error(&error))?;
        if let Some(version) = head.version {
            let found = *version.get_ref();
            if found > FORMAT_VERSION {
                let place = self.place(&version.span());
                return Err(SettingsError::NewerFormat { place, found, known: FORMAT_VERSION });
            }
            if found < FORMAT_VERSION {
                return Err(self.error(&version.span(), format!("there is no format version {found}")));
            }
        }
        toml::from_str(&self.text).map_err(|error| self.toml_error(&error))
    }

    /// An error at this place in the text.
    pub(super) fn error(&self, span: &Range<usize>, problem: impl AsRef<str>) -> SettingsError {
        SettingsError::Value { place: self.place(span), problem: printable(problem.as_ref()), hint: None }
    }

    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place::File { path: self.path.clone(), line, column }
    }

    fn toml_error(&self, error: &toml::de::Error) -> SettingsError {
        let span = error.span().unwrap_or_default();
        let message = error.message();
        let Some(known) = known_keys(message) else {
            return self.error(&span, message);
        };
        let key = self.text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        let problem = format!("unknown key `{key}`");
        match nearest(key, known.iter().copied()) {
            Some(near) => self.error(&span, format!("{problem}; did you mean `{near}`?")),
            None => self.error(&span, problem).with_hint(format!("known keys here: {}", known.join(", "))),
        }
    }
}

/// The keys that serde would have taken, where its message is about an unknown one. Another wording of a later serde
/// would cost the proposal only, and a test would tell.
pub(super) fn known_keys(message: &str) -> Option<Vec<&str>> {
    if !message.starts_with("unknown field `") {
        return None;
    }
    let (_, expected) = message.rsplit_once("`, expected ")?;
    Some(expected.split('`').skip(1).step_by(2).collect())
}

/// The text on one line, short, and unable to steer a terminal.
fn printable(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_SHOWN)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
