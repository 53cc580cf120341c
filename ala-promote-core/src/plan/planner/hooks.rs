//! Commands of the team's own, each a stage of its own: one after another, in the order of the config.

use super::draft::Draft;
use crate::config::HookSettings;
use crate::domain::HookMoment;
use crate::plan::{Action, HookImage, PlannedRelease, StageKind, StepClass};

impl Draft<'_> {
    /// Adds the hooks that this operation runs at this moment.
    pub(super) fn hooks(&mut self, at: HookMoment, release: &PlannedRelease) {
        let (settings, request) = (self.input.settings, &self.input.request);
        let kind = match at {
            HookMoment::BeforeSwap => StageKind::BeforeSwap,
            HookMoment::AfterSwap => StageKind::AfterSwap,
        };
        let hooks = settings.hooks_of(&request.environment);
        for hook in hooks.filter(|hook| hook.at == at && hook.runs_on(&request.verb)) {
            let step = self.hook(hook, release);
            self.stage(kind, StepClass::Compensable, vec![step]);
        }
    }

    fn hook(&self, settings: &HookSettings, release: &PlannedRelease) -> (String, Action) {
        let hook = settings.hook.clone();
        let place = hook.service.as_ref().map_or("the host", |service| service.as_str());
        let title = format!("run the hook {} ({place}: {})", hook.name, hook.command.join(" "));
        let promoted = self.promoted.iter().find(|p| Some(p.service) == hook.service.as_ref());
        let image = promoted.and_then(|p| {
            let image = release.images.get(p.service)?.image.clone();
            Some(HookImage { reference: p.reference.clone(), image })
        });
        let file = format!("{}-{}.log", self.input.operation, hook.name);
        let log = self.input.settings.state_dir.join("hooks").join(file);
        (title, Action::Hook { stack: self.stack.clone(), hook, image, log })
    }
}
