//! What a deployment needs of the machine, looked at one by one. Changes nothing.

mod host;
mod world;

use ala_promote_core::config::Settings;
use serde::Serialize;

use crate::app::App;
use crate::error::CliError;

/// One look at one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at: `engine`, `disk of the backups`.
    pub(crate) name: String,
    /// What that means.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mend: Option<String>,
}

/// What was found, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Fine,
    /// It works; somebody should know.
    Warning,
    /// Operations can't work like that.
    Problem,
}

impl Check {
    fn fine(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Fine, found: found.into(), mend: None }
    }

    fn warning(name: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { name: name.into(), verdict: Verdict::Warning, found: found.into(), mend }
    }

    fn problem(name: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { name: name.into(), verdict: Verdict::Problem, found: found.into(), mend }
    }

    fn failed(name: impl Into<String>, error: &CliError) -> Self {
        let found = error.to_string();
        Self { name: name.into(), verdict: Verdict::Problem, found, mend: error.hint() }
    }
}

/// Looks at everything.
pub(crate) async fn examine(app: &App, settings: Result<Settings, CliError>) -> Vec<Check> {
    let mut checks = host::of_the_process(app);
    match settings {
        Ok(settings) => {
            checks.push(Check::fine("folder", settings.dir.display().to_string()));
            checks.extend(host::of_the_folder(app, &settings));
            checks.extend(world::look(app, settings).await);
        }
        Err(error) => checks.push(Check::failed("folder", &error)),
    }
    checks
}
