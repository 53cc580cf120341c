//! What people and machines see. Holds no logic, and can't fail an operation.

pub(crate) mod doctor;
pub(crate) mod given_up;
pub(crate) mod history;
mod json;
pub(crate) mod init;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod problem;
mod progress;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod title;
mod ui;

pub(crate) use progress::Progress;
pub(crate) use ui::Ui;
