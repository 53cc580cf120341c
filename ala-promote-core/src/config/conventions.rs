//! What a folder means that has no config file: names of files and folders, and what is made of them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::paths::present;
use super::stacks;
use crate::domain::EnvironmentName;

/// The environment that has the folder's own Compose files, unless the config gives them to another.
pub(super) const PRODUCTION: &str = "production";
/// The environment that production's releases come from.
pub(super) const STAGING: &str = "staging";
/// The config file.
pub const CONFIG_FILE: &str = "ala-promote.toml";
/// The state folder, within the folder.
pub(super) const STATE_DIR: &str = ".ala-promote";
/// The folder for backups, seen from the folder.
pub(super) const BACKUP_DIR: &str = "../backups";

/// The Compose files that Compose takes by itself, the preferred one first.
const COMPOSE_FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Those that Compose lays over them by itself.
const OVERRIDE_FILES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];
/// Ends of names of templates, the preferred one first.
pub(super) const TEMPLATE_ENDS: [&str; 4] = [".template", ".example", ".sample", ".dist"];

/// Compose and env files are read this far when they are looked through; a longer one counts as using anything.
const MAX_LOOKED_THROUGH: u64 = 1024 * 1024;

/// How people spell an environment in the names of files, the preferred way first.
fn spellings(environment: &str) -> Vec<&str> {
    match environment {
        PRODUCTION => vec![PRODUCTION, "prod"],
        STAGING => vec![STAGING, "stage"],
        other => vec![other],
    }
}

/// The names that an environment's own env file may have, the preferred one first.
#[must_use]
pub fn env_file_names(environment: &EnvironmentName) -> Vec<String> {
    spellings(environment.as_str()).into_iter().map(|name| format!(".env.{name}")).collect()
}

/// The names that an environment's own Compose file may have, the preferred one first.
pub(super) fn overlay_names(environment: &str) -> Vec<String> {
    let names = |environment: &str| {
        [
            format!("docker-compose.{environment}.yml"),
            format!("docker-compose.{environment}.yaml"),
            format!("docker-compose-{environment}.yml"),
            format!("docker-compose-{environment}.yaml"),
            format!("compose.{environment}.yaml"),
            format!("compose.{environment}.yml"),
            format!("compose-{environment}.yaml"),
            format!("compose-{environment}.yml"),
        ]
    };
    spellings(environment).into_iter().flat_map(names).collect()
}

/// All Compose files in a folder that are named after an environment, the preferred one first: for production
/// `docker-compose.production.yml`, `compose.prod.yaml` and so on.
#[must_use]
pub fn named_compose_files(dir: &Path, environment: &EnvironmentName) -> Vec<PathBuf> {
    overlay_names(environment.as_str())
        .into_iter()
        .map(|name| dir.join(name))
        .filter(|p| present(p))
        .collect()
}

/// The environment's own Compose file in a folder.
pub(super) fn overlay_file(dir: &Path, environment: &str) -> Option<PathBuf> {
    first_present(dir, overlay_names(environment))
}

/// The Compose files in a folder that no convention gives to an environment, by their names, such as
/// `docker-compose.deploy.yml`; sorted.
#[must_use]
pub fn other_compose_files(dir: &Path) -> Vec<PathBuf> {
    let mut known: Vec<String> =
        COMPOSE_FILES.iter().chain(&OVERRIDE_FILES).map(ToString::to_string).collect();
    known.extend([PRODUCTION, STAGING].iter().flat_map(|name| overlay_names(name)));
    let is_other = |name: &str| {
        let rest = name.strip_prefix("docker-").unwrap_or(name).strip_prefix("compose");
        rest.is_some_and(|rest| {
            rest.starts_with(['.', '-', '_']) && (rest.ends_with(".yml") || rest.ends_with(".yaml"))
        }) && !known.iter().any(|known| known == name)
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_other));
    let mut files: Vec<PathBuf> = named.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The Compose files in a folder that Compose takes by itself.
