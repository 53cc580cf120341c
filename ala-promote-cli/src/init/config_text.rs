//! The text of a first `ala-promote.toml`: what was found as comments, what was answered as keys.

use std::path::Path;

use super::Found;
use crate::render::text;

/// What was answered, or follows without a question.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// The database to back up, where there are several.
    pub(crate) database: Option<String>,
    /// Why no backup is taken, where there is none to back up.
    pub(crate) no_backup: Option<String>,
}

/// The file.
pub(crate) fn config_text(found: &[Found], answers: &Answers, dir: &Path) -> String {
    let mut lines = String::from(
        "# Begun by `ala-promote init`. Every key is optional: what is commented out holds by convention, as it was found.\n\
         # `ala-promote schema` prints a JSON Schema for editors.\nversion = 1\n",
    );
    for found in found {
        lines.push_str(&environment(found, dir));
    }
    lines.push_str(&backup(found, answers));
    lines
}

fn environment(found: &Found, dir: &Path) -> String {
    let stack = &found.stack;
    let seen = |path: &Path| quoted(&text::seen_from(path, &stack.dir).display().to_string());
    let runs = match found.containers {
        0 => "nothing runs of it yet".to_owned(),
        count => format!("{count} containers run of it"),
    };
    let mut lines = format!("\n# {}: {runs}.\n# [environments.{}]\n", found.environment, found.environment);
    if stack.dir != dir {
        let from_folder = text::seen_from(&stack.dir, dir).display().to_string();
        lines.push_str(&format!("# dir = {}\n", quoted(&from_folder)));
    }
    let files: Vec<String> = stack.files.iter().map(|file| seen(file)).collect();
    lines.push_str(&format!("# files = [{}]\n", files.join(", ")));
    if let Some(env_file) = &stack.env_file {
        lines.push_str(&format!("# env_file = {}\n", seen(env_file)));
    }
    lines.push_str(&format!("# project = {}\n", quoted(stack.project.as_str())));
    if let Some(from) = &found.from {
        lines.push_str(&format!("# from = {}\n", quoted(from.as_str())));
    }
    lines.push_str(&format!("# protected = {}\n", found.protected));
    if !found.protected {
        lines.push_str(&format!(
            "# Where its ports, container names and image references are another environment's too:\n\
             # beside = {{ port_offset = 10000, container_suffix = \"-{name}\", image_suffix = \"-{name}\" }}\n",
            name = found.environment
        ));
    }
    lines
}

fn backup(found: &[Found], answers: &Answers) -> String {
    let mut lines = "\n[backup]\n# dir = \"../backups\"\n".to_owned();
    if let Some(service) = &answers.database {
        lines.push_str(&format!("service = {}\n", quoted(service)));
    } else if let Some(reason) = &answers.no_backup {
        lines.push_str(&format!("none = {}\n", quoted(reason)));
    } else {
        for found in found.iter().filter(|found| found.protected) {
            for database in &found.databases {
                lines.push_str(&format!("# service = {}\n", quoted(database.as_str())));
            }
        }
    }
    lines
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_toml_reads_them() {
        assert_eq!(quoted("a \"b\" \\ c\n"), r#""a \"b\" \\ c\u000A""#);
    }
}
