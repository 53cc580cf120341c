//! Lines of `ala-promote.toml` that would mend something, and how they are written into it.

use std::fmt;

use serde::{Deserialize, Serialize};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// Tables of tables: what stands below them has a header of its own.
const NAMED: [&str; 2] = ["environments", "services"];

/// A line of `ala-promote.toml` that would mend something.
///
/// ```
/// use ala_promote_core::config::ConfigLine;
///
/// let line = ConfigLine::new(&["environments", "staging", "beside"], "port_offset", 10000);
/// assert_eq!(line.to_string(), "[environments.staging] beside = { port_offset = 10000 }");
/// let text = ConfigLine::write_into("# Ours.\n[environments.staging]\nprotected = false\n", &[line])?;
/// assert_eq!(text, "# Ours.\n[environments.staging]\nprotected = false\nbeside = { port_offset = 10000 }\n");
/// # Ok::<(), ala_promote_core::config::UnwritableConfig>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigLine {
    /// The table, from the outside in: `environments`, `staging`, `beside`.
    pub table: Vec<String>,
    /// The key in it.
    pub key: String,
    /// Its value. A list is added to one that is there.
    pub value: ConfigValue,
    /// What has to be so for the line to be right, which only people can know: `if that is production`; none where it
    /// takes nothing for granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_so: Option<String>,
}

/// The value of a [`ConfigLine`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ConfigValue {
    /// Yes or no.
    Switch(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

/// Lines can't be written into a config that is not TOML, or that has something else where a table has to be.
#[derive(Debug, thiserror::Error)]
#[error("the config can't be added to: {0}")]
pub struct UnwritableConfig(String);

impl ConfigLine {
    /// `table` from the outside in.
    #[must_use]
    pub fn new(table: &[&str], key: impl Into<String>, value: impl Into<ConfigValue>) -> Self {
        let table = table.iter().map(|&name| name.to_owned()).collect();
        Self { table, key: key.into(), value: value.into(), if_so: None }
    }

    /// Adds what has to be so for it to be right.
    #[must_use]
    pub fn if_so(mut self, what: impl Into<String>) -> Self {
        self.if_so = Some(what.into());
        self
    }

    /// The key and its value, as they stand below the header of the table, with what has to be so: one of several to
    /// choose from.
    #[must_use]
    pub fn as_choice(&self) -> String {
        let text = Self::write_into("", std::slice::from_ref(self)).unwrap_or_default();
        let below = text.split_once('\n').map_or("", |(_, below)| below.trim_end());
        match &self.if_so {
            Some(what) => format!("{below}  # {what}"),
            None => below.to_owned(),
        }
    }

    /// Lines of one table, as they can be pasted; on one line, if they have one key there.
    ///
    /// # Errors
    /// They contradict one another: what is a table in one is none in another.
    pub fn together(lines: &[Self]) -> Result<String, UnwritableConfig> {
        Ok(Self::write_into("", lines)?.trim_end().replacen('\n', " ", 1))
    }

    /// The text of a config with these lines in it; all else stays as it is.
    ///
    /// # Errors
    /// The text is no TOML, or has something else where a table has to be.
    pub fn write_into(text: &str, lines: &[Self]) -> Result<String, UnwritableConfig> {
        let mut document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| UnwritableConfig(error.to_string()))?;
        for line in lines {
            line.write(document.as_table_mut())?;
        }
        let written = document.to_string();
        // The lines' ends are read as one, and written as they were.
        Ok(if text.contains("\r\n") { written.replace("\r\n", "\n").replace('\n', "\r\n") } else { written })
    }

    /// Whether a config says something else for this key, which the line would replace.
    #[must_use]
    pub fn replaces(&self, text: &str) -> bool {
        let Ok(document) = text.parse::<DocumentMut>() else { return false };
        let mut tables = self.table.iter();
        let table = tables.try_fold(document.as_item(), |item, name| item.as_table_like()?.get(name));
        let Some(there) = table.and_then(|table| table.as_table_like()?.get(&self.key)) else { return false };
        if there.is_array() && self.adds() {
            return false;
        }
        let plain = |value: &Value| value.clone().decorated("", "").to_string();
        there.as_value().map(plain) != Some(plain(&self.value.to_toml()))
    }

    fn write(&self, root: &mut Table) -> Result<(), UnwritableConfig> {
        let mut place: &mut dyn TableLike = root;
        let mut is_inline = false;
        for (depth, name) in self.table.iter().enumerate() {
            let item = place.entry(name).or_insert_with(|| self.new_table(depth, is_inline));
            is_inline = item.is_inline_table();
            let not_a_table = || UnwritableConfig(format!("`{name}` is no table in it"));
            place = item.as_table_like_mut().ok_or_else(not_a_table)?;
        }
        match (place.get_mut(&self.key).and_then(Item::as_array_mut), &self.value) {
            (Some(there), ConfigValue::List(more)) if self.adds() => {
                let has = |there: &Array, text: &str| there.iter().any(|value| value.as_str() == Some(text));
                for text in more {
                    if !has(there, text) {
                        there.push(text);
                    }
                }
            }
            _ => {
                place.insert(&self.key, Item::Value(self.value.to_toml()));
            }
        }
        Ok(())
    }

    /// Whether a list that is there stays, and is added to: files are meant all together, networks one by one.
    fn adds(&self) -> bool {
        self.key != "files"
    }

    /// Within an inline table there is no other kind.
    fn new_table(&self, depth: usize, is_inline: bool) -> Item {
        if is_inline || depth >= self.header_length() {
            return Item::Value(Value::InlineTable(InlineTable::new()));
        }
        let mut table = Table::new();
        table.set_implicit(depth + 1 < self.header_length());
        Item::Table(table)
    }

    /// How many of the tables are named in the header.
    fn header_length(&self) -> usize {
        let is_named = self.table.first().is_some_and(|outermost| NAMED.contains(&outermost.as_str()));
        self.table.len().min(if is_named { 2 } else { 1 })
    }
}

