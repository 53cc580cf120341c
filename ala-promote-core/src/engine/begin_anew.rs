//! Beginning anew after the loss of a ledger.

use super::EngineError;
use super::engine::Inner;
use super::locking::taken;
use crate::backend::{Acquired, LockHolder, LockScope};
use crate::domain::{OperationId, ProjectName, Verb};
use crate::ledger::{Body, GivenUp};
use crate::plan::ledger_loss;

impl Inner {
    /// First all that is given up is looked at, then it is recorded, and only then are locks and note taken over: killed
    /// in between, the same call does the rest.
    pub(super) async fn begin_anew(&self) -> Result<GivenUp, EngineError> {
        let witnessed = self.backend.witness().read(&self.settings.ledger_home()).await?;
        let ours = self.head_by_now()?;
        let lost = witnessed.filter(|w| ledger_loss(&self.settings, &ours, Some(w)).is_some());
        let mut half_done = Vec::new();
        for project in self.projects().await? {
            let dead = self.dead_elsewhere(&project, lost.is_some()).await?;
            half_done.extend(dead.map(|holder| (project, holder)));
        }
        let holders = half_done.iter().map(|(_, holder)| holder.clone()).collect();
        let given_up = GivenUp { ledger: lost, half_done: holders };
        if given_up.is_nothing() {
            return Ok(given_up);
        }
        let body = Body::BegunAnew { given_up: given_up.clone(), actor: self.actor.clone() };
        self.write(&body)?;
        for (project, holder) in half_done {
            self.take_away(&project, &holder).await?;
        }
        // A later note of this very ledger would stay, where it was cut or put back from a copy.
        self.backend.witness().forget(&self.settings.ledger_home()).await?;
        self.witness().await?;
        Ok(given_up)
    }

    async fn projects(&self) -> Result<Vec<ProjectName>, EngineError> {
        let mut projects = Vec::new();
        for name in self.settings.environments.keys() {
            projects.push(self.backend.stacks().resolve(&self.settings, name).await?.project);
        }
        Ok(projects)
    }

    /// Who died with this project's lock, if its records are in another ledger, or in the part of ours that was lost. A
    /// free lock is given back at once.
    async fn dead_elsewhere(
        &self,
        project: &ProjectName,
        is_lost: bool,
    ) -> Result<Option<LockHolder>, EngineError> {
        match self.ask(project, None).await? {
            Acquired::Busy { holder: Some(dead), alive: false } => {
                let is_other = dead.ledger != self.own_head().ledger;
                let view = self.refreshed_view(false)?;
                let is_known = view.history.iter().any(|e| e.operation.as_ref() == Some(&dead.operation));
                Ok((is_other || (is_lost && !is_known)).then_some(dead))
            }
            other => {
                self.give_back(taken(other)?).await;
                Ok(None)
            }
        }
    }

    async fn take_away(&self, project: &ProjectName, dead: &LockHolder) -> Result<(), EngineError> {
        let guard = taken(self.ask(project, Some(&dead.operation)).await?)?;
        self.give_back(guard).await;
        Ok(())
    }

    async fn ask(
        &self,
        project: &ProjectName,
        take_over: Option<&OperationId>,
    ) -> Result<Acquired, EngineError> {
        let now = self.clock.now();
        let operation = OperationId::generate(&Verb::Rollback { to: None }, now, self.salt(now));
        let holder = self.holder(&operation, "begin a new record".to_owned());
        let scope = LockScope {
            project: Some(project.clone()),
            tree: None,
            state_dir: self.settings.state_dir.clone(),
        };
        Ok(self.backend.lock().acquire(&scope, &holder, take_over).await?)
    }
}
