//! An operation's events as lines, to the letter of the document.

use std::collections::BTreeSet;

use ala_promote_core::backend::Fetched;
use ala_promote_core::domain::{BackupManifest, HealthVerdict, ServiceName, StepId, Verb};
use ala_promote_core::event::Event;
use ala_promote_core::plan::{Action, Output, Plan, StageKind};

use super::outcome::{self, Told};
use super::{Ui, json, text};
use crate::settings::Options;

/// Turns events into lines. Holds what the lines need to know of earlier events.
pub(crate) struct Progress<'a> {
    ui: &'a Ui,
    again: &'a str,
    plan: Option<Box<Plan>>,
    recovering: bool,
    swapped: bool,
    failed: bool,
    unwinding: bool,
    /// Whether it was said that things are being put back.
    said_unwinding: bool,
    healthy: BTreeSet<ServiceName>,
    /// What is being taken back, and not yet told: many steps make one line.
    undone: Option<&'static str>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(ui: &'a Ui, options: &'a Options) -> Self {
        Self {
            ui,
            again: &options.again,
            plan: None,
            recovering: false,
            swapped: false,
            failed: false,
            unwinding: false,
            said_unwinding: false,
            healthy: BTreeSet::new(),
            undone: None,
        }
    }

    /// Takes the next event.
    pub(crate) fn event(&mut self, event: &Event) {
        self.ui.line(&json::event(event));
        match event {
            Event::Started { plan, recovering } => self.started(plan, *recovering),
            Event::WaitingForChildren { children } => self
                .ui
                .say(&format!("Waiting for what the dead process had started: {}", children.join(", "))),
            Event::StepStarted { step, .. } => {
                self.swapped |= matches!(self.action(step), Some(Action::Swap { .. }));
            }
            Event::StepLine { text, .. } if self.ui.is_verbose() => self.ui.say(&format!("   {text}")),
            Event::HealthSeen { service, display, verdict, evidence, port } => {
                self.health(service, display, *verdict, evidence, *port);
            }
            Event::StepFinished { output, .. } => self.finished(output),
            Event::StageFinished { stage } => self.stage_finished(*stage),
            Event::StepFailed { title, error, hint, .. } => self.failed(title, error, hint.as_deref()),
            Event::Unwinding { .. } => self.unwinding(),
            Event::Undone { step, .. } => self.undone(step),
            Event::UndoFailed { title, error, .. } => {
                self.tell_undone();
                self.ui.warn(&format!(
                    "❌ Could not be taken back: {title}\n   {}",
                    text::hanging(error, "   ")
                ));
            }
            Event::Ended { outcome: Some(outcome), .. } => {
                self.tell_undone();
                if let Some(plan) = &self.plan {
                    let told =
                        Told { swapped: self.swapped, failed: self.failed, recovering: self.recovering };
                    outcome::tell(self.ui, plan, outcome, told, self.again);
                }
            }
            // Why a run did not start or end is told by whoever drove it.
            _ => {}
        }
    }

    fn action(&self, step: &StepId) -> Option<&Action> {
        self.plan.as_ref()?.step(step).map(|step| &step.action)
    }

    fn started(&mut self, plan: &Plan, recovering: bool) {
        self.plan = Some(Box::new(plan.clone()));
        self.recovering = recovering;
        if !recovering && matches!(plan.request.verb, Verb::Promote | Verb::Rollback { .. }) {
            self.ui.say("✅ Prerequisites OK");
        }
    }

    fn finished(&self, output: &Output) {
        match output {
            Output::Fetched(Fetched::Updated { from, to }) => {
                if from != to {
                    self.ui.source_moved();
                }
                self.ui.say("✅ Code updated");
            }
            Output::Fetched(Fetched::Skipped { reason }) => {
                self.ui.say(&format!("Code not pulled: {reason}"));
            }
            Output::HookRan { name, .. } => self.ui.say(&format!("✅ Hook {name} done")),
            Output::BackedUp(manifest) => self.ui.say(&self.backed_up(manifest)),
            _ => {}
        }
    }

    fn backed_up(&self, manifest: &BackupManifest) -> String {
        let dir = self.plan.as_ref().and_then(|plan| plan.stack.as_ref()).map(|stack| stack.dir.as_path());
        let file = dir.map_or_else(|| manifest.file.clone(), |dir| text::seen_from(&manifest.file, dir));
        let hash = manifest.sha256.get(..12).unwrap_or(&manifest.sha256);
        let size = text::bytes(manifest.bytes);
        let by = match manifest.of.is_checked() {
            true => "✅ Database backed up",
            false => "✅ Backed up by command, content not checked",
        };
        format!("{by}: {} ({size}, SHA-256 {hash}…)", file.display())
    }

    fn stage_finished(&self, stage: StageKind) {
        let Some(plan) = &self.plan else { return };
        let line = match stage {
            StageKind::Build => "✅ Images built".to_owned(),
            StageKind::Pull => "✅ Images pulled".to_owned(),
            StageKind::Tag => format!("✅ Images tagged: {}", tags(plan)),
            StageKind::Swap if matches!(plan.request.verb, Verb::Deploy { .. }) => {
                "✅ Containers started".to_owned()
            }
            StageKind::Swap => "✅ Containers restarted".to_owned(),
            StageKind::Pin if self.ui.is_verbose() => "✅ What runs is kept to go back to".to_owned(),
            StageKind::External if self.ui.is_verbose() => "✅ Own steps done".to_owned(),
            _ => return,
        };
        self.ui.say(&line);
    }

    /// Each service once, when it becomes healthy.
    fn health(
        &mut self,
        service: &ServiceName,
        display: &str,
        verdict: HealthVerdict,
        evidence: &str,
        port: Option<u16>,
    ) {
        if verdict != HealthVerdict::Healthy {
            if self.ui.is_verbose() {
                self.ui.say(&format!("   {display} is not healthy yet: {}", text::hanging(evidence, "   ")));
            }
            return;
        }
        if !self.healthy.insert(service.clone()) {
            return;
        }
        // An open port is not a service that answers, and is not shown as one.
        let how = match port {
            Some(port) if !evidence.starts_with("port open") && !self.ui.is_verbose() => {
                format!("port {port}")
            }
            _ => evidence.to_owned(),
        };
        if self.unwinding {
            self.tell_undone();
            self.ui.warn(&format!("↩️  {display} healthy again ({how})"));
        } else {
            self.ui.say(&format!("✅ {display} healthy ({how})"));
        }
    }

    fn failed(&mut self, title: &str, error: &str, hint: Option<&str>) {
        self.failed = true;
        let hint = hint.map_or_else(String::new, |hint| format!("\n   → {}", text::hanging(hint, "     ")));
        self.ui.warn(&format!("❌ Failed: {title}\n   {}{hint}", text::hanging(error, "   ")));
    }

    fn unwinding(&mut self) {
        self.unwinding = true;
        self.healthy.clear();
        // What is kept on request is not put back, although what the build left is cleared away.
        if !self.plan.as_ref().is_some_and(|plan| plan.keep_failed) {
            self.say_unwinding();
        }
    }

    fn say_unwinding(&mut self) {
        let Some(plan) = self.plan.as_ref().filter(|plan| plan.request.verb != Verb::Fetch) else { return };
        if !std::mem::replace(&mut self.said_unwinding, true) {
            let name = text::capitalised(plan.environment().as_str());
            self.ui.warn(&format!("↩️  Putting {name} back as it was"));
        }
    }

    /// Steps whose undo does nothing that anybody would look for are not told.
    fn undone(&mut self, step: &StepId) {
        let what = match self.action(step) {
            Some(Action::Swap { .. }) => {
                self.swapped = true;
                "Containers put back"
            }
            Some(Action::Tag { .. }) if self.stage_of(step) == Some(StageKind::Tag) => {
                "Image tags moved back"
            }
            Some(Action::Hook { hook, .. }) if hook.undo.is_some() => "Hooks taken back",
            Some(Action::External { .. }) => "Own step taken back",
            _ => return,
        };
        self.say_unwinding();
        if self.undone != Some(what) {
            self.tell_undone();
            self.undone = Some(what);
        }
    }

    fn stage_of(&self, step: &StepId) -> Option<StageKind> {
        let mut stages = self.plan.as_ref()?.stages.iter();
        stages.find(|stage| stage.steps.iter().any(|s| &s.id == step)).map(|stage| stage.kind)
    }

    fn tell_undone(&mut self) {
        if let Some(what) = self.undone.take() {
            self.ui.warn(&format!("↩️  {what}"));
        }
    }
}

