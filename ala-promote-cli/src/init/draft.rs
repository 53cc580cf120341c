//! The config as it would be written: what is there, and the lines that were chosen.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use ala_promote_core::config::{ConfigLine, UnwritableConfig};
use similar::TextDiff;

/// Lines of a diff around what changes.
const CONTEXT: usize = 2;

/// The config as it would be written.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    /// What is there; none where there is no file.
    written: Option<String>,
    lines: Vec<ConfigLine>,
}

impl Draft {
    /// Begins with what is there.
    pub(crate) fn of(path: PathBuf) -> io::Result<Self> {
        let written = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path, written, lines: Vec::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_new(&self) -> bool {
        self.written.is_none()
    }

    /// The lines that were added, in their order.
    pub(crate) fn lines(&self) -> &[ConfigLine] {
        &self.lines
    }

    /// What the file would say, without comments where it is new.
    pub(crate) fn text(&self) -> Result<String, UnwritableConfig> {
        let written = self.written.as_deref().unwrap_or_default();
        if self.lines.is_empty() {
            Ok(written.to_owned())
        } else {
            ConfigLine::write_into(written, &self.lines)
        }
    }

    /// Adds lines, but none that would replace what somebody wrote; tells whether they say something new.
    pub(crate) fn add(&mut self, lines: Vec<ConfigLine>) -> Result<bool, UnwritableConfig> {
        let before = self.text()?;
        let written = self.written.as_deref().unwrap_or_default();
        self.lines.extend(lines.into_iter().filter(|line| !line.replaces(written)));
        Ok(self.text()? != before)
    }

    /// What would change, as a unified diff; empty where nothing would.
    pub(crate) fn diff(&self) -> Result<String, UnwritableConfig> {
        let before = self.written.as_deref().unwrap_or_default();
        let after = self.text()?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let diff = TextDiff::from_lines(before, &after);
        Ok(diff.unified_diff().context_radius(CONTEXT).header(&name, &name).to_string())
    }

    /// Writes the lines into the file that is there: all of them or, if it fails or somebody changed the file meanwhile,
    /// none.
    pub(crate) fn write(&self) -> io::Result<()> {
        // A link goes on leading to the file.
        let path = fs::canonicalize(&self.path)?;
        let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(self.text().map_err(io::Error::other)?.as_bytes())?;
        let there = fs::metadata(&path)?;
        file.as_file().set_permissions(there.permissions())?;
        let ours = file.as_file().metadata()?;
        if (ours.uid(), ours.gid()) != (there.uid(), there.gid()) {
            fchown(file.as_file(), Some(there.uid()), Some(there.gid()))?;
        }
        file.as_file().sync_all()?;
        if fs::read_to_string(&path).ok() != self.written {
            return Err(io::Error::other("somebody changed it meanwhile"));
        }
        file.persist(path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn line() -> ConfigLine {
        ConfigLine::new(&["environments", "staging", "beside"], "port_offset", 1000_u16)
    }

    #[test]
    fn what_is_there_stays_and_so_do_its_link_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("shared.toml"), dir.path().join("ala-promote.toml"));
        fs::write(&file, "# Ours.\nversion = 1\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("shared.toml", &link).unwrap();
        let mut draft = Draft::of(link.clone()).unwrap();
        assert!(draft.add(vec![line()]).unwrap());
        assert!(!draft.add(vec![line()]).unwrap(), "it says so already");
        draft.write().unwrap();
        let after = fs::read_to_string(&file).unwrap();
        assert_eq!(
            after,
            "# Ours.\nversion = 1\n\n[environments.staging]\nbeside = { port_offset = 1000 }\n"
        );
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(Draft::of(link).unwrap().diff().unwrap(), "");
    }

    #[test]
    fn what_somebody_wrote_is_neither_replaced_nor_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ala-promote.toml");
        let ours = "[environments.staging.beside]\nport_offset = 1 # agreed";
        fs::write(&path, ours).unwrap();
        let mut draft = Draft::of(path.clone()).unwrap();
        assert!(!draft.add(vec![line()]).unwrap());
        assert_eq!(draft.diff().unwrap(), "");
        let suffix = ConfigLine::new(&["environments", "staging", "beside"], "container_suffix", "-x");
        assert!(draft.add(vec![suffix]).unwrap());
        fs::write(&path, "# Another one.\n").unwrap();
        assert!(draft.write().unwrap_err().to_string().contains("meanwhile"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "# Another one.\n");
        fs::write(&path, ours).unwrap();
        draft.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{ours}\ncontainer_suffix = \"-x\"\n"));
    }

    #[test]
    fn a_diff_shows_what_would_be_new() {
        let dir = tempfile::tempdir().unwrap();
        let mut draft = Draft::of(dir.path().join("ala-promote.toml")).unwrap();
        draft.add(vec![line()]).unwrap();
        assert_eq!(
            draft.diff().unwrap(),
            "--- ala-promote.toml\n+++ ala-promote.toml\n@@ -0,0 +1,2 @@\n+[environments.staging]\n+beside = { \
             port_offset = 1000 }\n"
        );
    }
}
