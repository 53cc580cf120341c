//! What a restore does to containers, a piece at a time; each piece is an "ensure".

use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use bollard::query_parameters::{
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StartContainerOptions, StopContainerOptions,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::recreate::{ImageToUse, create_body, endpoint, joins_networks};
use super::restore::{Place, Restore};
use super::saved::Saved;
use crate::engine::in_path;
use crate::error::{engine_error, is_conflict, is_not_found};

/// What a stop may take beyond the grace.
const STOP_MARGIN: Duration = Duration::from_secs(60);
/// How long a removal that somebody else began may take.
const REMOVAL: Duration = Duration::from_secs(60);
/// Pause between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Restore<'_> {
    /// Makes a saved container, beside the one that has its name now, if one has.
    pub(super) async fn create(&self, saved: Saved<'_>, image: &ImageToUse) -> BackendResult<String> {
        let body = create_body(saved, image, self.snapshots.engine.api);
        let beside = format!("ala-promote-{}", saved.short_id());
        let what = format!("make the container {} again", saved.name);
        let mut made = self.post_create(saved.name, &body).await;
        if made.as_ref().is_err_and(is_conflict) {
            made = self.post_create(&beside, &body).await;
        }
        if made.as_ref().is_err_and(is_conflict) {
            // A try that was killed had asked for it, and the engine did it after we had looked.
            for name in [&beside, saved.name] {
                made = match self.snapshots.inspect(name).await? {
                    Some(raw) if Saved::new(&raw)?.is_made_from(saved) => Ok(raw),
                    _ => continue,
                };
            }
        }
        let made = made.map_err(|error| engine_error(&what, error))?;
        let id = made.get("Id").and_then(Value::as_str).map(str::to_owned);
        id.ok_or_else(|| BackendError::new(BackendErrorKind::Failed, what, "the engine's answer has no id"))
    }

    async fn post_create(&self, name: &str, body: &Value) -> Result<Value, bollard::errors::Error> {
        self.snapshots.engine.post_json(&format!("/containers/create?name={name}"), body).await
    }

    /// Stops a container with the grace that it asks for.
    pub(super) async fn stop(&self, container: Saved<'_>) -> BackendResult<()> {
        if container.is_beyond_use() {
            return Ok(());
        }
        let docker = self.snapshots.engine.patient(container.grace() + STOP_MARGIN);
        // Without a time of ours the engine takes the container's own.
        match docker.stop_container(container.id, None::<StopContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(engine_error(format!("stop the container {}", container.name), error)),
        }
    }

    /// Removes a container, and none of its volumes.
    pub(super) async fn remove(&self, container: Saved<'_>) -> BackendResult<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(false).build();
        match self.snapshots.engine.docker().remove_container(container.id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            // Somebody else is at it.
            Err(error) if is_conflict(&error) => self.wait_until_gone(container).await,
            Err(error) => Err(engine_error(format!("remove the container {}", container.name), error)),
        }
    }

    async fn wait_until_gone(&self, container: Saved<'_>) -> BackendResult<()> {
        let deadline = Instant::now() + REMOVAL;
        while self.snapshots.inspect(container.id).await?.is_some() {
            if Instant::now() >= deadline {
                return Err(BackendError::new(
                    BackendErrorKind::TimedOut,
                    format!("remove the container {}", container.name),
                    format!("its removal is in progress, and not done after {} s", REMOVAL.as_secs()),
                ));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Name, networks, running: what is so already is left alone.
    pub(super) async fn settle(&self, place: &Place<'_>) -> BackendResult<()> {
        let saved = place.saved;
        let what = format!("put the container {} back", saved.name);
        let gone = || BackendError::new(BackendErrorKind::Conflict, &what, "somebody removed it meanwhile");
        let id = place.id.as_deref().ok_or_else(gone)?;
        let raw = self.snapshots.inspect(id).await?.ok_or_else(gone)?;
        let now = Saved::new(&raw)?;
        let docker = self.snapshots.engine.docker();
        if now.name != saved.name {
            let options = RenameContainerOptionsBuilder::default().name(saved.name).build();
            docker.rename_container(id, options).await.map_err(|error| engine_error(&what, error))?;
        }
        if now.is("Paused") {
            docker.unpause_container(id).await.map_err(|error| engine_error(&what, error))?;
        }
        if now.is_to_run() && !saved.is_to_run() {
            // `up` starts also what it finds stopped and otherwise as it should be.
            self.call.line(&format!("stopping {}, which did not run", saved.name));
            self.stop(now).await?;
        } else if now.is("Running") {
            if !self.is_being_stopped(now).await? {
                return Ok(());
            }
            self.call.line(&format!("{} is being stopped: waiting for its end", saved.name));
            self.stop(now).await?;
        }
        self.ensure_networks(saved, now, &what).await?;
        if !saved.is_to_run() {
            return Ok(());
        }
        self.call.line(&format!("starting {}", saved.name));
        docker
            .start_container(id, None::<StartContainerOptions>)
            .await
            .map_err(|error| engine_error(format!("start the container {}", saved.name), error))
    }

    /// Attaches a container that does not run to the networks that it was attached to.
    async fn ensure_networks(&self, saved: Saved<'_>, now: Saved<'_>, what: &str) -> BackendResult<()> {
        if !joins_networks(saved) {
            return Ok(());
        }
        for (name, attached) in saved.networks() {
            let there = now.networks().find(|(other, _)| *other == name).map(|(_, endpoint)| endpoint);
            if let Some(there) = there {
                let of = there.get("NetworkID").and_then(Value::as_str).filter(|id| !id.is_empty());
                if of.is_none() || of.map(str::to_owned) == self.network_id(name).await? {
                    continue;
                }
                // The network was made anew under its name since.
                let request = json!({ "Container": now.id, "Force": true });
                self.post_network(name, "disconnect", &request, what).await?;
            }
            let request = json!({ "Container": now.id, "EndpointConfig": endpoint(saved, attached) });
            self.post_network(name, "connect", &request, what).await?;
        }
        Ok(())
    }

    async fn post_network(&self, name: &str, verb: &str, request: &Value, what: &str) -> BackendResult<()> {
        let path = format!("/networks/{}/{verb}", in_path(name));
        self.snapshots
            .engine
            .post_json(&path, request)
            .await
            .map(drop)
            .map_err(|error| engine_error(what, error))
    }

    /// The id of the network that has a name now.
    pub(super) async fn network_id(&self, name: &str) -> BackendResult<Option<String>> {
        match self.snapshots.engine.get_json(&format!("/networks/{}", in_path(name))).await {
            Ok(network) => Ok(network.get("Id").and_then(Value::as_str).map(str::to_owned)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(engine_error(format!("look for the network {name}"), error)),
        }
    }
}