/// The tags that were set: of a deployment the release's own, as in the document; else all others.
fn tags(plan: &Plan) -> String {
    let release = plan.release.as_ref().map(|release| release.tag.as_str()).unwrap_or_default();
    if matches!(plan.request.verb, Verb::Deploy { .. }) {
        return release.to_owned();
    }
    let stages = plan.stages.iter().filter(|stage| stage.kind == StageKind::Tag);
    let tags: BTreeSet<&str> = stages
        .flat_map(|stage| &stage.steps)
        .filter_map(|step| match &step.action {
            Action::Tag { reference, .. } => Some(reference.tag()),
            _ => None,
        })
        .filter(|tag| *tag != release)
        .collect();
    tags.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::output::{Recorder, Stream};

    fn options() -> Options {
        Options {
            stack: None,
            dir: None,
            called: None,
            json: false,
            may_ask: false,
            quiet: false,
            verbose: false,
            again: "./deploy-staging".to_owned(),
        }
    }

    fn seen(verdict: HealthVerdict, evidence: &str, port: Option<u16>) -> Event {
        Event::HealthSeen {
            service: ServiceName::new("db").unwrap(),
            display: "Db".to_owned(),
            verdict,
            evidence: evidence.to_owned(),
            port,
        }
    }

    /// What these events print.
    fn printed(events: &[Event]) -> String {
        let (output, options) = (Arc::new(Recorder::default()), options());
        let ui = Ui::new(Arc::<Recorder>::clone(&output), false, false, false);
        let mut progress = Progress::new(&ui, &options);
        events.iter().for_each(|event| progress.event(event));
        output.text(Stream::Out)
    }

    #[test]
    fn a_service_that_comes_and_goes_is_called_healthy_once() {
        let healthy = seen(HealthVerdict::Healthy, "HTTP 200 at http://127.0.0.1:80/", Some(80));
        let starting = seen(HealthVerdict::Starting, "connection refused", Some(80));
        assert_eq!(
            printed(&[starting.clone(), healthy.clone(), starting, healthy]),
            "✅ Db healthy (port 80)\n"
        );
    }

    #[test]
    fn an_open_port_is_not_shown_as_an_answer() {
        let open = seen(HealthVerdict::Healthy, "port open: 5433", Some(5433));
        assert_eq!(printed(&[open]), "✅ Db healthy (port open: 5433)\n");
        let runs = seen(HealthVerdict::Healthy, "runs without a restart", None);
        assert_eq!(printed(&[runs]), "✅ Db healthy (runs without a restart)\n");
    }
}
