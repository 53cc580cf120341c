//! The shared state behind all handles of one backend, and its history.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ala_promote_core::backend::BackendResult;
use ala_promote_core::domain::EnvironmentName;
use jiff::Timestamp;
use tempfile::TempDir;

use super::model::EnvironmentModel;
use super::state::State;

/// One moment of the history: what was done, and what was the case afterwards.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When, on the virtual clock.
    pub at: Timestamp,
    /// What was done: `start ala-backend-1`.
    pub what: String,
    /// What was the case afterwards.
    pub state: Arc<State>,
}

/// What the handles of one backend share.
#[derive(Debug)]
pub(super) struct World {
    /// The folder that the source tree is: all environments' folders lie in it.
    pub(super) root: PathBuf,
    /// Keeps that folder, where it was made for this world.
    pub(super) _folder: Option<TempDir>,
    /// Environments as their files say.
    pub(super) model: BTreeMap<EnvironmentName, EnvironmentModel>,
    /// What is the case now.
    pub(super) state: Arc<State>,
    /// All that was the case, oldest first.
    pub(super) history: Vec<Moment>,
    /// For ids that are never given twice.
    pub(super) next_id: u64,
}

impl World {
    /// Changes the state, or fails and changes nothing: also when what came out can't be.
    pub(super) fn change<T>(
        &mut self,
        what: &str,
        now: Timestamp,
        change: impl FnOnce(&mut State) -> BackendResult<T>,
    ) -> BackendResult<T> {
        let mut next = State::clone(&self.state);
        let value = change(&mut next)?;
        next.check(what, now)?;
        if next != *self.state {
            self.state = Arc::new(next);
            self.history.push(Moment { at: now, what: what.to_owned(), state: Arc::clone(&self.state) });
        }
        Ok(value)
    }

    pub(super) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
