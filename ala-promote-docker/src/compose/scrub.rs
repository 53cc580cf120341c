//! Keeps values of env files out of what people and logs see. Tools quote them in their errors.

use std::collections::BTreeMap;

use super::env_file::EnvFile;

/// The shortest text that is taken out, in bytes: shorter ones occur everywhere by chance.
const MIN_BYTES: usize = 4;
/// Values that tell nothing and would only make a message unreadable.
const TRIVIAL: [&str; 18] = [
    "true",
    "false",
    "null",
    "none",
    "production",
    "staging",
    "development",
    "test",
    "testing",
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "debug",
    "info",
    "warn",
    "warning",
    "error",
    "latest",
];
/// Parts of names whose values are secret for certain, even when they look like a port.
const SECRET_NAMES: [&str; 8] = ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "PIN", "PWD"];

/// Replaces values by the names of their variables.
#[derive(Debug, Clone, Default)]
pub(super) struct Scrubber {
    /// Text and what is shown in its place, longest text first.
    replacements: Vec<(String, String)>,
}

impl Scrubber {
    /// Hides all that these env files set, and what of the shell's variables is secret by its name.
    pub(super) fn new<'a>(
        files: impl IntoIterator<Item = &'a EnvFile>,
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let mut found = BTreeMap::new();
        let mut hide = |key: &str, text: &str| {
            let digits = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit()) && !is_secret_name(key);
            if text.len() >= MIN_BYTES && !TRIVIAL.contains(&text) && !digits {
                found.entry(text.to_owned()).or_insert_with(|| format!("<{key}>"));
                // `config` doubles it.
                found.entry(text.replace('$', "$$")).or_insert_with(|| format!("<{key}>"));
            }
        };
        for file in files {
            for (key, texts) in file.texts() {
                for text in &texts {
                    hide(key, text);
                    if let Some(password) = url_password(text) {
                        hide(key, password);
                    }
                }
            }
        }
        for (key, value) in environment.iter().filter(|(key, _)| is_secret_name(key)) {
            hide(key, value);
        }
        let mut replacements: Vec<_> = found.into_iter().collect();
        replacements.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Self { replacements }
    }

    /// The text without the values.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for (value, name) in &self.replacements {
            if clean.contains(value.as_str()) {
                clean = clean.replace(value.as_str(), name);
            }
        }
        clean
    }
}

fn is_secret_name(key: &str) -> bool {
    // `PWD` alone is the working directory.
    let key = key.to_ascii_uppercase();
    key != "PWD" && key != "OLDPWD" && SECRET_NAMES.iter().any(|part| key.contains(part))
}

/// The password of `scheme://user:password@host`.
fn url_password(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let (login, _) = rest.rsplit_once('@')?;
    login.split_once(':').map(|(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber(text: &str) -> Scrubber {
        let shell = BTreeMap::from([
            ("API_TOKEN".to_owned(), "shell-token".to_owned()),
            ("HOME".to_owned(), "/home/me".to_owned()),
        ]);
        Scrubber::new([&EnvFile::parse(text)], &shell)
    }

    #[test]
    fn shows_names_in_place_of_values() {
        let scrub = scrubber(
            "PASSWORD=hunter22\nLONG=hunter22-and-more\nDATABASE_URL=postgresql://ala:p4ssw0rd@db/x\nPIN=1234\nM=\"one\nsecret line\"\n",
        );
        assert_eq!(scrub.scrub("a hunter22 b hunter22-and-more"), "a <PASSWORD> b <LONG>");
        assert_eq!(scrub.scrub("login failed for p4ssw0rd"), "login failed for <DATABASE_URL>");
        assert_eq!(scrub.scrub("pin 1234"), "pin <PIN>");
        assert_eq!(scrub.scrub("near secret line:"), "near <M>:");
        assert_eq!(scrub.scrub("shell-token at /home/me"), "<API_TOKEN> at /home/me");
    }

    #[test]
    fn leaves_what_tells_nothing() {
        let scrub = scrubber("NODE_ENV=production\nPORT=8080\nDEBUG=true\nA=x\n");
        let text = "production port 8080 is true, x";
        assert_eq!(scrub.scrub(text), text);
    }
}
