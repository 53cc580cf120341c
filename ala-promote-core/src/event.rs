//! What happens, as it happens. The last event of a run always is [`Event::Ended`].

use serde::{Deserialize, Serialize};

use crate::domain::{HealthVerdict, OperationId, Outcome, Request, ServiceName, StepId};
use crate::plan::{Output, Plan, StageKind};

/// What happens. Renderers get nothing else, and can't fail an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// An operation starts, or goes on after its process died. Names every step that may follow.
    Started {
        /// Its plan.
        plan: Box<Plan>,
        /// Whether it is being recovered.
        recovering: bool,
    },
    /// A recovery waits until the children of the dead process have ended.
    WaitingForChildren {
        /// Each as people find it: `4242 docker-compose`.
        children: Vec<String>,
    },
    /// A stage starts.
    StageStarted {
        /// Which.
        stage: StageKind,
    },
    /// A step starts.
    StepStarted {
        /// Which.
        step: StepId,
        /// What it does.
        title: String,
    },
    /// A line of a step's progress.
    StepLine {
        /// The step.
        step: StepId,
        /// The line.
        text: String,
    },
    /// A service was looked at, and the verdict is another than before.
    HealthSeen {
        /// The service.
        service: ServiceName,
        /// What people call it.
        display: String,
        /// Its verdict.
        verdict: HealthVerdict,
        /// What was found.
        evidence: String,
        /// The published port that answered.
        port: Option<u16>,
    },
    /// A step is done.
    StepFinished {
        /// Which.
        step: StepId,
        /// What came out.
        output: Output,
    },
    /// A stage is done.
    StageFinished {
        /// Which.
        stage: StageKind,
    },
    /// A step failed.
    StepFailed {
        /// Which.
        step: StepId,
        /// What it does.
        title: String,
        /// Why.
        error: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// What was done is being taken back.
    Unwinding {
        /// Why.
        reason: String,
    },
    /// A step was taken back.
    Undone {
        /// Which.
        step: StepId,
        /// What it had done.
        title: String,
    },
    /// A step could not be taken back.
    UndoFailed {
        /// Which.
        step: StepId,
        /// What it had done.
        title: String,
        /// Why.
        error: String,
    },
    /// The end of the run: the last event.
    Ended {
        /// The operation.
        operation: OperationId,
        /// What was asked for.
        request: Request,
        /// How it ended; `None` where it did not, and `error` says why.
        outcome: Option<Outcome>,
        /// Why it did not start, or did not end.
        error: Option<String>,
    },
}
