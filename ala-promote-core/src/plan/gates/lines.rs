//! The lines of the Compose files to which a finding points.

use crate::domain::{Render, located};
use crate::plan::Finding;

/// Adds where two renders say what the finding is about: one line where both are of one folder, and so name files alike.
/// Nothing where no file is known to say it.
pub(super) fn seen_in_both(finding: Finding, a: (&Render, &str), b: (&Render, &str)) -> Finding {
    let places = |(render, path): (&Render, &str)| render.places.of(path).to_vec();
    let (ours, theirs) = (places(a), places(b));
    if a.1 == b.1 && a.0.stack.dir == b.0.stack.dir {
        let mut all = ours;
        all.extend(theirs.into_iter().filter(|place| !all.contains(place)).collect::<Vec<_>>());
        return if all.is_empty() { finding } else { finding.seen(located(&all, a.1)) };
    }
    [a, b].into_iter().fold(finding, |finding, (render, path)| {
        let environment = &render.stack.environment;
        if render.places.of(path).is_empty() {
            return finding;
        }
        finding.seen(format!("{environment}: {}", render.places.locate(path)))
    })
}

/// Adds where a render says what the finding is about; nothing where no file is known to say it.
pub(super) fn seen_in(finding: Finding, render: &Render, path: &str) -> Finding {
    if render.places.of(path).is_empty() { finding } else { finding.seen(render.places.locate(path)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{Places, StackRef};

    fn render(environment: &str, dir: &str, places: &[&str]) -> Render {
        let mut known = Places::default();
        places.iter().for_each(|place| known.add("services.web.image", *place));
        let stack = StackRef {
            environment: environment.parse().unwrap(),
            project: environment.parse().unwrap(),
            dir: dir.into(),
            files: Vec::new(),
            env_file: None,
            service_env_files: BTreeMap::new(),
            changes: Vec::new(),
            derived_file: None,
        };
        Render {
            stack,
            services: Default::default(),
            networks: Default::default(),
            volumes: Default::default(),
            places: known,
            notes: Vec::new(),
        }
    }

    fn evidence(a: &Render, b: &Render) -> Vec<String> {
        let path = "services.web.image";
        seen_in_both(Finding::note("gate", "reason"), (a, path), (b, path)).evidence
    }

    #[test]
    fn files_of_one_folder_are_named_once() {
        let base = render("production", "/srv", &["a.yml:4"]);
        let over = render("staging", "/srv", &["a.yml:4", "b.yml:3"]);
        assert_eq!(evidence(&base, &over), ["a.yml:4, b.yml:3: services.web.image"]);
    }

    #[test]
    fn files_of_two_folders_are_told_apart() {
        let (a, b) = (render("production", "/one", &["a.yml:4"]), render("staging", "/two", &["a.yml:4"]));
        let expected = ["production: a.yml:4: services.web.image", "staging: a.yml:4: services.web.image"];
        assert_eq!(evidence(&a, &b), expected);
    }

    #[test]
    fn nothing_is_said_where_no_place_is_known() {
        let (a, b) = (render("production", "/srv", &[]), render("staging", "/srv", &[]));
        assert!(evidence(&a, &b).is_empty());
        assert!(seen_in(Finding::note("gate", "reason"), &a, "services.web").evidence.is_empty());
    }
}
