//! Source files in folders that are mounted.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use ala_promote_core::domain::is_source_file;

/// How deep source files are looked for.
const MAX_DEPTH: usize = 3;
/// How many entries are looked at, in one mounted folder: data may be millions of files.
const MAX_ENTRIES: usize = 1000;

/// The mounted folders in `root` that hold source files, and where in it they lie.
pub(super) fn within<'a>(root: &Path, binds: impl Iterator<Item = &'a Path>) -> BTreeMap<PathBuf, PathBuf> {
    let Ok(root) = root.canonicalize() else { return BTreeMap::new() };
    let within = binds.filter_map(|bind| Some((bind, bind.strip_prefix(&root).ok()?)));
    within
        .filter(|(bind, _)| holds_source(bind))
        .map(|(bind, within)| (bind.to_owned(), within.to_owned()))
        .collect()
}

/// Whether a source file is found in it. Hidden folders and installed packages are not looked into.
fn holds_source(folder: &Path) -> bool {
    let mut left = MAX_ENTRIES;
    let mut folders = VecDeque::from([(folder.to_owned(), 1)]);
    while let Some((folder, depth)) = folders.pop_front() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if left == 0 {
                return false;
            }
            left -= 1;
            let (path, name) = (entry.path(), entry.file_name());
            let is_passed_over = name == "node_modules" || name.to_string_lossy().starts_with('.');
            match entry.file_type() {
                Ok(kind) if kind.is_file() && is_source_file(&path) => return true,
                Ok(kind) if kind.is_dir() && depth < MAX_DEPTH && !is_passed_over => {
                    folders.push_back((path, depth + 1));
                }
                _ => {}
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_source_files_in_folders_of_the_root_alone() {
        let keep = tempfile::tempdir().unwrap();
        let at = |path: &str| keep.path().canonicalize().unwrap().join(path);
        for file in ["app/src/api/main.py", "app/uploads/a.png", "app/dep/node_modules/x.js", "other/a.js"] {
            std::fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            std::fs::write(at(file), "").unwrap();
        }
        std::os::unix::fs::symlink(at("app"), at("link")).unwrap();
        let binds = ["app", "app/src/api", "app/uploads", "app/dep", "app/none", "other"].map(at);
        let found = within(&at("link"), binds.iter().map(PathBuf::as_path));
        let expected = [(at("app"), PathBuf::new()), (at("app/src/api"), PathBuf::from("src/api"))];
        assert_eq!(found, BTreeMap::from(expected));
    }
}
