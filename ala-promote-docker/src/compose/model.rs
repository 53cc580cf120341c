//! What `config` prints, of v1 (YAML) and v2 (JSON) alike. Only what a [`Render`](ala_promote_core::domain::Render)
//! needs; fields of other names are left aside.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A whole render.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Model {
    #[serde(default)]
    pub(super) services: BTreeMap<String, Service>,
    #[serde(default)]
    pub(super) networks: BTreeMap<String, Option<Named>>,
    #[serde(default)]
    pub(super) volumes: BTreeMap<String, Option<Named>>,
}

/// A network or volume of the top level.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Named {
    pub(super) name: Option<Text>,
    #[serde(default)]
    pub(super) external: Value,
    #[serde(default)]
    pub(super) driver_opts: BTreeMap<String, Option<Text>>,
}

impl Named {
    /// The folder of the host that a volume is, where its driver's options say so.
    pub(super) fn folder(&self) -> Option<&str> {
        let option = |key: &str| self.driver_opts.get(key)?.as_ref().map(|text| text.0.as_str());
        let is_bind = option("o")?.split(',').any(|word| matches!(word.trim(), "bind" | "rbind"));
        option("device").filter(|device| is_bind && device.starts_with('/'))
    }
}

/// A service.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Service {
    pub(super) image: Option<Text>,
    pub(super) build: Option<Build>,
    #[serde(default)]
    pub(super) ports: Vec<Port>,
    pub(super) container_name: Option<Text>,
    #[serde(default)]
    pub(super) networks: Keys<Value>,
    #[serde(default)]
    pub(super) volumes: Vec<Mount>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, Option<Text>>,
    /// Compose has put what these give into `environment`, and leaves them out; all but a few old ones of v2.
    pub(super) env_file: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) depends_on: Keys<Dependency>,
    pub(super) restart: Option<Text>,
    pub(super) healthcheck: Option<Healthcheck>,
    pub(super) scale: Option<u32>,
    pub(super) deploy: Option<Deploy>,
    pub(super) network_mode: Option<Text>,
    #[serde(default)]
    pub(super) profiles: Vec<String>,
}

/// `build:`.
#[derive(Debug, Deserialize)]
pub(super) struct Build {
    #[serde(default)]
    pub(super) args: BTreeMap<String, Option<Text>>,
    #[serde(flatten)]
    pub(super) others: BTreeMap<String, Value>,
}

/// `healthcheck:`.
#[derive(Debug, Deserialize)]
pub(super) struct Healthcheck {
    #[serde(default)]
    pub(super) disable: bool,
    #[serde(default)]
    pub(super) test: Value,
}

/// `deploy:`.
#[derive(Debug, Deserialize)]
pub(super) struct Deploy {
    pub(super) replicas: Option<u32>,
}

/// What one service waits for in another.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Dependency {
    pub(super) condition: Option<String>,
}

/// A list of keys, or a mapping from them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Keys<T> {
    List(Vec<String>),
    Map(BTreeMap<String, Option<T>>),
}

impl<T> Default for Keys<T> {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl<T> Keys<T> {
    /// The keys with their values, where they have any.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = (&str, Option<&T>)> + '_> {
        match self {
            Self::List(keys) => Box::new(keys.iter().map(|key| (key.as_str(), None))),
            Self::Map(map) => Box::new(map.iter().map(|(key, value)| (key.as_str(), value.as_ref()))),
        }
    }
}

// What serde has buffered to try one form after the other is typed, so `Text` can't be asked for in there.

/// A port: v2 prints objects, v1 also `127.0.0.1:9000:90/tcp`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Port {
    Long { host_ip: Option<String>, target: Value, published: Option<Value>, protocol: Option<String> },
    Short(String),
}

/// A mount: v2 prints objects, v1 also `data:/data:rw`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Mount {
    Long {
        #[serde(rename = "type")]
        kind: String,
        source: Option<String>,
        target: Option<String>,
        #[serde(default)]
        read_only: bool,
    },
    Short(String),
}

/// A text as Compose means it: `config` doubles each `$`, and writes some numbers without quotes. Its own `Debug` shows
/// nothing, since it may be a secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Text(pub(super) String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<text>")
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for a string, the YAML reader gives the text as written: `1e5` and `0x10` stay what they are.
        deserializer.deserialize_string(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or a truth value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.replace("$$", "$")))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }
}

/// The same value with each doubled `$` single again, in keys as well.
pub(super) fn undouble(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("$$", "$")),
        Value::Array(items) => Value::Array(items.iter().map(undouble).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(k, v)| (k.replace("$$", "$"), undouble(v))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_as_written() {
        let yaml = "services:\n  a:\n    environment:\n      A: 1e5\n      B: 0x10\n      C: '007'\n      D: null\n      E: 1.10\n      F: a$$b\n      G: yes\n      H: ''\n    build:\n      context: /x\n      args:\n        V: 12e4\n";
        let model: Model = serde_saphyr::from_str(yaml).unwrap();
        let service = &model.services["a"];
        let text = |key: &str| service.environment[key].as_ref().map(|t| t.0.as_str());
        assert_eq!(text("A"), Some("1e5"));
        assert_eq!(text("B"), Some("0x10"));
        assert_eq!(text("C"), Some("007"));
        assert_eq!(text("D"), None);
        assert_eq!(text("E"), Some("1.10"));
        assert_eq!(text("F"), Some("a$b"));
        assert_eq!(text("G"), Some("yes"));
        assert_eq!(text("H"), Some(""));
        let args = &service.build.as_ref().unwrap().args;
        assert_eq!(args["V"].as_ref().unwrap().0, "12e4");
    }
}
