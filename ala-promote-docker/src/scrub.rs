//! Keeps values of env files, and of containers' environments, out of what people and logs see. Tools quote them in
//! their errors.

use std::collections::BTreeMap;

use ala_promote_core::domain::Render;
use bollard::models::ContainerInspectResponse;

use crate::compose::EnvFile;

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
pub(crate) struct Scrubber {
    /// Text and what is shown in its place, longest text first.
    replacements: Vec<(String, String)>,
}

impl Scrubber {
    /// Hides the values of these variables, and the passwords within them.
    pub(crate) fn new<K: AsRef<str>, V: AsRef<str>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut found = BTreeMap::new();
        for (key, text) in variables {
            let (key, text) = (key.as_ref(), text.as_ref());
            for secret in [Some(text), url_password(text)].into_iter().flatten() {
                if tells_something(key, secret) {
                    found.entry(secret.to_owned()).or_insert_with(|| format!("<{key}>"));
                    // Compose's `config` doubles it.
                    found.entry(secret.replace('$', "$$")).or_insert_with(|| format!("<{key}>"));
                }
            }
        }
        let mut replacements: Vec<_> = found.into_iter().collect();
        replacements.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Self { replacements }
    }

    /// Hides all that these env files set, and what of the shell's variables is secret by its name.
    pub(crate) fn of_env_files<'a>(
        files: impl IntoIterator<Item = &'a EnvFile>,
        shell: &BTreeMap<String, String>,
    ) -> Self {
        let set = files.into_iter().flat_map(|file| {
            file.texts().flat_map(|(key, texts)| texts.into_iter().map(move |text| (key.to_owned(), text)))
        });
        let secret = shell.iter().filter(|(key, _)| is_secret_name(key));
        Self::new(set.chain(secret.map(|(key, value)| (key.clone(), value.clone()))))
    }

    /// Hides the environment of a container, but for what is no secret and often what matters.
    pub(crate) fn of_container(inspect: &ContainerInspectResponse) -> Self {
        let environment = inspect.config.iter().flat_map(|config| config.env.iter().flatten());
        Self::new(environment.filter_map(|entry| entry.split_once('=')).filter(|(key, _)| !is_public(key)))
    }

    /// Hides what services have in their environments as well, which Compose files may give them by themselves.
    pub(crate) fn and_of_services(mut self, render: &Render) -> Self {
        let variables = render.services.values().flat_map(|spec| &spec.environment);
        let of_services = Self::new(
            variables.filter(|(key, _)| !is_public(key)).map(|(key, value)| (key.as_str(), value.reveal())),
        );
        let is_new = |(text, _): &(String, String)| self.replacements.iter().all(|(known, _)| known != text);
        let added: Vec<_> = of_services.replacements.into_iter().filter(is_new).collect();
        self.replacements.extend(added);
        self.replacements.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self
    }

    /// The text without the values, and without passwords in URLs, wherever these come from.
    pub(crate) fn scrub(&self, text: &str) -> String {
        without_url_passwords(&self.without_values(text))
    }

    fn without_values(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for (value, name) in &self.replacements {
            if clean.contains(value.as_str()) {
                clean = clean.replace(value.as_str(), name);
            }
        }
        clean
    }
}

fn tells_something(key: &str, text: &str) -> bool {
    let is_port = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit()) && !is_secret_name(key);
    text.len() >= MIN_BYTES && !TRIVIAL.contains(&text) && !is_port
}

