//! Looks at all that a decision needs. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join_all, try_join, try_join_all};
use jiff::Timestamp;

use super::EngineError;
use crate::backend::{Backend, BackendError, BackendErrorKind, Room, Witnessed};
use crate::config::Settings;
use crate::domain::{
    DatabaseTarget, EnvironmentName, HealthTarget, ImageId, ImageIdentity, ImageReference, OperationId,
    Request, Secret, ServiceDatabase, ServiceHealth, StackRef, UrlDatabase, Verb,
};
use crate::ledger::LedgerView;
use crate::plan::{self, Finding, Observed, ObservedEnvironment, PlanInput};

/// What to look for.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) settings: &'a Settings,
    pub(super) backend: &'a dyn Backend,
    pub(super) view: &'a LedgerView,
    pub(super) ledger: &'a Witnessed,
    pub(super) request: &'a Request,
    pub(super) operation: &'a OperationId,
    pub(super) now: Timestamp,
}

impl<'a> Question<'a> {
    /// The question with what was seen so far: what the planner gets.
    pub(super) fn input(self, observed: &'a Observed) -> PlanInput<'a> {
        PlanInput {
            settings: self.settings,
            observed,
            view: self.view,
            ledger: self.ledger,
            request: self.request,
            operation: self.operation,
            now: self.now,
        }
    }
}

/// Looks, in as few rounds as what is asked depends on what was found.
pub(super) async fn observe(question: Question<'_>) -> Result<Observed, EngineError> {
    let mut observed = Observed { address: question.backend.probe().address(), ..Observed::default() };
    look_at_environments(question, &mut observed).await?;
    look_at_target(question, &mut observed).await?;
    observed.references =
        resolve_all(question, plan::references_in_question(&question.input(&observed))).await?;
    observed.images = find_all(question).await?;
    let wanted = plan::wanted_ports_of_target(&question.input(&observed));
    observed.port_holders = question.backend.stacks().port_holders(&wanted).await?;
    look_for_room(question, &mut observed).await?;
    let health = look_at_health(question, &observed).await?;
    if let Some(environment) = observed.environments.get_mut(&question.request.environment) {
        environment.health = health;
    }
    Ok(observed)
}

/// Renders every environment: one that can't be rendered can't be held against the one that changes. A rollback goes by
/// releases that are known, so that no other environment can hold it up.
async fn look_at_environments(question: Question<'_>, observed: &mut Observed) -> Result<(), EngineError> {
    let names = question.settings.environments.keys();
    let looks = join_all(names.map(async |name| (name, look_at(question, name).await))).await;
    let is_rollback = matches!(question.request.verb, Verb::Rollback { .. });
    for (name, look) in looks {
        match look {
            Ok(environment) => {
                let notes = environment.render.notes.iter();
                let finding = |note| Finding::note("compose", format!("{name}: {note}"));
                observed.notes.extend(notes.map(finding));
                observed.environments.insert(name.clone(), environment);
            }
            Err(error) if is_rollback && *name != question.request.environment => {
                observed.notes.push(not_compared(name, &error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    plan::stand_beside(question.settings, &mut observed.environments);
    Ok(())
}

async fn look_at(
    question: Question<'_>,
    name: &EnvironmentName,
) -> Result<ObservedEnvironment, BackendError> {
    let stacks = question.backend.stacks();
    let stack = stacks.resolve(question.settings, name).await?;
    let (render, containers) = try_join(stacks.render(&stack), stacks.containers(&stack.project)).await?;
    let urls = urls(question, &stack).await?;
    Ok(ObservedEnvironment { render, containers, health: Vec::new(), urls })
}

/// The URLs of databases outside of the stack, as far as this environment has them.
async fn urls(question: Question<'_>, stack: &StackRef) -> Result<BTreeMap<String, Secret>, BackendError> {
    let mut urls = BTreeMap::new();
    for UrlDatabase { url_env, .. } in question.settings.backup.database.outside() {
        if let Some(url) = question.backend.database().url(stack, url_env).await? {
            urls.insert(url_env.clone(), url);
        }
    }
    Ok(urls)
}

/// Space for all backups that will be taken: they go to one disk.
async fn look_for_room(question: Question<'_>, observed: &mut Observed) -> Result<(), EngineError> {
    let environment = observed.environments.get(&question.request.environment);
    let Some(stack) = environment.map(|environment| environment.render.stack.clone()) else { return Ok(()) };
    for (target, file) in plan::backups_in_question(&question.input(observed)) {
        match question.backend.database().room(&stack, &target, &file).await {
            Ok(room) => {
                let others = observed.room.map_or(0, |others| others.database_bytes);
                let database_bytes = room.database_bytes.saturating_add(others);
                observed.room = Some(Room { database_bytes, ..room });
            }
            // The engine itself is what does not answer.
            Err(error) if error.kind() == BackendErrorKind::Unavailable => return Err(error.into()),
            Err(error) => observed.notes.push(cannot_be_backed_up(&target, &error)),
        }
    }
    Ok(())
}

/// A database that can't even say how large it is will not be dumped either.
fn cannot_be_backed_up(target: &DatabaseTarget, error: &BackendError) -> Finding {
    let finding = match target {
        DatabaseTarget::Service(ServiceDatabase { service, .. }) => Finding::refuse(
            "database",
            format!("the database {service} does not answer, so it can't be backed up"),
        )
        .mend(format!("wait until it is up, or look why it is not: docker compose logs {service}")),
        target => Finding::refuse("database", format!("{target} can't be backed up")),
    };
    let finding = finding.seen(error.to_string());
    match error.hint() {
        Some(hint) => finding.mend(hint),
        None => finding,
    }
}

fn not_compared(name: &EnvironmentName, error: &BackendError) -> Finding {
    Finding::note("isolation", format!("{name} could not be rendered, so nothing was held against it"))
        .seen(error.to_string())
}

/// Databases, source and witness do not depend on each other.
async fn look_at_target(question: Question<'_>, observed: &mut Observed) -> Result<(), EngineError> {
    let Some(target) = observed.environments.get(&question.request.environment) else { return Ok(()) };
    let backend = question.backend;
    let dir = target.render.stack.dir.clone();
    observed.databases = backend.database().detect(&target.render, &target.containers).await?;
    if matches!(question.request.verb, Verb::Deploy { .. }) {
        observed.source = backend.source().state(&dir).await?;
    }
    observed.witnessed = backend.witness().read(&question.settings.ledger_home()).await?;
    Ok(())
}

async fn resolve_all(
    question: Question<'_>,
    references: Vec<ImageReference>,
) -> Result<BTreeMap<ImageReference, ImageIdentity>, EngineError> {
    let images = question.backend.images();
    let resolved = try_join_all(references.iter().map(|reference| images.resolve(reference))).await?;
    Ok(references
        .into_iter()
        .zip(resolved)
        .filter_map(|(reference, image)| Some((reference, image?)))
        .collect())
}

/// The images of all releases that an environment of the settings can be asked to run.
async fn find_all(question: Question<'_>) -> Result<BTreeMap<ImageId, ImageIdentity>, EngineError> {
    let lines = question.settings.environments.keys().filter_map(|name| question.view.environments.get(name));
    let releases = lines.flat_map(|e| &e.line).filter_map(|tag| question.view.releases.get(tag));
    let ids: BTreeSet<&ImageId> = releases.flat_map(|r| r.images.values()).map(|i| &i.identity.id).collect();
    let images = question.backend.images();
    let found = try_join_all(ids.into_iter().map(|id| images.find(id))).await?;
    Ok(found.into_iter().flatten().map(|image| (image.id.clone(), image)).collect())
}

async fn look_at_health(
    question: Question<'_>,
    observed: &Observed,
) -> Result<Vec<ServiceHealth>, EngineError> {
    let Some(target) = observed.environments.get(&question.request.environment) else {
        return Ok(Vec::new());
    };
    let runs = |t: &HealthTarget| target.containers_of(&t.service).next().is_some();
    let targets: Vec<_> = plan::health_targets(&question.input(observed)).into_iter().filter(runs).collect();
    Ok(question.backend.probe().look(&target.render.stack, &targets).await?)
}
