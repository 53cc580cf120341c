//! In which lines of a Compose file its keys stand.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

/// The sections that findings name keys of.
const SECTIONS: [&str; 3] = ["services", "networks", "volumes"];
/// How many keys a path has at most: `services.web.build.args.API_URL` has five.
const MAX_KEYS: usize = 6;
/// Keys whose lists are of `KEY=value`, and mean the same as mappings.
const LISTS_OF_PAIRS: [&str; 2] = ["args", "environment"];

/// The line, counted from 1, of each key below the sections; of one that comes by an alias or a merge, the line in
/// which it is written. A file that is no YAML has none.
pub(super) fn lines(text: &str) -> BTreeMap<String, u64> {
    let mut lines = BTreeMap::new();
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let walk = |deserializer: serde_saphyr::Deserializer<'_, '_>| {
        Walk { path: String::new(), keys: 0, lines: &mut lines }.deserialize(deserializer)
    };
    match serde_saphyr::with_deserializer_from_str_with_options(text, options, walk) {
        Ok(()) => lines,
        Err(_) => BTreeMap::new(),
    }
}

/// Walks the value of one key, and notes the lines of the keys in it.
struct Walk<'a> {
    path: String,
    keys: usize,
    lines: &'a mut BTreeMap<String, u64>,
}

impl Walk<'_> {
    fn note(&mut self, key: &Spanned<String>, path: &str) {
        if self.keys > 0 {
            self.lines.insert(path.to_owned(), key.defined.line());
        }
    }

    fn below(&self, key: &str) -> String {
        if self.keys == 0 { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn is_looked_into(&self, key: &str) -> bool {
        self.keys + 1 < MAX_KEYS && (self.keys > 0 || SECTIONS.contains(&key))
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let path = self.below(&key.value);
            self.note(&key, &path);
            if self.is_looked_into(&key.value) {
                map.next_value_seed(Walk { path, keys: self.keys + 1, lines: self.lines })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let of_pairs = self.path.rsplit('.').next().is_some_and(|key| LISTS_OF_PAIRS.contains(&key));
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            if let Some(text) = item.value.as_str().filter(|_| of_pairs) {
                // The value may be a secret, and goes no further.
                let key = text.split_once('=').map_or(text, |(key, _)| key).to_owned();
                let path = self.below(&key);
                self.note(&Spanned::new(key, item.referenced, item.defined), &path);
            }
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, path: &str) -> Option<u64> {
        lines(text).get(path).copied()
    }

    #[test]
    fn tells_the_lines_of_keys_in_both_forms() {
        let text = "name: x\nservices:\n  web:\n    image: i\n    build:\n      context: .\n      args:\n        A: 1\n        B:\n    ports:\n      - \"1:2\"\n  list:\n    build:\n      args:\n        - A=secret\n        - B\nnetworks:\n  k: {name: n}\nvolumes:\n  v:\n";
        for (path, expected) in [
            ("services.web", 3),
            ("services.web.image", 4),
            ("services.web.build", 5),
            ("services.web.build.args", 7),
            ("services.web.build.args.A", 8),
            ("services.web.build.args.B", 9),
            ("services.web.ports", 10),
            ("services.list.build.args.A", 15),
            ("services.list.build.args.B", 16),
            ("networks.k", 18),
            ("volumes.v", 20),
        ] {
            assert_eq!(line(text, path), Some(expected), "{path}");
        }
        assert_eq!(line(text, "name"), None);
        assert_eq!(line(text, "services"), None);
        assert!(!format!("{:?}", lines(text)).contains("secret"));
    }

    #[test]
    fn aliases_and_merges_are_where_they_are_written() {
        let text =
            "x-b: &b\n  args:\n    A: 1\nx-s: &s\n  image: i\nservices:\n  web:\n    <<: *s\n    build: *b\n";
        assert_eq!(line(text, "services.web.image"), Some(5));
        assert_eq!(line(text, "services.web.build"), Some(9));
        assert_eq!(line(text, "services.web.build.args.A"), Some(3));
    }

    #[test]
    fn line_ends_tabs_tags_and_other_scripts_do_not_shift_lines() {
        let unix = "# äöü 日本\nservices:\n  wéb:\n    image: \"日本\t\"\t# tab\n    command: |\n      a\n\n      b\n    env_file: !reset null\n    ports: !override\n      - 1\n    x: [1, -2, 0.5, true, ~, 2001-01-01, 99999999999999999999]\n    5: y\n";
        let bom = format!("\u{feff}{unix}");
        for text in [unix.to_owned(), unix.replace('\n', "\r\n"), bom] {
            for (path, expected) in [
                ("services.wéb", 3),
                ("services.wéb.image", 4),
                ("services.wéb.env_file", 9),
                ("services.wéb.ports", 10),
                ("services.wéb.5", 13),
            ] {
                assert_eq!(line(&text, path), Some(expected), "{path} {text:?}");
            }
        }
    }

    #[test]
    fn of_what_can_not_be_read_there_are_none() {
        for text in ["", "services:\n  a: {\n", "services:\n\ta: b\n", "- x\n", "services: 1\n", "{}"] {
            assert!(lines(text).is_empty(), "{text:?}");
        }
    }
}
