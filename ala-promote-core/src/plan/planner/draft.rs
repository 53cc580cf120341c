//! A plan in the making: steps are numbered and classed as they are added.

use std::collections::{BTreeMap, BTreeSet};

use super::{addresses, before, release, unseen};
use crate::config::{BackupSettings, DatabaseChoice, EnvironmentSettings, HealthSettings};
use crate::domain::{
    DatabaseTarget, EnvironmentName, HealthTarget, HookMoment, ImageReference, Release, ReleaseTag,
    ServiceName, ServiceSpec, StackRef, StepId, Verb,
};
use crate::plan::pairing::{PromotedService, promoted_services};
use crate::plan::{
    Action, Before, Finding, ImageSource, ObservedEnvironment, PLAN_FORMAT, Plan, PlanInput, PlannedRelease,
    PullTarget, Refusal, Stage, StageKind, Step, StepClass,
};

/// What all operations need to know, and the stages so far.
pub(super) struct Draft<'a> {
    pub(super) input: &'a PlanInput<'a>,
    pub(super) environment: &'a EnvironmentSettings,
    pub(super) target: &'a ObservedEnvironment,
    pub(super) stack: StackRef,
    pub(super) promoted: Vec<PromotedService<'a>>,
    pub(super) before: Before,
    pub(super) from: Option<EnvironmentName>,
    pub(super) release: Option<PlannedRelease>,
    retires: Vec<ReleaseTag>,
    pub(super) keep_failed: bool,
    stages: Vec<Stage>,
    steps: usize,
}

impl<'a> Draft<'a> {
    pub(super) fn new(input: &'a PlanInput<'a>) -> Result<Self, Refusal> {
        let name = &input.request.environment;
        let environment = input.environment().ok_or_else(|| unseen(&format!("environment {name}")))?;
        let target = input.target().ok_or_else(|| unseen(&format!("environment {name}")))?;
        let promoted = promoted_services(input);
        let stack = target.render.stack.clone();
        Ok(Self {
            input,
            environment,
            target,
            stack,
            before: Before::default(),
            promoted,
            from: None,
            release: None,
            retires: Vec::new(),
            keep_failed: false,
            stages: Vec::new(),
            steps: 0,
        })
    }

    /// Adds a stage; one without steps is left out.
    pub(super) fn stage(&mut self, kind: StageKind, class: StepClass, steps: Vec<(String, Action)>) {
        if steps.is_empty() {
            return;
        }
        let numbered =
            steps.into_iter().map(|(title, action)| Step { id: self.next_id(), title, class, action });
        let steps = numbered.collect();
        self.stages.push(Stage { kind, steps });
    }

    fn next_id(&mut self) -> StepId {
        self.steps += 1;
        StepId::numbered(self.steps)
    }

    /// The id that the next added step will have, for outputs that later steps refer to.
    pub(super) fn upcoming_id(&self) -> StepId {
        StepId::numbered(self.steps + 1)
    }

    /// The services that the swap starts or replaces: all of them where the environment is not protected or nothing
    /// runs; else the promoted ones, and those that have no container.
    pub(super) fn swapped(&self) -> Vec<ServiceName> {
        let all = self.target.render.services.keys();
        let whole = !self.environment.protected || self.target.containers.is_empty();
        let promoted = |service: &&ServiceName| self.promoted.iter().any(|p| p.service == *service);
        let absent = |service: &&ServiceName| self.target.containers_of(service).next().is_none();
        all.filter(|service| whole || promoted(service) || absent(service)).cloned().collect()
    }

    /// Keeps what runs from being lost: how its containers are made, and its images by tags of their own.
    pub(super) fn pin(&mut self) -> Result<(), Refusal> {
        let services = self.swapped();
        self.before = before::look(self.input, self.target, &self.promoted, &services)?;
        let mut steps = vec![(
            "save how the containers are made".to_owned(),
            Action::Snapshot { stack: self.stack.clone(), services, file: self.snapshot_file() },
        )];
        if let Some(release) = &self.before.release {
            steps.extend(self.pins(release)?);
        }
        self.stage(StageKind::Pin, StepClass::Compensable, steps);
        Ok(())
    }

