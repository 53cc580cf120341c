//! Small pieces of text.

use std::path::{Component, Path, PathBuf};

use ala_promote_core::domain::{Release, SourceState};
use jiff::Timestamp;

/// `production` as the beginning of a sentence.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A point in time, in UTC.
pub(crate) fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Lines after the first begin under the first.
pub(crate) fn hanging(text: &str, indent: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{indent}"))
}

/// A size: `12.3 MB`.
pub(crate) fn bytes(count: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", count / unit, count % unit * 10 / unit),
        None => format!("{count} bytes"),
    }
}

/// A path as it is seen from a folder: `../backups/x.sql`. Both must be absolute; else it stays as it is.
pub(crate) fn seen_from(path: &Path, folder: &Path) -> PathBuf {
    if !(path.is_absolute() && folder.is_absolute()) {
        return path.to_owned();
    }
    let common = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    let seen: PathBuf = up.chain(path.components().skip(common)).collect();
    // From far away the whole path is easier to read.
    if seen.starts_with("../../..") { path.to_owned() } else { seen }
}

/// `staging-tested-20251029-143022, commit 0123456789 on main`.
pub(crate) fn release(release: &Release) -> String {
    with_source(release.tag.as_str(), release.source.as_ref())
}

/// A release's name with its commit, if that is known.
pub(crate) fn with_source(tag: &str, source: Option<&SourceState>) -> String {
    match source {
        Some(source) => format!("{tag}, commit {source}"),
        None => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let sizes = [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (12_345_678, "12.3 MB")];
        for (count, text) in sizes.into_iter().chain([(u64::MAX, "18446744073.7 GB")]) {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn paths_as_seen_from_the_folder() {
        let seen = |path: &str| seen_from(Path::new(path), Path::new("/srv/app/deployment"));
        assert_eq!(seen("/srv/app/backups/b.sql"), Path::new("../backups/b.sql"));
        assert_eq!(seen("/srv/app/deployment/b.sql"), Path::new("b.sql"));
        assert_eq!(seen("/var/b.sql"), Path::new("/var/b.sql"));
        assert_eq!(seen("b.sql"), Path::new("b.sql"));
    }
}
