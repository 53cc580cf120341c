//! What a gate found.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::ConfigLine;

/// What a gate found: why, the evidence, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The gate: `build-parity`.
    pub gate: String,
    /// Whether the operation may start.
    pub severity: Severity,
    /// Why, in one sentence.
    pub reason: String,
    /// What was seen, a line each: files, keys, names, ids. No secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What to do about it, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<String>,
    /// Those of them that are lines of `ala-promote.toml`, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<ConfigLine>,
}

/// Whether an operation may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Severity {
    /// It may not.
    Refuse,
    /// It may; the reader should know.
    Note,
}

impl Finding {
    /// A reason not to start.
    #[must_use]
    pub fn refuse(gate: &str, reason: impl Into<String>) -> Self {
        Self::new(gate, Severity::Refuse, reason.into())
    }

    /// Something to know.
    #[must_use]
    pub fn note(gate: &str, reason: impl Into<String>) -> Self {
        Self::new(gate, Severity::Note, reason.into())
    }

    fn new(gate: &str, severity: Severity, reason: String) -> Self {
        Self {
            gate: gate.to_owned(),
            severity,
            reason,
            evidence: Vec::new(),
            mend: Vec::new(),
            config: Vec::new(),
        }
    }

    /// Adds a line of evidence.
    #[must_use]
    pub fn seen(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }

    /// Leaves out lines of evidence that stand there before.
    #[must_use]
    pub fn each_seen_once(mut self) -> Self {
        let mut told = BTreeSet::new();
        self.evidence.retain(|line| told.insert(line.clone()));
        self
    }

    /// Adds a line of what to do.
    #[must_use]
    pub fn mend(mut self, line: impl Into<String>) -> Self {
        self.mend.push(line.into());
        self
    }

    /// Adds lines of one table of `ala-promote.toml`, in this sentence: `or move staging's`.
    #[must_use]
    pub fn mend_in_config(mut self, sentence: &str, lines: impl Into<Vec<ConfigLine>>) -> Self {
        let lines = lines.into();
        let shown = ConfigLine::together(&lines).unwrap_or_default();
        self.mend.push(format!("{sentence}, in ala-promote.toml: {shown}"));
        self.config.extend(lines);
        self
    }

    /// Whether the operation may not start.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.severity == Severity::Refuse
    }
}

/// Why an operation did not start: nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// At least one, the first being the most to the point.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.findings.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} [{}]", finding.reason, finding.gate)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

impl From<Finding> for Refusal {
    fn from(finding: Finding) -> Self {
        Self { findings: vec![finding] }
    }
}
