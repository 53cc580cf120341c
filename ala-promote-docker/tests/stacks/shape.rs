//! The stacks on disk.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// One stack as it lies below `shapes`.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) name: String,
    folder: PathBuf,
}

/// A copy of its repository, to work in.
#[derive(Debug)]
pub(crate) struct Copy {
    root: TempDir,
    /// The folder to work in.
    pub(crate) dir: PathBuf,
}

impl Shape {
    /// All of them by name, or those that `ALA_PROMOTE_STACK` names.
    pub(crate) fn all() -> Vec<Self> {
        let wanted = std::env::var("ALA_PROMOTE_STACK").ok();
        let shapes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stacks/shapes");
        let mut all: Vec<Self> = std::fs::read_dir(shapes)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|folder| Self { name: folder.file_name().unwrap().to_str().unwrap().to_owned(), folder })
            .filter(|shape| wanted.as_ref().is_none_or(|w| w.split(',').any(|name| name == shape.name)))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(!all.is_empty(), "no stack is called so");
        all
    }

    /// One by its name.
    pub(crate) fn named(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stacks/shapes").join(name);
        assert!(folder.is_dir(), "there is no stack {name}");
        Self { name: name.to_owned(), folder }
    }

    /// Copies it into a folder of this name; `edit` changes the text of each file on the way.
    pub(crate) fn copy(&self, name: &str, edit: impl Fn(&str) -> String) -> Copy {
        let root = tempfile::tempdir().unwrap();
        let repository = root.path().canonicalize().unwrap().join(name);
        copy(&self.folder.join("repo"), &repository, &edit);
        let inner = std::fs::read_to_string(self.folder.join("work-in")).unwrap_or_default();
        let dir = if inner.is_empty() { repository } else { repository.join(inner.trim()) };
        Copy { root, dir }
    }

    /// Where what is decided with one family of Compose is kept.
    pub(crate) fn expected(&self, v1: bool) -> PathBuf {
        self.folder.join(if v1 { "expected-v1.txt" } else { "expected.txt" })
    }
}

impl Copy {
    /// A text with the paths of this copy replaced by such of every copy.
    pub(crate) fn without_paths(&self, text: &str) -> String {
        let root = self.root.path().canonicalize().unwrap();
        text.replace(root.to_str().unwrap(), "/home")
    }
}

fn copy(from: &Path, to: &Path, edit: &impl Fn(&str) -> String) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, edit);
        } else {
            std::fs::write(target, edit(&std::fs::read_to_string(entry.path()).unwrap())).unwrap();
        }
    }
}
