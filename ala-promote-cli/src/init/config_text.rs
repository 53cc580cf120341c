//! The text of a first `ala-promote.toml`: what was found as comments, what was chosen as keys.

use std::path::Path;

use ala_promote_core::config::{ConfigLine, UnwritableConfig};

use super::Found;
use crate::render::text;

/// The file.
pub(crate) fn config_text(
    found: &[Found],
    lines: &[ConfigLine],
    dir: &Path,
) -> Result<String, UnwritableConfig> {
    let mut text = String::from(
        "# Begun by `ala-promote init`. Every key is optional: what is commented out holds by convention, as it was found.\n\
         # `ala-promote schema` prints a JSON Schema for editors.\nversion = 1\n",
    );
    for found in found {
        text.push_str(&environment(found, lines, dir));
    }
    text.push_str(&backup(found, lines));
    ConfigLine::write_into(&text, lines)
}

fn environment(found: &Found, lines: &[ConfigLine], dir: &Path) -> String {
    let table = ["environments", found.environment.as_str()];
    let is_own = |line: &&ConfigLine| line.table.iter().take(2).eq(table.iter());
    let own: Vec<&ConfigLine> = lines.iter().filter(is_own).collect();
    let runs = match found.containers {
        0 => "nothing runs of it yet".to_owned(),
        count => format!("{count} containers run of it"),
    };
    // The header of a table that has keys stands for itself.
    let mark = if own.is_empty() { "# " } else { "" };
    let mut text =
        format!("\n# {}: {runs}.\n{mark}[environments.{}]\n", found.environment, found.environment);
    for fact in facts(found, &table, dir) {
        if !own.iter().any(|line| line.key == fact.key) {
            text.push_str(&format!("# {}\n", fact.as_choice()));
        }
    }
    if !found.protected && !own.iter().any(|line| line.table.iter().any(|name| name == "beside")) {
        text.push_str(&format!(
            "# Where its ports, container names and image references are another environment's too:\n\
             # beside = {{ port_offset = 10000, container_suffix = \"-{name}\", image_suffix = \"-{name}\" }}\n",
            name = found.environment
        ));
    }
    text
}

/// What holds by convention.
fn facts(found: &Found, table: &[&str], dir: &Path) -> Vec<ConfigLine> {
    let stack = &found.stack;
    let seen = |path: &Path, from: &Path| text::seen_from(path, from).display().to_string();
    let files: Vec<String> = stack.files.iter().map(|file| seen(file, &stack.dir)).collect();
    let is_elsewhere = stack.dir != dir;
    [
        is_elsewhere.then(|| ConfigLine::new(table, "dir", seen(&stack.dir, dir))),
        Some(ConfigLine::new(table, "files", files)),
        stack.env_file.as_ref().map(|file| ConfigLine::new(table, "env_file", seen(file, &stack.dir))),
        Some(ConfigLine::new(table, "project", stack.project.as_str())),
        found.from.as_ref().map(|from| ConfigLine::new(table, "from", from.as_str())),
        Some(ConfigLine::new(table, "protected", found.protected)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn backup(found: &[Found], lines: &[ConfigLine]) -> String {
    let mut text = "\n[backup]\n# dir = \"../backups\"\n".to_owned();
    if lines.iter().any(|line| line.table == ["backup"]) {
        return text;
    }
    for database in found.iter().filter(|found| found.protected).flat_map(|found| &found.databases) {
        let line = ConfigLine::new(&["backup"], "service", database.as_str());
        text.push_str(&format!("# {}\n", line.as_choice()));
    }
    text
}