pub(super) fn own_compose_files(dir: &Path) -> Vec<PathBuf> {
    let base = first_present(dir, COMPOSE_FILES);
    base.into_iter().chain(first_present(dir, OVERRIDE_FILES)).collect()
}

/// Whether a folder is one to work on: it holds Compose files, names some in its `.env`, or holds our config file.
pub(super) fn is_work_folder(dir: &Path) -> bool {
    let names_files = |env_file: &Path| {
        present(env_file)
            && read_bounded(env_file).is_some_and(|text| {
                text.split(|b| *b == b'\n').any(|line| line.trim_ascii_start().starts_with(b"COMPOSE_FILE="))
            })
    };
    first_present(dir, COMPOSE_FILES).is_some()
        || [PRODUCTION, STAGING].iter().any(|name| overlay_file(dir, name).is_some())
        || present(&dir.join(CONFIG_FILE))
        || !stacks::named(dir).is_empty()
        || names_files(&dir.join(".env"))
}

/// The folders below a folder that are each an environment's, if it has one for staging and one for production.
pub(super) fn separate_folders(dir: &Path) -> Option<[(&'static str, &'static str); 2]> {
    let named = |environment: &'static str, spellings: &[&'static str]| {
        let holds_files = |name: &&&'static str| first_present(&dir.join(name), COMPOSE_FILES).is_some();
        spellings.iter().find(holds_files).map(|name| (environment, *name))
    };
    Some([named(STAGING, &[STAGING, "stage"])?, named(PRODUCTION, &[PRODUCTION, "prod"])?])
}

/// What tells an environment's env file.
pub(super) struct EnvFileSite<'a> {
    pub(super) dir: &'a Path,
    pub(super) environment: &'a str,
    /// Whether its Compose files are those that Compose itself takes in the folder, as it takes `.env`.
    pub(super) own_stack: bool,
    /// Whether no other environment has this folder.
    pub(super) alone: bool,
}

/// The env file of an environment by convention.
///
/// A missing one is named all the same where it looks as if one were meant, since it is a mistake then that must be
/// told: it has a template, a Compose file uses variables, or there is a `.env`, which Compose would take in its place
/// and give the environment the values of another.
pub(super) fn env_file(site: &EnvFileSite<'_>, compose_files: &[PathBuf]) -> Option<PathBuf> {
    let plain = site.dir.join(".env");
    let candidates = env_file_candidates(site);
    let found = candidates.iter().find(|c| present(c));
    if let Some(file) = found.or_else(|| candidates.iter().find(|c| env_template(c).is_some())) {
        return Some(file.clone());
    }
    let meant = present(&plain) || compose_files.iter().any(|file| uses_variables(file));
    // Alone in its folder, an environment most likely has what Compose takes by itself.
    let default = if site.alone { Some(plain) } else { candidates.into_iter().next() };
    default.filter(|_| meant)
}

/// What is there besides the env file by convention, and could be it just as well.
pub(super) fn rival_env_files(site: &EnvFileSite<'_>) -> Vec<PathBuf> {
    env_file_candidates(site).into_iter().filter(|file| present(file)).skip(1).collect()
}

/// The files that an environment's env file may be, the preferred one first.
fn env_file_candidates(site: &EnvFileSite<'_>) -> Vec<PathBuf> {
    let names = spellings(site.environment);
    let own = names.into_iter().map(|name| site.dir.join(format!(".env.{name}")));
    let plain = std::iter::once(site.dir.join(".env"));
    match site {
        EnvFileSite { own_stack: true, .. } => plain.chain(own).collect(),
        EnvFileSite { alone: true, .. } => own.chain(plain).collect(),
        _ => own.collect(),
    }
}

/// The template that stands beside a missing env file: `.env.staging.template` for `.env.staging`, and also
/// `.env.production.template` for `.env`.
///
/// It is for the message about the missing file.
#[must_use]
pub fn env_template(env_file: &Path) -> Option<PathBuf> {
    let with_end = |base: &Path, end: &str| {
        let mut name = OsString::from(base);
        name.push(end);
        PathBuf::from(name)
    };
    let mut bases = vec![env_file.to_owned()];
    if env_file.file_name().is_some_and(|name| name == ".env") {
        bases.push(with_end(env_file, ".production"));
    }
    bases
        .iter()
        .flat_map(|base| TEMPLATE_ENDS.iter().map(|end| with_end(base, end)))
        .find(|candidate| present(candidate))
}

