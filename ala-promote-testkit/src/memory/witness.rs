//! The notes on ledgers.

use std::path::Path;

use ala_promote_core::backend::{BackendResult, Witness, Witnessed};
use async_trait::async_trait;

use super::MemoryBackend;

#[async_trait]
impl Witness for MemoryBackend {
    async fn read(&self, dir: &Path) -> BackendResult<Option<Witnessed>> {
        self.step().await;
        Ok(self.state().witness.get(dir).cloned())
    }

    async fn write(&self, dir: &Path, witnessed: &Witnessed) -> BackendResult<()> {
        self.step().await;
        self.change(&format!("note the ledger of {}", dir.display()), |state, _| {
            let noted = state.witness.entry(dir.to_owned()).or_insert_with(|| witnessed.clone());
            if noted.ledger != witnessed.ledger || noted.seq <= witnessed.seq {
                *noted = witnessed.clone();
            }
            Ok(())
        })
    }

    async fn forget(&self, dir: &Path) -> BackendResult<()> {
        self.step().await;
        self.change(&format!("forget the ledger of {}", dir.display()), |state, _| {
            state.witness.remove(dir);
            Ok(())
        })
    }
}