/// On one line: the header, the key and its value.
impl fmt::Display for ConfigLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::together(std::slice::from_ref(self)).map_err(|_| fmt::Error)?)
    }
}

impl ConfigValue {
    fn to_toml(&self) -> Value {
        match self {
            Self::Switch(switch) => Value::from(*switch),
            Self::Number(number) => Value::from(*number),
            Self::Text(text) => Value::from(text),
            Self::List(texts) => Value::from(texts.iter().collect::<Array>()),
        }
    }
}

impl From<bool> for ConfigValue {
    fn from(switch: bool) -> Self {
        Self::Switch(switch)
    }
}

impl From<u16> for ConfigValue {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<String> for ConfigValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for ConfigValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<String>> for ConfigValue {
    fn from(texts: Vec<String>) -> Self {
        Self::List(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(key: &str, value: impl Into<ConfigValue>) -> ConfigLine {
        ConfigLine::new(&["environments", "staging", "beside"], key, value)
    }

    #[test]
    fn a_line_is_shown_as_it_can_be_pasted() {
        let shown = [
            (
                ConfigLine::new(&["isolation"], "shared_networks", vec!["proxy".to_owned()]),
                r#"[isolation] shared_networks = ["proxy"]"#,
            ),
            (
                ConfigLine::new(&["environments", "staging"], "files", vec!["a b.yml".to_owned()]),
                r#"[environments.staging] files = ["a b.yml"]"#,
            ),
            (
                ConfigLine::new(&["environments", "staging", "beside", "env_files"], ".env", ".env.staging"),
                r#"[environments.staging] beside = { env_files = { ".env" = ".env.staging" } }"#,
            ),
            (
                ConfigLine::new(&["isolation", "built_differently"], "build.args.STAGE", "…"),
                r#"[isolation] built_differently = { "build.args.STAGE" = "…" }"#,
            ),
            (
                ConfigLine::new(&["services", "a.b"], "promoted", "\"\u{1b}"),
                "[services.\"a.b\"] promoted = '\"\\u{1b}'",
            ),
        ];
        for (line, text) in &shown[..4] {
            assert_eq!(&line.to_string(), text);
            let (header, below) = text.split_once("] ").unwrap();
            let pasted = toml::from_str::<toml::Table>(&format!("{header}]\n{below}\n")).unwrap();
            let written: toml::Table =
                toml::from_str(&ConfigLine::write_into("", std::slice::from_ref(line)).unwrap()).unwrap();
            assert_eq!(written, pasted);
        }
        assert!(!shown[4].0.to_string().contains('\u{1b}'));
    }

    #[test]
    fn lines_of_one_table_come_together_and_what_was_written_stays() {
        let before =
            "version = 1 # ours\n\n[environments.staging]\n# Why.\nbeside = { port_offset = 1 } # one\n";
        let lines = [
            beside("port_offset", 10000_u16),
            beside("container_suffix", "-staging"),
            ConfigLine::new(&["environments", "staging", "beside", "env_files"], ".env", ".env.staging"),
            ConfigLine::new(&["isolation"], "shared_networks", vec!["a".to_owned()]),
            ConfigLine::new(&["isolation"], "shared_networks", vec!["a".to_owned(), "b".to_owned()]),
        ];
        let after = ConfigLine::write_into(before, &lines).unwrap();
        assert_eq!(
            after,
            "version = 1 # ours\n\n[environments.staging]\n# Why.\nbeside = { port_offset = 10000, \
             container_suffix = \"-staging\", env_files = { \".env\" = \".env.staging\" } } # one\n\n[isolation]\n\
             shared_networks = [\"a\", \"b\"]\n"
        );
        assert_eq!(ConfigLine::write_into(&after, &lines).unwrap(), after);
    }

    #[test]
    fn written_otherwise_it_is_the_same_config() {
        let line = || [beside("port_offset", 10000_u16)];
        for before in [
            "environments = { production = { protected = true } }\n",
            "environments.staging.protected = false\n",
            "environments.staging = { beside = { container_suffix = \"-x\" } }",
            "[environments.staging.beside]\ncontainer_suffix = \"-x\" # why\n",
            "[[hooks]]\nrun = 1\n",
        ] {
            let after = ConfigLine::write_into(before, &line()).unwrap();
            let mut expected: toml::Table = toml::from_str(before).unwrap();
            let mut table = &mut expected;
            for name in ["environments", "staging", "beside"] {
                let next = table.entry(name).or_insert(toml::Value::Table(toml::Table::new()));
                table = next.as_table_mut().unwrap();
            }
            table.insert("port_offset".into(), 10000.into());
            assert_eq!(toml::from_str::<toml::Table>(&after).unwrap(), expected, "{after}");
            assert!(after.contains("# why") || !before.contains("# why"), "{after}");
        }
        let crlf = ConfigLine::write_into("version = 1\r\n", &line()).unwrap();
        assert_eq!(crlf, "version = 1\r\n\r\n[environments.staging]\r\nbeside = { port_offset = 10000 }\r\n");
    }

    #[test]
    fn what_would_be_replaced_is_known() {
        let line = beside("port_offset", 10000_u16);
        let networks = ConfigLine::new(&["isolation"], "shared_networks", vec!["b".to_owned()]);
        for (text, replaces) in [
            ("", false),
            ("environments.staging.beside.port_offset = 1", true),
            ("environments.staging.beside.port_offset = 10000 # as is", false),
            ("environments.staging.beside.container_suffix = \"-x\"", false),
            ("environments = 1", false),
        ] {
            assert_eq!(line.replaces(text), replaces, "{text}");
        }
        assert!(!networks.replaces("isolation.shared_networks = [\"a\"]"), "it is added to");
    }

    #[test]
    fn files_are_meant_all_together() {
        let files = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            ConfigLine::new(&["environments", "production"], "files", names)
        };
        let text = ConfigLine::write_into("", &[files(&["a", "b"]), files(&["c"])]).unwrap();
        assert_eq!(text, "[environments.production]\nfiles = [\"c\"]\n");
    }

    #[test]
    fn what_is_no_table_is_left_alone() {
        for text in ["environments = 1\n", "[environments]\nstaging = [1]\n", "= no toml"] {
            let error = ConfigLine::write_into(text, &[beside("port_offset", 1_u16)]).unwrap_err();
            assert!(error.to_string().starts_with("the config can't be added to"), "{error}");
        }
    }
}