    /// Tags of a release's own on its images, where they are missing.
    pub(super) fn pins(&self, release: &Release) -> Result<Vec<(String, Action)>, Refusal> {
        let mut steps = Vec::new();
        for image in release.images.values() {
            let reference =
                image.pin(&release.tag).map_err(|e| super::unusable("an image can't be kept", &e))?;
            let there = self.input.observed.references.get(&reference);
            let added = steps
                .iter()
                .any(|(_, action)| matches!(action, Action::Tag { reference: r, .. } if r == &reference));
            if !added && there.is_none_or(|found| !found.is_same(&image.identity)) {
                steps.push(self.tag(reference, ImageSource::Known(image.identity.clone())));
            }
        }
        Ok(steps)
    }

    /// A step that moves a reference.
    pub(super) fn tag(&self, reference: ImageReference, to: ImageSource) -> (String, Action) {
        let prior = self.input.observed.references.get(&reference).map(|image| image.id.clone());
        (format!("tag {reference}"), Action::Tag { reference, to, prior })
    }

    /// Pulls images; of services with the same image, the first by name.
    pub(super) fn pull(&mut self, mut targets: BTreeMap<ServiceName, PullTarget>) {
        let mut seen = BTreeSet::new();
        targets.retain(|_, target| seen.insert(target.source.to_string()));
        if targets.is_empty() {
            return;
        }
        let names = targets.values().map(|target| target.source.to_string()).collect::<Vec<_>>().join(", ");
        let action = Action::Pull { stack: self.stack.clone(), targets };
        self.stage(StageKind::Pull, StepClass::Compensable, vec![(format!("pull {names}"), action)]);
    }

    pub(super) fn snapshot_file(&self) -> std::path::PathBuf {
        self.input.settings.state_dir.join("snapshots").join(format!("{}.json", self.input.operation))
    }

    /// Backs up what there is to back up: all of it before anything that is seen changes.
    pub(super) fn backup(&mut self) {
        let backups = super::backups_in_question(self.input).into_iter().map(|(database, file)| {
            let title = format!("back up {database}");
            (title, Action::Backup { stack: self.stack.clone(), database, file })
        });
        let steps = backups.collect();
        self.stage(StageKind::Backup, StepClass::Compensable, steps);
    }

    /// Replaces containers, waits for health, and commits.
    pub(super) fn swap_and_commit(&mut self, release: PlannedRelease) {
        let services = self.swapped();
        let names = services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ");
        let expect = self.promoted.iter().filter_map(|p| {
            let image = release.images.get(p.service)?;
            Some((p.service.clone(), image.image.clone()))
        });
        let health = Action::AwaitHealth {
            stack: self.stack.clone(),
            targets: services.iter().filter_map(|service| self.health_target(service)).collect(),
            expect: expect.collect(),
            settings: self.health_settings(),
        };
        self.hooks(HookMoment::BeforeSwap, &release);
        let swap = Action::Swap { stack: self.stack.clone(), services, snapshot: self.snapshot_file() };
        self.stage(StageKind::Swap, StepClass::Compensable, vec![(format!("start {names}"), swap)]);
        self.stage(
            StageKind::Health,
            StepClass::Compensable,
            vec![("wait until healthy".to_owned(), health)],
        );
        self.hooks(HookMoment::AfterSwap, &release);
        let commit = Action::Commit { release: release.clone() };
        self.stage(StageKind::Commit, StepClass::Pivot, vec![(format!("commit {}", release.tag), commit)]);
        self.release = Some(release);
    }

    /// Where nothing ran before there is no outage to cut short, and databases set themselves up first.
    fn health_settings(&self) -> HealthSettings {
        let settings = self.input.settings.health;
        let patience = if self.target.containers.is_empty() { settings.timeout } else { settings.patience };
        HealthSettings { patience, ..settings }
    }

