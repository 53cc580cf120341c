//! Single values as people write them in `ala-promote.toml`: checked here, once.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Units in the order in which they may follow one another.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration written as `90s`, `2m`, `1m30s` or `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HumanDuration(pub(super) Duration);

impl FromStr for HumanDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no duration; write it as \"90s\", \"2m\", \"1m30s\" or \"500ms\"");
        let (mut rest, mut units, mut total) = (text, UNITS.as_slice(), 0_u64);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let (number, tail) = rest.split_at(digits);
            let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(bad)?;
            let millis = units.get(at).map_or(0, |(_, millis)| *millis);
            let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(millis)).ok_or_else(bad)?;
            total = total.checked_add(part).ok_or_else(bad)?;
            units = units.get(at + 1..).unwrap_or_default();
            rest = tail;
        }
        if text.is_empty() { Err(bad()) } else { Ok(Self(Duration::from_millis(total))) }
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in UNITS {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parsed::new("a duration such as \"90s\" or \"2m\""))
    }
}

/// A path as it is written, not yet made absolute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WrittenPath(PathBuf);

impl WrittenPath {
    pub(super) fn as_path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for WrittenPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the path is empty".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("the path has control characters".to_owned());
        }
        if text == "~" || text.starts_with("~/") {
            return Err(format!("`~` is not expanded here; write `{text}` as an absolute path"));
        }
        Ok(Self(PathBuf::from(text)))
    }
}

impl<'de> Deserialize<'de> for WrittenPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parsed::new("a path"))
    }
}

/// Reads a string by its `FromStr`, and says what was expected where it is no string at all.
struct Parsed<T> {
    expected: &'static str,
    read: fn(&str) -> Result<T, String>,
}

impl<T: FromStr<Err = String>> Parsed<T> {
    fn new(expected: &'static str) -> Self {
        Self { expected, read: T::from_str }
    }
}

impl<T> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }
}

/// Checks an address under which published ports answer, and gives it as it stands before `:port`: a version 6 address
/// in brackets.
pub(super) fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{bare}]"));
    }
    if text.contains("://") {
        return Err(format!("`{text}` is a URL; give the host name or IP address only"));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && !host.is_empty()
        && port.chars().all(|c| c.is_ascii_digit())
    {
        return Err(format!("`{text}` has a port; give the host name or IP address only"));
    }
    let label = |l: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !l.is_empty() && l.len() <= 63 && l.chars().all(inner)
    };
    let named = text.len() <= 253 && text.split('.').all(label);
    // `300.1.1.1` looks like a host name and is none.
    let numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if text.parse::<IpAddr>().is_ok() || (named && !numeric) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is neither a host name nor an IP address"))
    }
}

/// Checks a line that is shown to people.
pub(super) fn shown_text(text: &str, max_chars: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        Err("the text is empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Err("the text has control characters or more than one line".to_owned())
    } else if text.chars().nth(max_chars).is_some() {
        Err(format!("the text is longer than {max_chars} characters"))
    } else {
        Ok(())
    }
}

/// Checks the path of a URL.
pub(super) fn url_path(text: &str) -> Result<(), String> {
    if !text.starts_with('/') || text.starts_with("//") {
        Err(format!("`{text}` is no path of a URL: it must start with one `/`, such as `/api/health`"))
    } else if text.len() > 2000 || !text.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        Err("a path of a URL has at most 2000 visible ASCII characters and no `#`; encode others as `%20`"
            .into())
    } else {
        Ok(())
    }
}

/// Checks a Compose project's name by Compose's own rule, which is narrower than ours for names.
pub(super) fn compose_project(text: &str) -> Result<(), String> {
    let rule = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if text.chars().all(rule) && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!(
        "Compose takes `{text}` for no project name: lower-case letters, digits, `-` and `_`, the first a letter or \
         a digit"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        let millis = |t: &str| t.parse::<HumanDuration>().map(|d| d.0.as_millis());
        for (text, expected) in [
            ("90s", 90_000),
            ("2m", 120_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
        for bad in ["", "5", "s", "5 s", "-5s", "1.5s", "5d", "1s1m", "1s1s", "٥s", "99999999999999999999h"]
        {
            assert!(millis(bad).is_err(), "{bad}");
        }
        assert!(millis(&format!("{}h", u64::MAX)).is_err());
    }

    proptest! {
        #[test]
        fn a_printed_duration_reads_back(millis in 0..u64::MAX / 2) {
            let duration = HumanDuration(Duration::from_millis(millis));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<HumanDuration>();
            let _ = text.parse::<WrittenPath>();
            let _ = host(&text);
            let _ = url_path(&text);
        }
    }

    #[test]
    fn hosts() {
        for (given, taken) in [
            ("10.0.0.7", "10.0.0.7"),
            ("staging.example.com", "staging.example.com"),
            ("::1", "[::1]"),
            ("[fe80::1]", "[fe80::1]"),
        ] {
            assert_eq!(host(given).as_deref(), Ok(taken));
        }
        for bad in
            ["", "http://example.com", "example.com:80", "a b", "300.1.1.1", "a..b", "a/b", "u@h", "[x]"]
        {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert!(host("https://example.com/").unwrap_err().contains("is a URL"));
        assert!(host("example.com:80").unwrap_err().contains("has a port"));
    }

    #[test]
    fn url_paths_and_projects() {
        assert!(url_path("/api/health?full=1").is_ok());
        for bad in ["", "api", "//evil.example.com/", "/a b", "/\n", "/é", "/a#b"] {
            assert!(url_path(bad).is_err(), "{bad}");
        }
        assert!(compose_project("ala-medical_1").is_ok());
        for bad in ["", "Ala", "a.b", "_a", "-a"] {
            assert!(compose_project(bad).is_err(), "{bad}");
        }
    }
}
