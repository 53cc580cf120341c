//! Env files that services read in the place of others. A file laid over another can only add to its `env_file:` list,
//! so Compose is asked to overwrite all that the list gave, and what then is nobody's is taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ala_promote_core::backend::BackendResult;
use ala_promote_core::domain::StackRef;
use serde_json::{Value, json};

use super::prepared::Prepared;
use super::tool::Family;
use super::{Compose, invalid, write_private};

/// The value of what no env file gives any more.
const TAKEN_OUT: &str = "ala-promote-taken-out";

/// The env files of each service, by the stack's word in the place of those that its files give it.
pub(super) fn read_by_services(
    stack: &StackRef,
    given: &BTreeMap<String, Vec<PathBuf>>,
) -> BTreeMap<String, Vec<PathBuf>> {
    let read = |path: &PathBuf| stack.service_env_files.get(path).unwrap_or(path).clone();
    let all = |paths: &Vec<PathBuf>| {
        // v1 refuses a file that is listed twice; the last one counts.
        let mut seen = BTreeSet::new();
        let mut files: Vec<_> =
            paths.iter().rev().map(read).filter(|path| seen.insert(path.clone())).collect();
        files.reverse();
        files
    };
    given.iter().map(|(service, paths)| (service.clone(), all(paths))).collect()
}

impl Compose {
    /// What Compose prints of a stack, with the env files that its services read.
    ///
    /// # Errors
    /// As those of [`config`](Self::config); `Invalid` where a pair replaces nothing, where it can't be seen what a pair
    /// replaces, and where a value is made of one that is given no more.
    pub(super) async fn rendered(&self, stack: &StackRef, prepared: &Prepared) -> BackendResult<String> {
        let text = self.config(stack, prepared).await?;
        if stack.service_env_files.is_empty() {
            return Ok(text);
        }
        let refused =
            |detail: String| invalid(&format!("replace env files of {}", stack.environment), detail);
        if let Some(missing) = stack.service_env_files.values().find(|path| !path.is_file()) {
            let error = refused(format!("{} does not exist", missing.display()));
            return Err(error.with_hint("write it, or take it out of `beside` in ala-promote.toml"));
        }
        // A service of such a file would go on reading what is to be replaced.
        if let Some(unseen) = prepared.raw.unseen().first() {
            let error = refused(unseen.clone());
            return Err(error.with_hint("name the file without variables, or give each environment its own"));
        }
        let given = self.env_files(stack, prepared).await?;
        let is_given = |path: &PathBuf| given.values().flatten().any(|one| one == path);
        if let Some(unread) = stack.service_env_files.keys().find(|path| !is_given(path)) {
            let error = refused(format!("no service is given {} with `env_file:`", unread.display()));
            return Err(error.with_hint("correct `beside` in ala-promote.toml"));
        }
        let read = read_by_services(stack, &given);
        let model = self.parse(&text)?;
        let folder = self.scratch()?;
        let mut services = BTreeMap::new();
        for (name, service) in &model.services {
            let (Some(given), Some(read)) = (given.get(name), read.get(name)) else { continue };
            if given == read {
                continue;
            }
            // What `environment:` says itself stays: it is stronger than any file.
            let taken: String =
                service.environment.keys().map(|key| format!("{key}={TAKEN_OUT}\n")).collect();
            let taken = write_private(&folder, &format!("{name}.env"), &taken)?;
            // One that is not there may be missing, or Compose would have said so.
            let files: Vec<_> =
                std::iter::once(&taken).chain(read.iter().filter(|path| path.exists())).collect();
            services.insert(name, json!({"env_file": files}));
        }
        if services.is_empty() {
            return Ok(text);
        }
        let mut over = stack.clone();
        over.files.push(write_private(&folder, "env-files.yml", &json!({"services": services}).to_string())?);
        let text = self.config(&over, prepared).await?;
        // What is started from it would read the files again.
        if self.parse(&text)?.services.values().any(|service| service.env_file.is_some()) {
            let error = refused("this Compose leaves `env_file` in what it renders".to_owned());
            return Err(error.with_hint("update Compose, or say in the Compose files what is read"));
        }
        let without = match self.tool.family() {
            Family::One => without_lines(&text),
            Family::Two => without_entries(&text),
        };
        without.filter(|text| !text.contains(TAKEN_OUT)).ok_or_else(|| {
            let made_of_it = "a value is made of a variable that only the file which is replaced gives";
            refused(made_of_it.to_owned()).with_hint("set that variable in the env file that takes its place")
        })
    }
}

