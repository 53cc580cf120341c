//! Paths made absolute without asking the process where it stands.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// `path`, seen from `base`, without `.` and `..`. Symbolic links stay as written, since a folder's name can name its
/// Compose project; but a `..` behind a link goes up from where the link leads, as the system itself would.
pub(super) fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if let Ok(real) = fs::canonicalize(&clean) {
                    clean = real;
                }
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// Whether two paths lead to the same place, as far as that can be seen.
pub(super) fn same(a: &Path, b: &Path) -> bool {
    a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// Whether a file is there. A link that leads nowhere counts: whoever reads it gets an error, where taking it for
/// absent would silently leave out what it was meant to hold.
pub(super) fn present(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok() && !path.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_clean_and_follows_links_only_before_a_parent() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("releases/7/deployment")).unwrap();
        std::os::unix::fs::symlink("releases/7", root.join("current")).unwrap();

        assert_eq!(absolute(&root, Path::new("current/./deployment")), root.join("current/deployment"));
        assert_eq!(absolute(&root.join("current"), Path::new("../backups")), root.join("releases/backups"));
        assert_eq!(absolute(&root, Path::new("not/there/../../x")), root.join("x"));
        assert_eq!(absolute(&root, Path::new("/../../etc")), Path::new("/etc"));
        assert!(same(&root.join("current"), &root.join("releases/7")));
        assert!(!same(&root.join("current"), &root.join("releases")));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_present() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("link")).unwrap();
        assert!(present(&root.path().join("link")));
        assert!(!present(root.path()));
        assert!(!present(&root.path().join("absent")));
    }
}
