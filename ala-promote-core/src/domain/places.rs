//! Where the Compose files say what a render holds.

use std::collections::BTreeMap;

/// Where the Compose files say what a render holds: lines for each key, so that a finding names the lines to mend.
///
/// A key is a dotted path as findings name it, such as `services.web.build.args.API_URL`, `networks.front`. A place is
/// a file and a line, `docker-compose.yml:41`. Holds no values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    known: BTreeMap<String, Vec<String>>,
}

impl Places {
    /// Adds a place of a key, after those it has; one that is known already is not added again.
    pub fn add(&mut self, path: impl Into<String>, place: impl Into<String>) {
        let (places, place) = (self.known.entry(path.into()).or_default(), place.into());
        if !places.contains(&place) {
            places.push(place);
        }
    }

    /// The places of a key in order of the files, or those of the nearest key around it that has any: what `extends`
    /// brings in stands in no line of the service itself.
    #[must_use]
    pub fn of(&self, path: &str) -> &[String] {
        let mut path = path;
        loop {
            if let Some(places) = self.known.get(path) {
                return places;
            }
            match path.rsplit_once('.') {
                Some((parent, _)) => path = parent,
                None => return &[],
            }
        }
    }

    /// The key after its places: `docker-compose.yml:41: services.web.ports`; the key alone where none is known.
    #[must_use]
    pub fn locate(&self, path: &str) -> String {
        located(self.of(path), path)
    }
}

/// A text after the places that it is about.
pub(crate) fn located(places: &[String], text: &str) -> String {
    if places.is_empty() { text.to_owned() } else { format!("{}: {text}", places.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let mut places = Places::default();
        places.add("services.web", "a.yml:2");
        places.add("services.web.ports", "a.yml:5");
        places.add("services.web.ports", "b.yml:3");
        places.add("services.web.ports", "a.yml:5");
        places
    }

    #[test]
    fn names_each_place_once_in_order() {
        assert_eq!(places().of("services.web.ports"), ["a.yml:5", "b.yml:3"]);
        assert_eq!(places().locate("services.web.ports"), "a.yml:5, b.yml:3: services.web.ports");
    }

    #[test]
    fn falls_back_to_the_nearest_key_around() {
        assert_eq!(places().of("services.web.build.args.X"), ["a.yml:2"]);
        assert_eq!(places().of("services.web.ports.0"), ["a.yml:5", "b.yml:3"]);
        assert!(places().of("services.other.ports").is_empty());
        assert!(places().of("").is_empty());
        assert_eq!(places().locate("networks.x"), "networks.x");
    }
}