/// v2's render without what is taken out.
fn without_entries(text: &str) -> Option<String> {
    let mut rendered: Value = serde_json::from_str(text).ok()?;
    for service in rendered.get_mut("services")?.as_object_mut()?.values_mut() {
        if let Some(environment) = service.get_mut("environment").and_then(Value::as_object_mut) {
            environment.retain(|_, value| value.as_str() != Some(TAKEN_OUT));
        }
    }
    Some(rendered.to_string())
}

/// v1's render without what is taken out: it has a line for each variable.
fn without_lines(text: &str) -> Option<String> {
    let end = format!(": {TAKEN_OUT}");
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| !(line.starts_with("      ") && line.ends_with(&end))) {
        // All was taken out of the one before.
        if !line.starts_with("      ")
            && let Some(last) = kept.last_mut().filter(|last| **last == "    environment:")
        {
            *last = "    environment: {}";
        }
        kept.push(line);
    }
    Some(kept.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::tool::Tool;
    use super::*;

    /// A v2 whose `config` prints that.
    fn printing(dir: &std::path::Path, config: &Value) -> Compose {
        let program = dir.join("compose");
        std::fs::write(&program, format!("#!/bin/sh\ncat <<'END'\n{config}\nEND\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (name, version) = ("fake".into(), "fake".into());
        Compose {
            tool: Tool { program, prefix: vec![], name, version, number: (2, 0) },
            shell: BTreeMap::new(),
            docker_host: "unix:///nowhere".into(),
            lock: Default::default(),
            cache: Default::default(),
        }
    }

    #[tokio::test]
    async fn a_render_that_would_read_the_files_again_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("c.yml"), "services:\n  a:\n    image: x\n    env_file: given.env\n").unwrap();
        std::fs::write(path("given.env"), "A=1\n").unwrap();
        std::fs::write(path("own.env"), "A=2\n").unwrap();
        let stack = StackRef {
            environment: "staging".parse().unwrap(),
            project: "p".parse().unwrap(),
            dir: folder.path().to_owned(),
            files: vec![path("c.yml")],
            env_file: Some(path("own.env")),
            service_env_files: BTreeMap::from([(path("given.env"), path("own.env"))]),
            changes: Vec::new(),
            derived_file: None,
        };
        let mut config = json!({"services": {"a": {"image": "x", "environment": {"A": "2"}}}});
        printing(folder.path(), &config).render(&stack).await.unwrap();
        config["services"]["a"]["env_file"] = json!([path("given.env")]);
        let error = printing(folder.path(), &config).render(&stack).await.unwrap_err().to_string();
        assert!(error.contains("leaves `env_file`"), "{error}");
    }

    #[test]
    fn only_what_nobody_gives_is_taken_out() {
        let text = format!(
            "services:\n  a:\n    environment:\n      A: {TAKEN_OUT}\n      B: x\n    image: i\n  b:\n    \
             environment:\n      A: {TAKEN_OUT}\n    image: i\n"
        );
        let expected = "services:\n  a:\n    environment:\n      B: x\n    image: i\n  b:\n    environment: {}\n    \
                        image: i\n";
        assert_eq!(without_lines(&text).unwrap(), expected);
        let text =
            json!({"services": {"a": {"environment": {"A": TAKEN_OUT, "B": "x"}}, "b": {"image": "i"}}});
        let expected = json!({"services": {"a": {"environment": {"B": "x"}}, "b": {"image": "i"}}});
        assert_eq!(without_entries(&text.to_string()).unwrap(), expected.to_string());
    }
}
