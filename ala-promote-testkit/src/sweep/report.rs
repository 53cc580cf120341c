//! What came of a sweep.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Case, Invariant, Violation};

/// What came of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many cases were run.
    pub cases: usize,
    /// How many of them had two faults.
    pub pairs: usize,
    /// How often the first process ended in which way: `committed`, `killed`.
    pub ends: BTreeMap<&'static str, usize>,
    /// How many operations had a step that was taken back more than once.
    pub undone_again: usize,
    /// The cases in which a promise was not kept.
    pub violations: Vec<(Case, Violation)>,
    /// What runs one case, without the case: `cargo test -p mine --test sweep`.
    pub command: String,
}

impl Report {
    /// Whether all promises were kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// The promises that were not kept.
    #[must_use]
    pub fn broken(&self) -> BTreeSet<Invariant> {
        self.violations.iter().map(|(_, violation)| violation.invariant).collect()
    }

    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.pairs += other.pairs;
        self.undone_again += other.undone_again;
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
        self.violations.extend(other.violations);
        self.command = other.command;
    }

    /// Ends the test unless all promises were kept.
    ///
    /// # Panics
    /// With a line for each case that was not clean, which runs it again.
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

/// Cases told in full; more of them say nothing new.
const TOLD: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cases, {} of them with two faults, {} violations",
            self.cases,
            self.pairs,
            self.violations.len()
        )?;
        for (case, violation) in self.violations.iter().take(TOLD) {
            writeln!(f, "{violation}\n    ALA_PROMOTE_CASE='{case}' {}", self.command)?;
        }
        Ok(())
    }
}
