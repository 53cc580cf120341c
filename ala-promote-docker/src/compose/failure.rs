//! What Compose says when it fails, put so that a person knows what to mend. No value of an env file gets through.

use std::collections::BTreeSet;
use std::path::Path;

use ala_promote_core::backend::{BackendError, BackendErrorKind};
use ala_promote_core::domain::StackRef;

use super::env_file;
use super::raw::RawFiles;
use crate::scrub::Scrubber;

/// How many of the last lines are shown of a build or a start that failed.
const SHOWN_LINES: usize = 20;

/// What a failure is explained with.
pub(super) struct Explain<'a> {
    pub(super) stack: &'a StackRef,
    pub(super) raw: &'a RawFiles,
    pub(super) scrub: &'a Scrubber,
    /// What Compose wrote to its standard error.
    pub(super) lines: &'a [String],
}

impl Explain<'_> {
    /// What is wrong with a render that Compose calls a success: variables without a value, lines of env files that v1
    /// passes over.
    pub(super) fn warnings(&self) -> Option<BackendError> {
        let unset: BTreeSet<String> = self.lines.iter().filter_map(|line| unset_variable(line)).collect();
        if !unset.is_empty() {
            return Some(self.unset(&unset));
        }
        self.unreadable_line()
    }

    /// Why a render failed.
    pub(super) fn render_failure(&self) -> BackendError {
        let unset: BTreeSet<String> = self.lines.iter().filter_map(|line| required_variable(line)).collect();
        if !unset.is_empty() {
            return self.unset(&unset);
        }
        self.unreadable_line()
            .or_else(|| self.missing_env_file())
            .or_else(|| self.service_of_nothing())
            .or_else(|| self.broken_yaml())
            .unwrap_or_else(|| self.not_rendered())
    }

    /// What Compose says, where nothing more is known of it. Files that can't be laid over each other may not be meant to.
    fn not_rendered(&self) -> BackendError {
        let error = self.invalid(self.said().join("\n"));
        let [_, .., last] = self.raw.files.as_slice() else { return error };
        let (name, environment) = (self.seen_from_dir(&last.path), &self.stack.environment);
        error.with_hint(format!(
            "it is laid over other files here; if {name} stands alone, say so in ala-promote.toml: \
             [environments.{environment}] files = [\"{name}\"]"
        ))
    }

    fn seen_from_dir<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.stack.dir).unwrap_or(path).display()
    }

    /// Why a start failed.
    pub(super) fn up_failure(&self) -> BackendError {
        let said = self.last().join("\n");
        let port = said.contains("port is already allocated") || said.contains("address already in use");
        let kind = if port { BackendErrorKind::Conflict } else { BackendErrorKind::Failed };
        let error = BackendError::new(kind, format!("start {} with Compose", self.stack.environment), &said);
        if port {
            error.with_hint("stop what holds the port, or give this environment another one")
        } else if said.contains("ContainerConfig") {
            error.with_hint(
                "docker-compose 1.29 can't recreate containers whose image a newer engine built: install the \
                 package docker-compose-plugin (Compose 2)",
            )
        } else {
            error
        }
    }

    /// Why a build failed.
    pub(super) fn build_failure(&self) -> BackendError {
        let what = format!("build for {} with Compose", self.stack.environment);
        let mut said = self.said();
        let last = said.split_off(said.len().saturating_sub(SHOWN_LINES));
        // Builds run side by side: what one died of may stand before many lines of another.
        let complaints = said.into_iter().filter(|line| is_complaint(line)).chain(last);
        BackendError::new(BackendErrorKind::Failed, what, complaints.collect::<Vec<_>>().join("\n"))
    }

    /// Why a pull failed.
    pub(super) fn pull_failure(&self) -> BackendError {
        let said = self.last().join("\n");
        let lower = said.to_lowercase();
        let says = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
        let error = |kind| {
            BackendError::new(kind, format!("pull for {} with Compose", self.stack.environment), &said)
        };
        if says(&["docker-credential-"]) {
            error(BackendErrorKind::Failed).with_hint(
                "the credential helper of Docker's config can't be run: put it on the PATH, also of cron",
            )
        } else if says(&[
            "unauthorized",
            "no basic auth",
            "authentication required",
            "denied",
            "docker login",
        ]) {
            error(BackendErrorKind::Invalid)
                .with_hint("log in to the registry as the user who runs this: docker login REGISTRY")
        } else if says(&["manifest unknown", "manifest for", ": not found", "does not exist"]) {
            error(BackendErrorKind::NotFound).with_hint("push the image, or correct the tag in the env file")
        } else if says(&[
            "connection refused",
            "no such host",
            "i/o timeout",
            "timeout exceeded",
            "name resolution",
            "network is unreachable",
        ]) {
            error(BackendErrorKind::Unavailable).with_hint("look whether the registry answers, and try again")
        } else {
            error(BackendErrorKind::Failed)
        }
    }

    fn invalid(&self, detail: impl Into<String>) -> BackendError {
        BackendError::new(BackendErrorKind::Invalid, format!("render {}", self.stack.environment), detail)
    }

    fn unset(&self, names: &BTreeSet<String>) -> BackendError {
        let listed = |each: &dyn Fn(&String) -> String| names.iter().map(each).collect::<Vec<_>>().join(", ");
        let (is, file) = (if names.len() == 1 { "is" } else { "are" }, self.env_file_name());
        let error = self.invalid(format!("{} {is} not set in {file}", listed(&|name| format!("`{name}`"))));
        let mentioned = |name: &String| {
            let forms = [format!("${name}"), format!("${{{name}")];
            self.raw.read.iter().any(|raw| forms.iter().any(|form| raw.text.contains(form)))
        };
        if names.iter().any(mentioned) {
            error.with_hint(format!("add {} to {file}", listed(&|name| format!("{name}=…"))))
        } else {
            // Then it is the value of another variable that holds it.
            error.with_hint(format!(
                "no Compose file uses {}: a `$` in a value of an env file starts a variable; put that value in \
                 single quotes",
                listed(&|name| format!("`${name}`"))
            ))
        }
    }

    fn env_file_name(&self) -> String {
        let path = self.stack.env_file.clone().unwrap_or_else(|| self.stack.dir.join(".env"));
        path.display().to_string()
    }

    /// v2 quotes the line, and v1 goes on without it; neither is wanted.
    fn unreadable_line(&self) -> Option<BackendError> {
        let (file, line) = self.lines.iter().find_map(|line| {
            if let Some((_, rest)) = line.split_once("failed to read ") {
                let (file, rest) = rest.split_once(": ").unwrap_or((rest, ""));
                let digits = rest.strip_prefix("line ").map(|r| r.chars().take_while(char::is_ascii_digit));
                return Some((file.to_owned(), digits.map(String::from_iter).unwrap_or_default()));
            }
            let (_, number) = line.split_once("could not parse statement starting at line ")?;
            Some((self.env_file_name(), number.trim().to_owned()))
        })?;
        let at = if line.is_empty() { file } else { format!("{file}, line {line}") };
        Some(
            self.invalid(format!("{at}: Compose can't read this as NAME=value"))
                .with_hint("a value with spaces, quotes or `$` goes into single quotes"),
        )
    }

    fn missing_env_file(&self) -> Option<BackendError> {
        let path = self.lines.iter().find_map(|line| {
            let v1 = line.split_once("Couldn't find env file: ").map(|(_, path)| path);
            v1.or_else(|| line.split_once("env file ")?.1.split_once(" not found").map(|(path, _)| path))
        })?;
        Some(env_file::missing(Path::new(path.trim())))
    }

    fn service_of_nothing(&self) -> Option<BackendError> {
        let line =
            self.lines.iter().find(|line| line.contains("has neither an image nor a build context"))?;
        let (before, _) = line.split_once(" has neither")?;
        let name = before.rsplit(' ').next().unwrap_or(before).trim_matches('"');
        Some(
            self.invalid(format!("service `{name}` has neither `image` nor `build`"))
                .with_hint(format!("give `{name}` one of them, or take it out")),
        )
    }

    /// v2 names a line near the place, and some versions no file; so the files are looked at again.
    fn broken_yaml(&self) -> Option<BackendError> {
        let yaml = ["yaml: ", "yaml.", "ParserError", "ScannerError"];
        let said = self.said();
        said.iter().find(|line| yaml.iter().any(|sign| line.contains(sign)))?;
        let (file, line) =
            self.raw.read.iter().find_map(|raw| Some((raw.path.display(), raw.broken_line()?)))?;
        let reason = said.last().and_then(|line| line.rsplit(": ").next()).unwrap_or("broken").trim();
        Some(self.invalid(format!("{file}, line {line}: not valid YAML ({reason})")))
    }

    /// What it said, without Python's stack and without values.
    fn said(&self) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        let mut in_stack = false;
        for line in self.lines {
            in_stack = line.starts_with("Traceback") || (in_stack && line.starts_with(' '));
            let warning = line.contains("level=warning") || line.starts_with("WARNING: ");
            if !in_stack && !warning {
                said.push(self.scrub.scrub(line));
            }
        }
        if said.is_empty() { vec!["Compose failed and said nothing".into()] } else { said }
    }

    fn last(&self) -> Vec<String> {
        let mut said = self.said();
        let surplus = said.len().saturating_sub(SHOWN_LINES);
        said.drain(..surplus);
        said
    }
}

