//! What is given up by beginning a new ledger.

use serde::{Deserialize, Serialize};

use crate::backend::{LockHolder, Witnessed};

/// What is given up by beginning a new ledger in the place of one that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GivenUp {
    /// The ledger that the engine remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Witnessed>,
    /// Operations that died half-way and can no longer be recovered: what they changed stays as it was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub half_done: Vec<LockHolder>,
}

impl GivenUp {
    /// Whether nothing is given up: the ledger here is the one that the engine remembers.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.ledger.is_none() && self.half_done.is_empty()
    }
}
