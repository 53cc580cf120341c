//! One case, as a value and as text.

use std::fmt;
use std::str::FromStr;

use super::{Fault, SweepError};

/// One run of a scenario: `promote/call-31:crash-after`, `promote/write-9:torn/recovery/call-3:fail-after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The scenario's name.
    pub scenario: String,
    /// The fault; `None` for a run without any.
    pub first: Option<Fault>,
    /// Another one.
    pub second: Option<Second>,
}

/// Where a second fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Second {
    /// In the process that met the first, later on: while it unwinds, or after a fault that it got over.
    Then(Fault),
    /// In the process that recovers.
    Recovery(Fault),
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scenario)?;
        if let Some(first) = &self.first {
            write!(f, "/{first}")?;
        }
        match &self.second {
            None => Ok(()),
            Some(Second::Then(fault)) => write!(f, "/then/{fault}"),
            Some(Second::Recovery(fault)) => write!(f, "/recovery/{fault}"),
        }
    }
}

impl FromStr for Case {
    type Err = SweepError;

    fn from_str(text: &str) -> Result<Self, SweepError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (scenario, first, second) = match *parts.as_slice() {
            [scenario] => (scenario, None, None),
            [scenario, first] => (scenario, Some(first.parse()?), None),
            [scenario, first, "then", second] => {
                (scenario, Some(first.parse()?), Some(Second::Then(second.parse()?)))
            }
            [scenario, first, "recovery", second] => {
                (scenario, Some(first.parse()?), Some(Second::Recovery(second.parse()?)))
            }
            _ => {
                return Err(SweepError::new(format!(
                    "`{text}` is no case, as `promote/write-9:torn` is one"
                )));
            }
        };
        Ok(Self { scenario: scenario.to_owned(), first, second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        for text in [
            "promote",
            "promote/call-31:crash-after",
            "promote/call-3:fail-within-4/then/write-9:sync-error-lost",
            "promote/write-9:torn/recovery/call-3:unavailable",
        ] {
            assert_eq!(text.parse::<Case>().unwrap().to_string(), text);
        }
        for text in ["promote/", "promote/call-x:hang", "promote/call-1:melts", "a/b/c/d/e"] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }
}
