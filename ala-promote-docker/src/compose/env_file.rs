//! What must be known of an env file besides what Compose makes of it: which variables it sets, and which texts must
//! not be shown. Compose alone interprets its values.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};

use super::read;

/// Endings of the files that teams keep in Git in place of an env file.
const TEMPLATE_ENDINGS: [&str; 4] = ["template", "example", "sample", "dist"];

/// An env file as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct EnvFile {
    /// The variables that it sets, in its order, with the text after `=`, quotes and all.
    entries: Vec<(String, String)>,
    /// The whole text.
    pub(super) text: String,
}

impl EnvFile {
    /// Reads it.
    ///
    /// # Errors
    /// `Invalid` when there is none, naming its template.
    pub(super) fn read(path: &Path) -> BackendResult<Self> {
        if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Err(missing(path));
        }
        Ok(Self::parse(&read::text(path, "read the env file")?))
    }

    /// Takes the text apart, forgivingly: whether it is right is for Compose to say.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let mut entries = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let line = line.trim_start();
            let line = line.strip_prefix("export ").unwrap_or(line);
            // v2 takes `KEY: value` as well.
            let Some((key, value)) = line.split_once(['=', ':']).filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let mut value = value.trim().to_owned();
            if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
                // A quoted value goes on to its closing quote, over lines if need be.
                while !closes(&value, quote) {
                    let Some(next) = lines.next() else { break };
                    value.push('\n');
                    value.push_str(next);
                }
            }
            entries.push((key.trim().to_owned(), value));
        }
        Self { entries, text }
    }

    /// Whether it sets this variable.
    pub(super) fn sets(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, _)| k == key)
    }

    /// The text given for a variable; the last one counts.
    pub(super) fn raw(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The value of a variable where its text can mean only one thing; `None` where Compose has to be asked.
    pub(super) fn plain(&self, key: &str) -> Option<&str> {
        let raw = self.raw(key)?;
        let inner = ['"', '\''].iter().find_map(|q| raw.strip_prefix(*q)?.strip_suffix(*q)).unwrap_or(raw);
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,;*@".contains(c);
        inner.chars().all(plain).then_some(inner)
    }

    /// The variables with every text that may be shown in place of their value.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.entries.iter().map(|(key, raw)| {
            let unquoted = raw.trim_matches(|c| c == '"' || c == '\'');
            let mut texts = vec![raw.clone(), unquoted.to_owned()];
            texts.extend(unquoted.lines().map(|line| line.trim().to_owned()));
            texts.extend(unquoted.split_once(" #").map(|(value, _)| value.trim_end().to_owned()));
            (key.as_str(), texts)
        })
    }
}

/// Whether a value that starts with `quote` has its end on board. A backslash hides the quote after it.
fn closes(value: &str, quote: char) -> bool {
    let mut escaped = false;
    value.chars().skip(1).any(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })
}

/// The error for an env file that is not there, with its template if the folder has one.
pub(super) fn missing(path: &Path) -> BackendError {
    let error = BackendError::new(
        BackendErrorKind::Invalid,
        "read the env file",
        format!("{} does not exist", path.display()),
    );
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    error.with_hint(match template(path) {
        Some(template) => format!(
            "there is a template: cd {} && cp {} {}, then fill it in",
            path.parent().unwrap_or(path).display(),
            name(&template),
            name(path)
        ),
        None => format!("write {}, or name another file as `env_file` in ala-promote.toml", path.display()),
    })
}

fn template(path: &Path) -> Option<PathBuf> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    };
    // `.env` is often kept as `.env.production.template`, under the name of what it is for.
    let longer = |ending: &str| with(&format!("production.{ending}"));
    TEMPLATE_ENDINGS
        .into_iter()
        .map(with)
        .chain(TEMPLATE_ENDINGS.into_iter().map(longer))
        .find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_set() {
        let file = EnvFile::parse(
            "\u{feff}# A=no\n\nexport A=1\n B = two # why\nC=\"x\n y\\\"=z\"\nD='q'\nE\nF: colon\nA=3\nG=a$b\n",
        );
        let keys: Vec<_> = file.texts().map(|(key, _)| key.to_owned()).collect();
        assert_eq!(keys, ["A", "B", "C", "D", "F", "A", "G"]);
        assert_eq!(file.plain("A"), Some("3"));
        assert_eq!(file.plain("D"), Some("q"));
        assert_eq!(file.plain("G"), None, "`$` is for Compose to read");
        assert_eq!(file.plain("B"), None);
        assert!(!file.sets("E"), "a name alone is taken from the shell");
        let texts = file.texts().nth(2).unwrap().1;
        assert!(texts.contains(&"y\\\"=z".to_owned()), "{texts:?}");
    }

    #[test]
    fn a_missing_one_names_its_template() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env.staging");
        let error = EnvFile::read(&path).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Invalid);
        assert!(!error.hint().unwrap().contains("template:"));
        std::fs::write(folder.path().join(".env.staging.template"), "").unwrap();
        let error = EnvFile::read(&path).unwrap_err();
        assert!(error.hint().unwrap().contains("cp .env.staging.template .env.staging"));
        std::fs::write(folder.path().join(".env.production.example"), "").unwrap();
        let error = EnvFile::read(&folder.path().join(".env")).unwrap_err();
        assert!(error.hint().unwrap().contains("cp .env.production.example .env"));
    }
}