/// Whether a Compose file has a `$` that is not doubled, and in no comment. What can't be read may have one.
fn uses_variables(file: &Path) -> bool {
    let Some(text) = read_bounded(file) else { return true };
    text.split(|b| *b == b'\n').map(without_comment).any(|line| {
        let dollars = line.chunk_by(|one, two| one == two).filter(|same| same.first() == Some(&b'$'));
        dollars.into_iter().any(|same| same.len() % 2 == 1)
    })
}

/// A line of YAML up to its comment. After a quote a `#` may be text, and stays.
fn without_comment(line: &[u8]) -> &[u8] {
    let unquoted = line.split(|b| matches!(b, b'"' | b'\'')).next().unwrap_or_default();
    let mut before = b' ';
    let begins = |b: &u8| std::mem::replace(&mut before, *b).is_ascii_whitespace() && *b == b'#';
    unquoted.iter().position(begins).and_then(|at| line.get(..at)).unwrap_or(line)
}

fn read_bounded(file: &Path) -> Option<Vec<u8>> {
    // Opening a named pipe would wait for ever.
    if !file.is_file() {
        return None;
    }
    let mut text = Vec::new();
    File::open(file).ok()?.take(MAX_LOOKED_THROUGH + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= MAX_LOOKED_THROUGH).then_some(text)
}

