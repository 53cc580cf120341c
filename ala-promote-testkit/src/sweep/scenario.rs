//! What is done, and on which host.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ala_promote_core::config::{
    Beside, DatabaseChoice, DatabaseSettings, HookSettings, HookedVerb, Place, ServiceSettings,
};
use ala_promote_core::domain::{Hook, HookMoment, Outcome, Verb};
use ala_promote_core::plan::StageKind;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::host::{Besides, request};
use super::{Ended, Host, SweepError};
use crate::faults::FaultPlan;
use crate::memory::{ImageBehaviour, MemoryBackend, SourceCommit};

type Prepare = Arc<dyn Fn() -> BoxFuture<'static, Result<Host, SweepError>> + Send + Sync>;

/// An operation, and a host on which it is run.
#[derive(Clone)]
pub struct Scenario {
    pub(super) name: &'static str,
    pub(super) environment: &'static str,
    pub(super) verb: Verb,
    prepare: Prepare,
    after_plan: Option<fn(&MemoryBackend)>,
    cancel_at: Option<StageKind>,
}

const DEPLOY: Verb = Verb::Deploy { build: true, keep_failed: false };

impl Scenario {
    /// `verb` on `environment`, on the host that `prepare` makes.
    #[must_use]
    pub fn new<F>(
        name: &'static str,
        environment: &'static str,
        verb: Verb,
        prepare: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Host, SweepError>> + Send + 'static,
    {
        let prepare: Prepare = Arc::new(move || prepare().boxed());
        Self { name, environment, verb, prepare, after_plan: None, cancel_at: None }
    }

    /// Lets something happen to the world between plan and run.
    #[must_use]
    pub fn after_plan(mut self, act: fn(&MemoryBackend)) -> Self {
        self.after_plan = Some(act);
        self
    }

    /// Lets somebody press Ctrl-C when a stage begins.
    #[must_use]
    pub fn cancelled_at(mut self, stage: StageKind) -> Self {
        self.cancel_at = Some(stage);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// All that are built in.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![
            Self::fetch(),
            Self::first_deploy(),
            Self::second_deploy(),
            Self::deploy_whose_build_fails(),
            Self::deploy_kept(),
            Self::adopt(),
            Self::promote(),
            Self::promote_that_fails(),
            Self::promote_with_hooks(),
            Self::promote_cancelled(),
            Self::promote_after_a_change(),
            Self::promote_of_databases(),
            Self::deploy_pulled(),
            Self::deploy_pulled_that_fails(),
            Self::deploy_pulled_beside(),
            Self::promote_pulled(),
            Self::rollback(),
        ]
    }

    /// The source is brought up to its upstream.
    #[must_use]
    pub fn fetch() -> Self {
        Self::new("fetch", "staging", Verb::Fetch, async || {
            let host = Host::new(MemoryBackend::ala_medical())?;
            host.by_hand(|world| world.push_upstream(SourceCommit::new("upstream")));
            Ok(host)
        })
    }

    /// Nothing runs yet.
    #[must_use]
    pub fn first_deploy() -> Self {
        Self::new("first-deploy", "staging", DEPLOY, async || {
            let host = Host::new(MemoryBackend::ala_medical())?;
            host.by_hand(|world| {
                world.act("staging never ran", |state| {
                    state.containers.retain(|_, c| c.stack.environment.as_str() != "staging");
                    state.references.retain(|reference, _| reference.tag() != "staging");
                })
            })?;
            Ok(host)
        })
    }

    /// A release after another one.
    #[must_use]
    pub fn second_deploy() -> Self {
        Self::new("second-deploy", "staging", DEPLOY, async || {
            let host = deployed(SourceCommit::new("second")).await?;
            host.by_hand(|world| world.commit(SourceCommit::new("third")));
            Ok(host)
        })
    }

    /// The source does not build.
    #[must_use]
    pub fn deploy_whose_build_fails() -> Self {
        Self::new("deploy-whose-build-fails", "staging", DEPLOY, async || {
            let host = deployed(SourceCommit::new("second")).await?;
            host.by_hand(|world| {
                world.commit(SourceCommit::new("broken").breaks_build("frontend", "no such file"))
            });
            Ok(host)
        })
    }

