//! The schema and the reader know the same keys, and what the schema gives as examples is taken.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::config::file::ConfigFile;
use crate::config::source::known_keys;

/// The table itself and all below it, each with its header as it is written.
fn tables(path: &str, brackets: [&str; 2], node: &Value, found: &mut Vec<(String, Value)>) {
    let header =
        if path.is_empty() { String::new() } else { format!("{}{path}{}\n", brackets[0], brackets[1]) };
    found.push((header, node.clone()));
    for (key, value) in node["properties"].as_object().unwrap() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if value["properties"].is_object() {
            tables(&path, ["[", "]"], value, found);
        } else if value["additionalProperties"]["properties"].is_object() {
            tables(&format!("{path}.production"), ["[", "]"], &value["additionalProperties"], found);
        } else if value["items"]["properties"].is_object() {
            tables(&path, ["[[", "]]"], &value["items"], found);
        }
    }
}

fn all() -> Vec<(String, Value)> {
    let schema: Value = serde_json::from_str(CONFIG_SCHEMA).unwrap();
    let mut found = Vec::new();
    tables("", ["[", "]"], &schema, &mut found);
    found
}

fn toml(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{key:?} = {}", toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[test]
fn it_has_the_keys_that_are_known_and_no_other() {
    for (header, node) in all() {
        let text = format!("{header}zzzzzz = 1\n");
        let error = ::toml::from_str::<ConfigFile>(&text).expect_err(&text);
        let known: BTreeSet<&str> = known_keys(error.message()).unwrap().into_iter().collect();
        let described = node["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(known, described, "{header}");
        assert_eq!(node["additionalProperties"], false, "{header}");
    }
}

/// The keys that must stand beside this one.
fn needed(node: &Value, key: &str, required: &[&str]) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = required.iter().map(|key| (*key).to_owned()).collect();
    let mut open: Vec<String> = all.iter().cloned().chain([key.to_owned()]).collect();
    while let Some(next) = open.pop() {
        let beside = node["dependencies"][&next].as_array().into_iter().flatten();
        let new =
            beside.map(|other| other.as_str().unwrap().to_owned()).filter(|other| all.insert(other.clone()));
        open.extend(new.collect::<Vec<_>>());
    }
    all.remove(key);
    all
}

#[test]
fn its_examples_are_taken() {
    let mut leaves = 0;
    for (header, node) in all() {
        let required: Vec<&str> =
            node["required"].as_array().into_iter().flatten().map(|r| r.as_str().unwrap()).collect();
        for (key, leaf) in node["properties"].as_object().unwrap() {
            let Some(example) = leaf["examples"].get(0) else { continue };
            let mut text = header.clone();
            for other in needed(&node, key, &required) {
                text += &format!("{other} = {}\n", toml(&node["properties"][&other]["examples"][0]));
            }
            text += &format!("{key} = {}\n", toml(example));
            let folder = Folder::usual().config(&text);
            if let Err(error) = folder.load() {
                panic!("{text}\n{error}");
            }
            leaves += 1;
        }
    }
    assert!(leaves > 25, "{leaves}");
}

#[test]
fn every_key_is_described() {
    for (header, node) in all() {
        for (key, value) in node["properties"].as_object().unwrap() {
            assert!(value["description"].as_str().is_some_and(|text| text.ends_with('.')), "{header}{key}");
            let is_leaf = value["properties"].is_null()
                && value["additionalProperties"]["properties"].is_null()
                && value["items"]["properties"].is_null();
            assert_eq!(is_leaf, value["examples"].is_array(), "{header}{key}");
        }
    }
}
