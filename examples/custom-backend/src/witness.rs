//! The note that a ledger exists: a file for each folder, apart from that folder.

use std::path::{Path, PathBuf};

use ala_promote_core::backend::{BackendResult, Witness, Witnessed};
use async_trait::async_trait;

use crate::LocalBackend;
use crate::host::{read, remove, write};

impl LocalBackend {
    fn note(&self, dir: &Path) -> PathBuf {
        self.place("witness", &dir.display().to_string())
    }
}

#[async_trait]
impl Witness for LocalBackend {
    async fn read(&self, dir: &Path) -> BackendResult<Option<Witnessed>> {
        read(&self.note(dir))
    }

    async fn write(&self, dir: &Path, witnessed: &Witnessed) -> BackendResult<()> {
        let noted: Option<Witnessed> = read(&self.note(dir))?;
        let is_late = noted.is_some_and(|n| n.ledger == witnessed.ledger && n.seq > witnessed.seq);
        if is_late { Ok(()) } else { write(&self.note(dir), witnessed) }
    }

    async fn forget(&self, dir: &Path) -> BackendResult<()> {
        remove(&self.note(dir))
    }
}
