//! The ledger.
mod body;
mod view;
pub use body::Body;
pub use view::{EnvironmentView, HistoryEnd, HistoryEntry, LedgerView, Unfinished};