    /// A release that fails and is to be left running.
    #[must_use]
    pub fn deploy_kept() -> Self {
        let verb = Verb::Deploy { build: true, keep_failed: true };
        Self::new("deploy-kept", "staging", verb, async || {
            let host = deployed(SourceCommit::new("second")).await?;
            host.by_hand(|world| world.commit(unhealthy_in("bad", "staging")));
            Ok(host)
        })
    }

    /// The first promotion: production runs what we never touched, of images that nothing else names.
    #[must_use]
    pub fn adopt() -> Self {
        Self::new("adopt", "production", Verb::Promote, async || {
            let host = deployed(SourceCommit::new("second")).await?;
            host.by_hand(|world| {
                world.act("untag by hand", |state| {
                    state.references.retain(|reference, _| !reference.tag().starts_with("adopted-"));
                })
            })?;
            Ok(host)
        })
    }

    /// A promotion after another one.
    #[must_use]
    pub fn promote() -> Self {
        Self::new("promote", "production", Verb::Promote, async || {
            promotable(SourceCommit::new("third")).await
        })
    }

    /// A release that fails in production only.
    #[must_use]
    pub fn promote_that_fails() -> Self {
        Self::new("promote-that-fails", "production", Verb::Promote, async || {
            promotable(unhealthy_in("bad", "production")).await
        })
    }

    /// A release that fails in production, after hooks that can be taken back.
    #[must_use]
    pub fn promote_with_hooks() -> Self {
        Self::new("promote-with-hooks", "production", Verb::Promote, async || {
            let mut host = promotable(unhealthy_in("bad", "production")).await?;
            let mut settings = host.settings().clone();
            settings.hooks = vec![
                hook("migrate", HookMoment::BeforeSwap, Some("backend"), "schema")?,
                hook("warm", HookMoment::AfterSwap, None, "cache")?,
            ];
            host.set_settings(settings);
            Ok(host)
        })
    }

    /// Ctrl-C while the new release is being watched.
    #[must_use]
    pub fn promote_cancelled() -> Self {
        let promotable = async || promotable(SourceCommit::new("third")).await;
        Self::new("promote-cancelled", "production", Verb::Promote, promotable)
            .cancelled_at(StageKind::Health)
    }

    /// Somebody retags what production's containers are made from, after the plan was shown.
    #[must_use]
    pub fn promote_after_a_change() -> Self {
        let promotable = async || promotable(SourceCommit::new("third")).await;
        Self::new("promote-after-a-change", "production", Verb::Promote, promotable).after_plan(|world| {
            // Fails where there is no such image: then nothing changed, which shows.
            let _ = world.act("retag by hand", |state| {
                let (Ok(from), Ok(to)) = ("ala-api:staging".parse(), "ala-api:production".parse()) else {
                    return;
                };
                if let Some(id) = state.references.get(&from).cloned() {
                    state.references.insert(to, id);
                }
            });
        })
    }

    /// Production has two databases, and both are to be backed up.
    #[must_use]
    pub fn promote_of_databases() -> Self {
        Self::new("promote-of-databases", "production", Verb::Promote, async || {
            let mut host = promotable(SourceCommit::new("third")).await?;
            add_reports(&host)?;
            let listed = |service: &str| Ok::<_, SweepError>(DatabaseSettings::Service(service.parse()?));
            let mut settings = host.settings().clone();
            settings.backup.database = DatabaseChoice::Listed(vec![listed("db")?, listed("reports")?]);
            host.set_settings(settings);
            Ok(host)
        })
    }

    /// A release of images that were built elsewhere, after another one of such.
    #[must_use]
    pub fn deploy_pulled() -> Self {
        Self::new("deploy-pulled", "staging", DEPLOY, async || {
            let host = pulled().await?;
            push(&host, "third", ImageBehaviour::default())?;
            Ok(host)
        })
    }

