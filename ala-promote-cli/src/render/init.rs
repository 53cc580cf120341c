//! What one environment means, for people.

use std::path::Path;

use ala_promote_core::config::ConfigLine;
use ala_promote_core::plan::Finding;

use super::{problem, text};
use crate::init::Found;

/// What was found and decided, and what is to be mended.
pub(crate) fn text(found: &Found, dir: &Path) -> String {
    let stack = &found.stack;
    let seen = |path: &Path| text::seen_from(path, dir).display().to_string();
    let mut files: Vec<String> = stack.files.iter().map(|file| seen(file)).collect();
    files.extend(stack.env_file.as_ref().map(|file| seen(file)));
    let runs = match found.containers {
        0 => "nothing runs".to_owned(),
        count => format!("{count} containers"),
    };
    let mut lines =
        format!("{}: project {} ({runs}), {}\n", found.environment, stack.project, files.join(", "));
    if let Some(from) = &found.from {
        lines.push_str(&format!("   releases come from {from}\n"));
    }
    let databases: Vec<&str> = found.databases.iter().map(|name| name.as_str()).collect();
    if !databases.is_empty() {
        lines.push_str(&format!("   database: {}\n", databases.join(", ")));
    }
    lines + &problem::findings(&found.to_mend, "To mend")
}

/// What stands in the way without the lines that are shown, and no more with them.
pub(crate) fn mended(findings: &[Finding]) -> String {
    let mut lines = String::from("Mended by the lines below:");
    for finding in findings {
        lines.push_str(&format!("\n   {} [{}]", finding.reason, finding.gate));
    }
    lines
}

/// Asks for the number of one of several lines of the config.
pub(crate) fn question(problem: &str, choices: &[ConfigLine]) -> String {
    let mut lines = format!("{}:\n", text::capitalised(problem));
    for (index, line) in choices.iter().enumerate() {
        lines.push_str(&format!("   {}  {}\n", index + 1, line.as_choice()));
    }
    lines + &format!("Which is meant: 1 to {}? (empty: decide later) ", choices.len())
}
