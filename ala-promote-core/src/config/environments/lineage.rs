//! Which environment's releases come from which.

use toml::Spanned;

use super::Origins;
use super::draft::Drafts;
use crate::config::conventions::{self, PRODUCTION, STAGING};
use crate::config::error::{SettingsError, list_names};
use crate::config::nearest::nearest;
use crate::domain::EnvironmentName;

impl Drafts<'_> {
    pub(super) fn origins(&self) -> Result<Origins, SettingsError> {
        self.all.keys().map(|name| Ok((name.clone(), self.origin(name)?))).collect()
    }

    /// As written; for `production`, and for what has its place, `staging` where there is one.
    fn origin(&self, name: &EnvironmentName) -> Result<Option<EnvironmentName>, SettingsError> {
        let written = self.all.get(name).and_then(|draft| draft.table.from.as_ref());
        let Some(written) = written else {
            let from_staging = name.as_str() == PRODUCTION || self.own_stack.as_ref() == Some(name);
            let staging = self.all.keys().find(|n| n.as_str() == STAGING && *n != name);
            return Ok(staging.filter(|_| from_staging).cloned());
        };
        let from = written.get_ref();
        if self.all.contains_key(from) {
            return Ok(Some(from.clone()));
        }
        let known: Vec<_> = self.all.keys().cloned().collect();
        let near = nearest(from.as_str(), known.iter().map(EnvironmentName::as_str));
        let did_you_mean = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let problem =
            format!("environment `{name}` comes `from` an unknown environment `{from}`{did_you_mean}");
        let mend = if from.as_str() == STAGING {
            format!("one of {}, or [environments.staging]", conventions::overlay_names(STAGING).join(", "))
        } else {
            format!("[environments.{from}]")
        };
        let hint = format!("known are: {}; `{from}` would take {mend}", list_names(&known));
        Err(self.source.error(&written.span(), problem).with_hint(hint))
    }

    pub(super) fn circular(&self, circle: &[EnvironmentName]) -> SettingsError {
        let shown: Vec<_> = circle.iter().chain(circle.first()).map(EnvironmentName::as_str).collect();
        let written = circle.iter().filter_map(|name| self.all.get(name)?.table.from.as_ref());
        let span = written.map(Spanned::span).next().unwrap_or_default();
        let problem = format!("environments come `from` one another in a circle: {}", shown.join(" from "));
        self.source.error(&span, problem)
    }
}

/// A circle of environments that come from one another, in that order, if there is one.
pub(super) fn circle(origins: &Origins) -> Option<Vec<EnvironmentName>> {
    origins.keys().find_map(|start| {
        let mut way = vec![start.clone()];
        // A way without a circle visits each environment once at most.
        while way.len() <= origins.len() {
            let next = origins.get(way.last()?)?.as_ref()?;
            if next == start {
                return Some(way);
            }
            way.push(next.clone());
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn circle_of(pairs: &[(&str, &str)]) -> Option<Vec<String>> {
        let name = |n: &str| EnvironmentName::new(n).unwrap();
        let mut origins = BTreeMap::new();
        for (to, from) in pairs {
            origins.entry(name(from)).or_insert(None);
            origins.insert(name(to), Some(name(from)));
        }
        circle(&origins).map(|found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn finds_circles_of_any_length_and_nothing_else() {
        assert_eq!(circle_of(&[("b", "a"), ("c", "b"), ("d", "b")]), None);
        assert_eq!(circle_of(&[("a", "a")]), Some(vec!["a".into()]));
        assert_eq!(circle_of(&[("z", "b"), ("b", "a"), ("a", "b")]), Some(vec!["a".into(), "b".into()]));
        let ring: Vec<_> = ["b", "c", "d", "a"].into_iter().zip(["a", "b", "c", "d"]).collect();
        assert_eq!(circle_of(&ring).map(|c| c.len()), Some(4));
    }
}
