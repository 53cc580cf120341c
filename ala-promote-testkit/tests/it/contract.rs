//! Every sentence of the ports' documentation has a case, or says why it has none.

use std::collections::BTreeSet;
use std::path::Path;

use ala_promote_testkit::conformance::all;

/// A method, and one sentence about it.
type Sentence = (String, String);

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What the ports' documentation says of each method, and above all of them of every one.
fn documented(source: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let rules = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let rules: Vec<&str> = rules.skip_while(|line| !line.starts_with("- ")).collect();
    found.extend(sentences(&rules).into_iter().map(|sentence| ("every method".to_owned(), sentence)));
    let (mut port, mut docs) = (None, Vec::new());
    for line in source.lines() {
        let code = line.trim();
        if let Some(doc) = code.strip_prefix("///") {
            docs.push(doc.trim());
            continue;
        }
        if code.starts_with("#[") {
            continue;
        }
        if line == "}" {
            port = None;
        } else if let Some(rest) = code.strip_prefix("pub trait ") {
            let name = rest.split(|c: char| !c.is_alphanumeric()).next();
            // The port of ports says nothing of its own.
            port = name.filter(|name| *name != "Backend");
        } else if let Some(rest) = code.trim_start_matches("async ").strip_prefix("fn ") {
            let method = rest.split('(').next().unwrap_or_default();
            if let Some(port) = port {
                let of_it = sentences(&docs).into_iter();
                found.extend(of_it.map(|sentence| (format!("{port}::{method}"), sentence)));
            }
        }
        docs.clear();
    }
    found
}

/// The sentences of a first line and its bullets, without links.
fn sentences(lines: &[&str]) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("- "), items.last_mut()) {
            (Some(bullet), _) => items.push(bullet.to_owned()),
            (None, None) => items.push((*line).to_owned()),
            (None, Some(item)) => *item = format!("{item} {line}"),
        }
    }
    let mut found = Vec::new();
    for item in items.iter().map(|item| without_links(item)) {
        let mut from = 0;
        for (at, _) in item.match_indices(". ") {
            if item[at + 2..].starts_with(|c: char| c.is_uppercase() || c == '`') {
                found.push(item[from..=at].to_owned());
                from = at + 2;
            }
        }
        found.push(item[from..].to_owned());
    }
    found
}

fn without_links(text: &str) -> String {
    let mut plain = String::new();
    for (index, part) in text.split("](").enumerate() {
        let shown = if index == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) };
        plain.push_str(&shown.replace(['[', ']'], ""));
    }
    plain
}

/// The lines of the table: each sentence with its cell.
fn table(text: &str) -> Vec<(Sentence, String)> {
    let (mut found, mut method) = (Vec::new(), "");
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            method = heading;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", says, cases, ""] = cells.as_slice()
            && !says.starts_with("---")
            && *says != "what it says"
        {
            found.push(((method.to_owned(), (*says).to_owned()), (*cases).to_owned()));
        }
    }
    found
}

/// What differs between the table, the documentation and the cases.
fn differences(ports: &str, contract: &str) -> Vec<String> {
    let table = table(contract);
    let said: BTreeSet<Sentence> = documented(ports).into_iter().collect();
    let listed: BTreeSet<Sentence> = table.iter().map(|(sentence, _)| sentence.clone()).collect();
    let cases: BTreeSet<&str> = all().iter().map(|case| case.name).collect();
    let named: BTreeSet<&str> = table
        .iter()
        .filter(|(_, cell)| !cell.starts_with("not asked: "))
        .flat_map(|(_, cell)| cell.split(", ").map(|name| name.trim_matches('`')))
        .collect();
    let without = said.difference(&listed).map(|(method, says)| format!("no line for {method}: {says}"));
    let gone = listed.difference(&said).map(|(method, says)| format!("{method} does not say: {says}"));
    let unknown = named.difference(&cases).map(|name| format!("there is no case `{name}`"));
    let idle = cases.difference(&named).map(|name| format!("{name} holds to no sentence"));
    without.chain(gone).chain(unknown).chain(idle).collect()
}

#[test]
fn every_sentence_of_the_ports_has_its_cases() {
    let ports = file("../ala-promote-core/src/backend/ports.rs");
    let contract = file("src/conformance/contract.md");
    assert_eq!(differences(&ports, &contract), Vec::<String>::new());
    assert!(documented(&ports).len() > 80, "the documentation was not understood");

    // A sentence more, and a case that nobody names, are noticed.
    let more = ports.replacen("    /// - Succeeds when it named nothing.", "    /// - Sings. Dances.", 1);
    let noticed = differences(&more, &contract);
    for line in [
        "no line for ImageStore::untag: Sings.",
        "no line for ImageStore::untag: Dances.",
        "ImageStore::untag does not say: Succeeds when it named nothing.",
    ] {
        assert!(noticed.iter().any(|found| found == line), "{noticed:?}");
    }
    let fewer = contract.replace("`images::an_unknown_image_is_not_found`", "`images::nobody`");
    assert_eq!(
        differences(&ports, &fewer),
        ["there is no case `images::nobody`", "images::an_unknown_image_is_not_found holds to no sentence"]
    );
}