/// Whether a line of a build tells that something went wrong.
fn is_complaint(line: &str) -> bool {
    let line = line.to_lowercase();
    ["failed", "error", "denied", "not found", "returned a non-zero code"]
        .iter()
        .any(|word| line.contains(word))
}

/// `The "X" variable is not set.` of v2, inside a log line, and `The X variable is not set.` of v1.
fn unset_variable(line: &str) -> Option<String> {
    let (before, _) = line.split_once(" variable is not set")?;
    let name = before.rsplit("The ").next()?.replace(['\\', '"'], "");
    Some(name).filter(|name| is_name(name))
}

/// `required variable X is missing a value` of v2, `Missing mandatory value … interpolating ${X:?why}` of v1.
fn required_variable(line: &str) -> Option<String> {
    let name = if let Some((_, rest)) = line.split_once("required variable ") {
        rest.split_once(" is missing a value")?.0
    } else {
        let (_, rest) = line.split_once("Missing mandatory value for ")?;
        let (before, _) = rest.split_once('?')?;
        before.rsplit_once("${")?.1.trim_end_matches(':')
    };
    Some(name.to_owned()).filter(|name| is_name(name))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_variables_without_a_value() {
        let v2 = r#"time="2026-01-01T00:00:00Z" level=warning msg="The \"NOPE\" variable is not set. Defaulting to a blank string.""#;
        assert_eq!(unset_variable(v2).as_deref(), Some("NOPE"));
        let v1 = "WARNING: The TAG variable is not set. Defaulting to a blank string.";
        assert_eq!(unset_variable(v1).as_deref(), Some("TAG"));
        let v2 = "error while interpolating services.a.image: required variable REQ is missing a value: must be set";
        assert_eq!(required_variable(v2).as_deref(), Some("REQ"));
        let v1 = r#"Missing mandatory value for "image" option interpolating x${REQ:?must be set} in service "a": must be set"#;
        assert_eq!(required_variable(v1).as_deref(), Some("REQ"));
        assert_eq!(required_variable(&v1.replace(":?", "?")).as_deref(), Some("REQ"));
        assert_eq!(unset_variable("all is well"), None);
    }
}