    /// The same with images that fail.
    #[must_use]
    pub fn deploy_pulled_that_fails() -> Self {
        Self::new("deploy-pulled-that-fails", "staging", DEPLOY, async || {
            let host = pulled().await?;
            push(&host, "bad", ImageBehaviour::UnhealthyIn("staging".parse()?))?;
            Ok(host)
        })
    }

    /// A release of images that are pulled by the very names that production's have on the engine.
    #[must_use]
    pub fn deploy_pulled_beside() -> Self {
        Self::new("deploy-pulled-beside", "staging", DEPLOY, async || {
            let mut host = Host::new(MemoryBackend::ala_medical())?;
            let mut settings = host.settings().clone();
            for (service, _) in PULLED {
                let listed = ServiceSettings { promoted: Some(true), ..ServiceSettings::default() };
                settings.services.insert(service.parse()?, listed);
            }
            if let Some(staging) = settings.environments.get_mut("staging") {
                let image_suffix = Some("-staging".to_owned());
                staging.beside = Some(Beside { image_suffix, ..Beside::default() });
            }
            host.set_settings(settings);
            call_pulled(&host, |_| "latest")?;
            push(&host, "second", ImageBehaviour::default())?;
            committed(&host, "staging", DEPLOY).await?;
            committed(&host, "production", Verb::Promote).await?;
            push(&host, "third", ImageBehaviour::default())?;
            Ok(host)
        })
    }

    /// A promotion of images that were pulled and tested, and are gone from the engine, while their tags moved on.
    #[must_use]
    pub fn promote_pulled() -> Self {
        Self::new("promote-pulled", "production", Verb::Promote, async || {
            let host = pulled().await?;
            committed(&host, "production", Verb::Promote).await?;
            push(&host, "third", ImageBehaviour::default())?;
            committed(&host, "staging", DEPLOY).await?;
            push(&host, "fourth", ImageBehaviour::default())?;
            host.by_hand(|world| {
                world.act("docker compose down, docker image prune", |state| {
                    state.containers.retain(|_, c| c.stack.environment.as_str() == "production");
                    let used: Vec<_> = state.containers.values().map(|c| c.image.clone()).collect();
                    state.references.retain(|_, id| used.contains(id));
                    state.images.retain(|id, _| used.contains(id));
                })
            })?;
            Ok(host)
        })
    }

    /// Back to the release before.
    #[must_use]
    pub fn rollback() -> Self {
        Self::new("rollback", "production", Verb::Rollback { to: None }, async || {
            let host = deployed(SourceCommit::new("second")).await?;
            committed(&host, "production", Verb::Promote).await?;
            Ok(host)
        })
    }

    /// A host that is ready for it.
    ///
    /// # Errors
    /// When it can't be prepared.
    pub async fn prepare(&self) -> Result<Host, SweepError> {
        (self.prepare)().await
    }

    pub(super) fn besides(&self, faults: FaultPlan) -> Besides {
        Besides { faults, after_plan: self.after_plan, cancel_at: self.cancel_at }
    }

    /// What somebody does after the plan, in a case in which the process did not live until then.
    pub(super) fn change_by_hand(&self, host: &Host) {
        if let Some(act) = self.after_plan {
            host.by_hand(act);
        }
    }