/// Of a container: paths, and the names of its server, of its users and databases.
fn is_public(key: &str) -> bool {
    matches!(key, "PATH" | "HOME" | "HOSTNAME" | "LANG" | "TZ" | "PGDATA" | "PG_MAJOR" | "PG_VERSION")
        || matches!(key, "POSTGRES_USER" | "POSTGRES_DB")
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

/// What is shown in place of a password of which no variable is known.
const SOME_PASSWORD: &str = "<password>";

/// A text with the password of each `scheme://user:password@host` in it replaced.
fn without_url_passwords(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    // A login ends before a path, a space or a quote; a password that has those is written in `%` codes.
    let end = rest.find(|c: char| c.is_whitespace() || "/\"'<>".contains(c)).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    let login = authority.rsplit_once('@').and_then(|(login, host)| Some((login.split_once(':')?, host)));
    let clean = match login {
        Some(((user, password), host)) if !password.is_empty() => format!("{user}:{SOME_PASSWORD}@{host}"),
        _ => authority.to_owned(),
    };
    format!("{before}://{clean}{}", without_url_passwords(after))
}

#[cfg(test)]
mod tests {
    use ala_promote_core::domain::{Secret, ServiceSpec, StackRef};

    use super::*;

    fn scrubber(text: &str) -> Scrubber {
        let shell = BTreeMap::from([
            ("API_TOKEN".to_owned(), "shell-token".to_owned()),
            ("HOME".to_owned(), "/home/me".to_owned()),
        ]);
        Scrubber::of_env_files([&EnvFile::parse(text)], &shell)
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

    #[test]
    fn what_compose_files_give_to_services_is_hidden_too() {
        let file =
            "services:\n  api: {image: a, environment: {API_PASSWORD: 'in-the-file', PATH: '/usr/bin'}}\n";
        let environment = [("API_PASSWORD", "in-the-file"), ("PATH", "/usr/bin"), ("SAME", "hunter22")];
        let spec = ServiceSpec {
            environment: environment.map(|(key, value)| (key.to_owned(), Secret::new(value))).into(),
            ..ServiceSpec::default()
        };
        let stack = StackRef {
            environment: "staging".parse().unwrap(),
            project: "staging".parse().unwrap(),
            dir: "/srv".into(),
            files: Vec::new(),
            env_file: None,
            service_env_files: BTreeMap::new(),
            changes: Vec::new(),
            derived_file: None,
        };
        let render = Render {
            stack,
            services: [("api".parse().unwrap(), spec)].into(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            places: Default::default(),
            notes: Vec::new(),
        };
        let scrub = scrubber("PASSWORD=hunter22\n").and_of_services(&render);
        assert_eq!(
            scrub.scrub("in-the-file, hunter22 in /usr/bin"),
            "<API_PASSWORD>, <PASSWORD> in /usr/bin"
        );
        assert!(scrub.scrub(file).contains("<API_PASSWORD>"));
    }

    #[test]
    fn passwords_in_urls_are_hidden_wherever_they_come_from() {
        let scrub = scrubber("A=x\n");
        for (said, shown) in [
            ("at postgres://u:s3cr3t@db:5432/x now", "at postgres://u:<password>@db:5432/x now"),
            (
                "'redis://:pw@cache' and amqp://a:b@q/v",
                "'redis://:<password>@cache' and amqp://a:<password>@q/v",
            ),
            ("http://u:p@w@host", "http://u:<password>@host"),
            ("https://example.com:80/a@b:c@d", "https://example.com:80/a@b:c@d"),
            (
                "git@example.com:team/app ssh://git@host/x ://",
                "git@example.com:team/app ssh://git@host/x ://",
            ),
            ("é://ü:ö@ä", "é://ü:<password>@ä"),
        ] {
            assert_eq!(scrub.scrub(said), shown);
        }
    }

    #[test]
    fn values_give_way_to_their_names() {
        let env =
            ["DB=postgres://u:hunter22@db/x", "OLD=redis://:s3cr@cache", "PORT=5432", "POSTGRES_DB=patients"];
        let inspect = ContainerInspectResponse {
            config: Some(bollard::models::ContainerConfig {
                env: Some(env.map(str::to_owned).to_vec()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let said = "no patients at postgres://u:hunter22@db/x:5432, tried hunter22, then s3cr";
        assert_eq!(
            Scrubber::of_container(&inspect).scrub(said),
            "no patients at <DB>:5432, tried <DB>, then <OLD>"
        );
    }
}