    pub(super) fn health_target(&self, service: &ServiceName) -> Option<HealthTarget> {
        let spec = self.target.render.services.get(service)?;
        let promoted = self.promoted.iter().any(|p| p.service == service);
        Some(health_target(self.input, self.target, service, spec, promoted))
    }

    /// After the commit: what this operation needed, and releases that are too old to be kept.
    pub(super) fn retire(&mut self, mut references: Vec<ImageReference>) {
        let before = self.before.release.as_ref().map(|release| &release.tag);
        let next = self.release.as_ref().map(|release| &release.tag);
        let expired = next.map(|next| release::expired(self.input, before, next)).unwrap_or_default();
        let ours: Vec<_> = self.promoted.iter().map(|p| p.reference).collect();
        let pins = expired.iter().flat_map(|release| release::pins(release, &ours));
        references.extend(pins.filter(|pin| self.input.observed.references.contains_key(pin)));
        self.retires = expired.iter().map(|release| release.tag.clone()).collect();
        references.sort();
        references.dedup();
        let mut steps: Vec<(String, Action)> = references
            .into_iter()
            .map(|reference| (format!("remove the tag {reference}"), Action::Untag { reference }))
            .collect();
        steps.push((
            "remove the saved configuration".to_owned(),
            Action::DiscardSnapshot { file: self.snapshot_file() },
        ));
        self.stage(StageKind::Retire, StepClass::Retryable, steps);
    }

    pub(super) fn finish(self, notes: Vec<Finding>) -> Plan {
        Plan {
            format: PLAN_FORMAT,
            operation: self.input.operation.clone(),
            request: self.input.request.clone(),
            created_at: self.input.now,
            addresses: addresses::find(self.input, self.target, &self.promoted),
            stack: Some(self.stack),
            from: self.from,
            release: self.release,
            retires: self.retires,
            before: self.before,
            confirm: self.environment.protected && needs_question(&self.input.request.verb),
            keep_failed: self.keep_failed,
            notes,
            stages: self.stages,
        }
    }
}

/// A plain `deploy` and a fetch ask nothing, as the documented script.
fn needs_question(verb: &Verb) -> bool {
    matches!(verb, Verb::Promote | Verb::Rollback { .. })
}

/// Where a backup goes, under the documented name; where databases are listed, each with what names it. What a command
/// writes is no SQL for certain: the name says by itself what it is.
pub(super) fn backup_file(input: &PlanInput<'_>, database: &DatabaseTarget) -> std::path::PathBuf {
    let BackupSettings { dir, database: choice } = &input.settings.backup;
    let name = match (database, choice) {
        (DatabaseTarget::Command(command), _) => format!("-{}", command.name),
        (database, DatabaseChoice::Listed(_)) => format!("-{}.sql", database.label()),
        _ => ".sql".to_owned(),
    };
    dir.join(format!("backup-{}{name}", input.now.strftime("%Y%m%d-%H%M%S")))
}

/// What to look at for one service.
pub(super) fn health_target(
    input: &PlanInput<'_>,
    environment: &ObservedEnvironment,
    service: &ServiceName,
    spec: &ServiceSpec,
    promoted: bool,
) -> HealthTarget {
    let settings = input.settings.services.get(service);
    let awaited_to_end = environment.render.services.values().any(|other| {
        other.depends_on.get(service).is_some_and(|condition| condition == "service_completed_successfully")
    });
    HealthTarget {
        service: service.clone(),
        display: input.settings.display_name(service),
        promoted,
        job: awaited_to_end || spec.restart.as_deref() == Some("no"),
        ports: spec.ports.iter().filter(|port| port.published.is_some()).cloned().collect(),
        path: settings.and_then(|s| s.health_path.clone()),
        replicas: spec.replicas,
    }
}