    pub(super) fn is_changed_by_hand(&self) -> bool {
        self.after_plan.is_some()
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The document's stack, with a commit that runs in staging.
async fn deployed(commit: SourceCommit) -> Result<Host, SweepError> {
    let host = Host::new(MemoryBackend::ala_medical())?;
    host.by_hand(|world| world.insert_row("production", "db", "a patient"));
    host.by_hand(|world| world.commit(commit));
    committed(&host, "staging", DEPLOY).await?;
    Ok(host)
}

/// The same after one promotion, with another commit that runs in staging.
async fn promotable(commit: SourceCommit) -> Result<Host, SweepError> {
    let host = deployed(SourceCommit::new("second")).await?;
    committed(&host, "production", Verb::Promote).await?;
    host.by_hand(|world| world.commit(commit));
    committed(&host, "staging", DEPLOY).await?;
    Ok(host)
}

/// What is pulled, where anything is: a service's image, without its tag.
const PULLED: [(&str, &str); 3] = [
    ("backend", "registry.example.com/team/api"),
    ("worker", "registry.example.com/team/api"),
    ("frontend", "registry.example.com/team/web"),
];

/// The document's stack with images that are built elsewhere, of which a first one runs in staging.
async fn pulled() -> Result<Host, SweepError> {
    let host = Host::new(MemoryBackend::ala_medical())?;
    host.by_hand(|world| world.insert_row("production", "db", "a patient"));
    call_pulled(&host, |environment| environment)?;
    push(&host, "second", ImageBehaviour::default())?;
    committed(&host, "staging", DEPLOY).await?;
    Ok(host)
}

/// Gives what is pulled a tag in each environment.
fn call_pulled(host: &Host, tag: fn(&'static str) -> &'static str) -> Result<(), SweepError> {
    for environment in ["staging", "production"] {
        host.by_hand(|world| {
            world.edit(environment, |e| {
                for (service, image) in PULLED {
                    e.service(service).without_build().image(&format!("{image}:{}", tag(environment)));
                }
            })
        })?;
    }
    Ok(())
}

/// Somebody pushes a version of all that is pulled to staging.
pub(super) fn push(host: &Host, version: &str, behaviour: ImageBehaviour) -> Result<(), SweepError> {
    for (image, tag) in PULLED.iter().flat_map(|(_, image)| ["staging", "latest"].map(|tag| (image, tag))) {
        let pushed = host.by_hand(|world| {
            let digest = world.push(&format!("{image}:{tag}"), &format!("{image} {version}"))?;
            world.act("it behaves", |state| {
                state.registry.images.entry(digest).and_modify(|image| image.behaviour = behaviour.clone());
            })
        });
        pushed?;
    }
    Ok(())
}

/// Adds to production a second database, which runs.
fn add_reports(host: &Host) -> Result<(), SweepError> {
    host.by_hand(|world| {
        world.edit("production", |e| {
            e.service("reports").image("postgres:15").postgres("reports", "ala");
        })
    })?;
    let service = "reports".parse()?;
    host.by_hand(|world| {
        world.act("start the reports", |state| {
            let Some(mut reports) = state.containers.values().find(|c| c.name == "ala-db-1").cloned() else {
                return;
            };
            (reports.id, reports.name, reports.service) = ("reports".into(), "ala-reports-1".into(), service);
            reports.config.ports.clear();
            let key = (reports.project().clone(), reports.service.clone());
            state.databases.insert(key, vec!["a report".into()]);
            state.containers.insert(reports.id.clone(), reports);
        })
    })?;
    Ok(())
}

async fn committed(host: &Host, environment: &str, verb: Verb) -> Result<(), SweepError> {
    match host.operate(&request(environment, verb)?).await {
        Ended::Done(Ok(Outcome::Committed { warnings })) if warnings.is_empty() => Ok(()),
        other => Err(SweepError::new(format!("could not prepare the host: {other:?}"))),
    }
}

/// A hook of promotions that leaves a file, and whose undo removes it.
fn hook(name: &str, at: HookMoment, service: Option<&str>, file: &str) -> Result<HookSettings, SweepError> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let service = service.map(str::parse).transpose()?;
    Ok(HookSettings {
        hook: Hook {
            name: name.parse()?,
            service,
            command: words(&["touch", file]),
            undo: Some(words(&["rm", "-f", file])),
            timeout: Duration::from_secs(60),
        },
        environment: "production".parse()?,
        at,
        on: vec![HookedVerb::Promote],
        place: Place::Override("the scenario"),
    })
}

/// A commit that only one environment can show to be bad.
fn unhealthy_in(message: &str, environment: &str) -> SourceCommit {
    let commit = SourceCommit::new(message);
    match environment.parse() {
        Ok(environment) => commit.behaviour("backend", ImageBehaviour::UnhealthyIn(environment)),
        Err(_) => commit,
    }
}
