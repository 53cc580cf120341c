//! Which folder is worked on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::conventions::{is_work_folder, other_compose_files};
use super::error::{Looked, SettingsError};
use super::paths::{absolute, same};

/// Finds the folder to work on: the one that was named; else the working directory if it holds Compose files; else the
/// folder that the program was called by (`~/x/deployment/deploy-staging` from cron).
///
/// `called` is the program's name as it was called. One without a `/` was found by `PATH` and says nothing: seen from
/// the working directory, its folder is that directory. Links in it are not followed, so that a link in the folder to a
/// program elsewhere works.
///
/// Compose files whose names no convention knows count where there is nothing else.
///
/// # Errors
/// [`NoFolder`](SettingsError::NoFolder) tells where it was looked. [`AmbiguousFolder`](SettingsError::AmbiguousFolder)
/// where the working directory and the program's folder both hold Compose files and are not the same: a script that
/// stood there would have worked on its own folder, so nobody can tell which was meant.
pub fn find_dir(
    explicit: Option<&Path>,
    working_dir: &Path,
    called: Option<&OsStr>,
) -> Result<PathBuf, SettingsError> {
    let problem = |dir: &Path| {
        if !dir.exists() {
            Some("it does not exist")
        } else if !dir.is_dir() {
            Some("it is no folder")
        } else {
            (!is_work_folder(dir)).then_some("no Compose files, no ala-promote.toml")
        }
    };
    let has_others = |dir: &Path| !other_compose_files(dir).is_empty();
    if let Some(path) = explicit.map(|dir| absolute(working_dir, dir)) {
        return match problem(&path) {
            None => Ok(path),
            Some(_) if has_others(&path) => Ok(path),
            Some(problem) => {
                Err(SettingsError::NoFolder { looked: vec![Looked { what: "--dir", path, problem }] })
            }
        };
    }
    let beside = called
        .map(Path::new)
        .and_then(|called| Some(absolute(working_dir, called).parent()?.to_owned()))
        .filter(|beside| !same(beside, working_dir));
    let mut looked = Vec::new();
    let mut found = Vec::new();
    let here = absolute(working_dir, Path::new("."));
    let places = [("the working directory", Some(here)), ("the folder of the called program", beside)];
    for (what, path) in places.into_iter().filter_map(|(what, path)| Some((what, path?))) {
        match problem(&path) {
            None => found.push(path),
            Some(problem) => looked.push(Looked { what, path, problem }),
        }
    }
    if found.is_empty() {
        found.extend(looked.iter().map(|looked| &looked.path).filter(|path| has_others(path)).cloned());
    }
    match <[PathBuf; 2]>::try_from(found) {
        Ok([working_dir, called]) => Err(SettingsError::AmbiguousFolder { working_dir, called }),
        Err(found) => found.into_iter().next().ok_or(SettingsError::NoFolder { looked }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `a` and `b` hold Compose files, `empty` nothing, `app/deployment` is called from elsewhere.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path().canonicalize().unwrap();
        for (dir, file) in [("a", "compose.yaml"), ("b", "docker-compose.yml"), ("c", "ala-promote.toml")] {
            fs::create_dir(root.join(dir)).unwrap();
            fs::write(root.join(dir).join(file), "").unwrap();
        }
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/.env"), "A=1\nCOMPOSE_FILE=x.yml\n").unwrap();
        fs::create_dir(root.join("empty")).unwrap();
        (keep, root)
    }

    fn find(root: &Path, explicit: Option<&str>, cwd: &str, called: Option<&str>) -> Result<String, String> {
        find_dir(explicit.map(Path::new), &root.join(cwd), called.map(OsStr::new))
            .map(|found| found.strip_prefix(root).unwrap().to_str().unwrap().to_owned())
            .map_err(|error| error.to_string().replace(root.to_str().unwrap(), "/root"))
    }

    #[test]
    fn the_named_folder_the_working_directory_the_programs_folder() {
        let (_keep, root) = tree();
        assert_eq!(find(&root, Some("../b"), "a", None).as_deref(), Ok("b"));
        assert_eq!(find(&root, None, "a", None).as_deref(), Ok("a"));
        assert_eq!(find(&root, None, "a", Some("./deploy")).as_deref(), Ok("a"));
        assert_eq!(find(&root, None, "c", Some("deploy")).as_deref(), Ok("c"));
        assert_eq!(find(&root, None, "d", None).as_deref(), Ok("d"));
        // Files of other names count only where there is nothing else.
        fs::create_dir(root.join("others")).unwrap();
        fs::write(root.join("others/docker-compose.deploy.yml"), "").unwrap();
        assert_eq!(find(&root, None, "others", None).as_deref(), Ok("others"));
        assert_eq!(find(&root, Some("../others"), "a", None).as_deref(), Ok("others"));
        assert_eq!(find(&root, None, "others", Some("../b/deploy-staging")).as_deref(), Ok("b"));
        assert_eq!(find(&root, None, "empty", Some("../b/deploy-staging")).as_deref(), Ok("b"));
        let called = root.join("b/deploy-staging");
        assert_eq!(find(&root, None, "empty", called.to_str()).as_deref(), Ok("b"));
        // A link to a program elsewhere.
        std::os::unix::fs::symlink("/bin/sh", root.join("b/deploy-staging")).unwrap();
        assert_eq!(find(&root, None, "empty", called.to_str()).as_deref(), Ok("b"));
    }

    #[test]
    fn says_where_it_looked() {
        let (_keep, root) = tree();
        assert_eq!(
            find(&root, None, "empty", Some("/usr/bin/deploy")).unwrap_err(),
            "found no folder to work on; looked at the working directory /root/empty (no Compose files, no \
             ala-promote.toml), the folder of the called program /usr/bin (no Compose files, no ala-promote.toml)"
        );
        assert_eq!(
            find(&root, Some("nowhere"), "a", Some("/usr/bin/deploy")).unwrap_err(),
            "found no folder to work on; looked at --dir /root/a/nowhere (it does not exist)"
        );
        assert!(find(&root, Some("compose.yaml"), "a", None).unwrap_err().contains("it is no folder"));
        assert!(find(&root, None, "empty", Some("deploy")).is_err(), "found by PATH: says nothing");
    }

    #[test]
    fn two_folders_that_could_be_meant_are_not_chosen_from() {
        let (_keep, root) = tree();
        assert_eq!(
            find(&root, None, "a", Some("../b/deploy-staging")).unwrap_err(),
            "both the working directory /root/a and the folder of the called program /root/b hold Compose files"
        );
        assert_eq!(find(&root, Some("."), "a", Some("../b/deploy-staging")).as_deref(), Ok("a"));
    }
}