fn first_present<N: AsRef<Path>>(dir: &Path, names: impl IntoIterator<Item = N>) -> Option<PathBuf> {
    names.into_iter().map(|name| dir.join(name)).find(|path| present(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn env_of(dir: &tempfile::TempDir, environment: &str, alone: bool) -> Option<String> {
        let files =
            [own_compose_files(dir.path()), overlay_file(dir.path(), environment).into_iter().collect()];
        let site =
            EnvFileSite { dir: dir.path(), environment, own_stack: environment == "production", alone };
        env_file(&site, &files.concat()).map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn every_name_of_an_overlay_is_found_the_preferred_one_first() {
        let dir = folder(&[]);
        for name in overlay_names("staging").iter().rev() {
            fs::write(dir.path().join(name), "").unwrap();
            assert_eq!(overlay_file(dir.path(), "staging"), Some(dir.path().join(name)));
        }
        assert_eq!(overlay_names("staging").len(), 16);
    }

    #[test]
    fn env_file_where_none_is_needed() {
        let dir = folder(&[("docker-compose.yml", "image: 'a$$b'"), ("docker-compose.staging.yml", "")]);
        assert_eq!(env_of(&dir, "production", false), None);
        assert_eq!(env_of(&dir, "staging", false), None);
    }

    #[test]
    fn a_dollar_in_a_comment_or_doubled_is_no_variable() {
        for (line, uses) in [
            ("a: $A", true),
            ("a: b # $A", false),
            ("# s/$/x/", false),
            ("  # '$A'", false),
            ("a: b#$A", true),
            ("a: '# $A'", true),
            ("a: $$A", false),
            ("a: $$$A", true),
            ("a: $$$$", false),
            ("a: $$b${A}", true),
        ] {
            let dir = folder(&[("c.yml", &format!("services:\n{line}\nb: c\n"))]);
            assert_eq!(uses_variables(&dir.path().join("c.yml")), uses, "{line}");
        }
    }

    #[test]
    fn other_compose_files_are_known_by_their_names() {
        let names = [
            "compose.platform.staging.yaml",
            "docker-compose.deploy.yml",
            "docker-compose_live.yml",
            "compose.production.yaml",
            "docker-compose.yml",
        ];
        let dir = folder(&names.map(|name| (name, "")));
        for none in ["composer.yml", "compose.json", "my-compose.yml", "docker-compose.yml.bak"] {
            fs::write(dir.path().join(none), "").unwrap();
        }
        let found = other_compose_files(dir.path());
        assert_eq!(found, names[..3].iter().map(|name| dir.path().join(name)).collect::<Vec<_>>());
    }

    #[test]
    fn env_file_is_named_though_missing_where_one_is_meant() {
        let uses = folder(&[("docker-compose.yml", "image: $$x ${TAG}"), ("docker-compose.staging.yml", "")]);
        assert_eq!(env_of(&uses, "production", false).as_deref(), Some(".env"));
        assert_eq!(env_of(&uses, "staging", false).as_deref(), Some(".env.staging"));

        let overlay = folder(&[("compose.yaml", ""), ("compose.staging.yaml", "ports: ['$PORT:80']")]);
        assert_eq!(env_of(&overlay, "production", false), None);
        assert_eq!(env_of(&overlay, "staging", false).as_deref(), Some(".env.staging"));

        let template = folder(&[("compose.yaml", ""), (".env.staging.example", "")]);
        assert_eq!(env_of(&template, "staging", false).as_deref(), Some(".env.staging"));
        assert_eq!(env_of(&template, "production", false), None);

        let override_file = folder(&[("compose.yaml", ""), ("compose.override.yaml", "$A")]);
        assert_eq!(env_of(&override_file, "production", false).as_deref(), Some(".env"));
    }

    #[test]
    fn staging_never_falls_back_to_productions_env_file() {
        let dir = folder(&[("compose.yaml", ""), (".env", "COMPOSE_PROJECT_NAME=live")]);
        assert_eq!(env_of(&dir, "staging", false).as_deref(), Some(".env.staging"));
    }

    #[test]
    fn env_file_of_production_and_of_an_environment_alone_in_its_folder() {
        let both = folder(&[("compose.yaml", ""), (".env", ""), (".env.production", ""), (".env.qa", "")]);
        assert_eq!(env_of(&both, "production", true).as_deref(), Some(".env"));
        assert_eq!(env_of(&both, "qa", true).as_deref(), Some(".env.qa"));
        assert_eq!(env_of(&both, "demo", true).as_deref(), Some(".env"));
        let one = folder(&[("compose.yaml", "$A"), (".env.production", "")]);
        assert_eq!(env_of(&one, "production", false).as_deref(), Some(".env.production"));
        let none = folder(&[("compose.yaml", "$A")]);
        assert_eq!(env_of(&none, "qa", true).as_deref(), Some(".env"));
    }

    #[test]
    fn rivals_are_what_the_env_file_could_be_just_as_well() {
        let dir = folder(&[(".env", ""), (".env.production", ""), (".env.prod", ""), (".env.qa", "")]);
        let rivals = |environment, own_stack, alone| {
            let site = EnvFileSite { dir: dir.path(), environment, own_stack, alone };
            let names = rival_env_files(&site).into_iter();
            names.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(rivals("production", true, false), [".env.production", ".env.prod"]);
        assert_eq!(rivals("qa", false, true), [".env"]);
        assert!(rivals("qa", false, false).is_empty());
        assert!(rivals("live", true, false).is_empty());
    }

    #[test]
    fn templates() {
        let dir = folder(&[
            (".env.production.template", ""),
            (".env.staging.sample", ""),
            (".env.staging.dist", ""),
        ]);
        let template = |name: &str| env_template(&dir.path().join(name));
        assert_eq!(template(".env"), Some(dir.path().join(".env.production.template")));
        assert_eq!(template(".env.staging"), Some(dir.path().join(".env.staging.sample")));
        assert_eq!(template(".env.qa"), None);
    }

    #[test]
    fn what_cant_be_looked_through_counts_as_using_variables() {
        let dir = folder(&[("big.yml", &"#".repeat(1024 * 1024 + 1))]);
        assert!(uses_variables(&dir.path().join("big.yml")));
        assert!(uses_variables(&dir.path().join("absent.yml")));
    }
}
