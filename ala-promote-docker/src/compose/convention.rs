//! What Compose takes by itself: its files, and its name for a project.

use std::path::{Path, PathBuf};

use super::tool::Family;

/// What v1 looks for, first wins.
const FILES_ONE: [&str; 4] = ["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"];
/// What v2 looks for, first wins.
const FILES_TWO: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// What v1 puts over it.
const OVERRIDES_ONE: [&str; 4] = [
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
    "compose.override.yml",
    "compose.override.yaml",
];
/// What v2 puts over it.
const OVERRIDES_TWO: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The files that Compose takes in a folder when none are named; empty where it finds none.
pub(super) fn default_files(dir: &Path, family: Family) -> Vec<PathBuf> {
    let (files, overrides) = match family {
        Family::One => (FILES_ONE, OVERRIDES_ONE),
        Family::Two => (FILES_TWO, OVERRIDES_TWO),
    };
    let first = |names: [&str; 4]| names.into_iter().map(|name| dir.join(name)).find(|path| path.is_file());
    let Some(file) = first(files) else { return Vec::new() };
    std::iter::once(file).chain(first(overrides)).collect()
}

/// Whether it is one of the files that Compose takes when none are named, by its name.
pub(super) fn is_taken_by_itself(file: &Path) -> bool {
    is_one_of(file, FILES_ONE) || is_override(file)
}

/// Whether it is one that Compose lays over these by itself, by its name.
pub(super) fn is_override(file: &Path) -> bool {
    is_one_of(file, OVERRIDES_ONE)
}

fn is_one_of(file: &Path, names: [&str; 4]) -> bool {
    file.file_name().and_then(|name| name.to_str()).is_some_and(|name| names.contains(&name))
}

/// What has the name of a file that Compose takes, and is none: a folder, or a link that leads nowhere or in a circle.
pub(super) fn no_file(dir: &Path) -> Option<PathBuf> {
    let mut all = FILES_TWO.iter().map(|name| dir.join(name));
    all.find(|path| path.symlink_metadata().is_ok() && !path.is_file())
}

/// The files that a `COMPOSE_FILE` names, absolute.
pub(super) fn listed_files(dir: &Path, list: &str, separator: &str) -> Vec<PathBuf> {
    list.split(separator).map(str::trim).filter(|name| !name.is_empty()).map(|name| dir.join(name)).collect()
}

/// What Compose makes of a name that nobody checked: of a folder, or with v1 of any.
pub(super) fn normalised(name: &str, family: Family) -> String {
    let kept = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let name: String = name.to_lowercase().chars().filter(kept).collect();
    match family {
        Family::One => name,
        Family::Two => name.trim_start_matches(['-', '_']).to_owned(),
    }
}

/// Whether both versions of Compose take this project name as it is.
pub(super) fn is_project(name: &str) -> bool {
    !name.is_empty() && name == normalised(name, Family::Two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_each_version_takes() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert!(default_files(dir, Family::Two).is_empty());
        for name in ["docker-compose.yml", "compose.yml", "docker-compose.override.yml"] {
            std::fs::write(dir.join(name), "").unwrap();
        }
        let over = dir.join("docker-compose.override.yml");
        assert_eq!(default_files(dir, Family::One), [dir.join("docker-compose.yml"), over.clone()]);
        assert_eq!(default_files(dir, Family::Two), [dir.join("compose.yml"), over]);
        assert_eq!(listed_files(dir, "a.yml:b/c.yml", ":"), [dir.join("a.yml"), dir.join("b/c.yml")]);
    }

    #[test]
    fn names_projects_as_each_version_does() {
        assert_eq!(normalised("My App.2", Family::Two), "myapp2");
        assert_eq!(normalised("_x-Y", Family::One), "_x-y");
        assert_eq!(normalised("_x-Y", Family::Two), "x-y");
        assert!(is_project("ala-staging"));
        for bad in ["", "Ala", "-x", "a.b"] {
            assert!(!is_project(bad), "{bad}");
        }
    }
}
