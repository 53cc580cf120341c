//! What the ledger's records say.

use serde::{Deserialize, Serialize};

use super::GivenUp;
use crate::domain::{Actor, Outcome, Request, StepId};
use crate::plan::{Finding, Output, Plan};

/// What one record says. Variants are only ever added: old ledgers stay readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
#[non_exhaustive]
pub enum Body {
    /// An operation starts. Written before its first effect.
    OperationStarted {
        /// All that it will do.
        plan: Box<Plan>,
        /// Who asked.
        actor: Actor,
    },
    /// A step's effect may happen from here on.
    StepStarted {
        /// The step.
        step: StepId,
    },
    /// A step's effect is there.
    StepFinished {
        /// The step.
        step: StepId,
        /// What came out.
        output: Output,
    },
    /// A step failed; its effect may be there in part.
    StepFailed {
        /// The step.
        step: StepId,
        /// Why.
        error: String,
    },
    /// Somebody asked to stop; what was done is undone from here on.
    Cancelled,
    /// Another process takes the operation over.
    RecoveryStarted {
        /// Who asked.
        actor: Actor,
    },
    /// A step's undo may happen from here on.
    UndoStarted {
        /// The step.
        step: StepId,
    },
    /// A step's effect is taken back.
    UndoFinished {
        /// The step.
        step: StepId,
    },
    /// A step's undo was tried and failed.
    UndoFailed {
        /// The step.
        step: StepId,
        /// Why.
        error: String,
    },
    /// The operation ended. One that needed attention may be recovered and end again.
    OperationEnded {
        /// How.
        outcome: Outcome,
    },
    /// An operation was asked for and did not start.
    Refused {
        /// What was asked for.
        request: Request,
        /// Why not.
        findings: Vec<Finding>,
        /// Who asked.
        actor: Actor,
    },
    /// This ledger takes the place of one that was lost.
    BegunAnew {
        /// What is given up.
        given_up: GivenUp,
        /// Who asked.
        actor: Actor,
    },
    /// A question was answered with anything but yes.
    NotConfirmed {
        /// What was asked for.
        request: Request,
        /// Who asked.
        actor: Actor,
    },
}
