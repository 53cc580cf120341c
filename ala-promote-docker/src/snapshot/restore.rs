//! Putting saved containers back.
//!
//! Each part is an "ensure", so that all of it can be done again from the start after it was killed anywhere. In this
//! order, since what may fail comes before what can't be taken back:
//! 1. look: which saved containers are still there, or were made again by an earlier try (a label tells); whether
//!    images, volumes and networks of the missing ones are there;
//! 2. make the missing ones, beside those that run, under a name of their own where theirs is taken;
//! 3. stop and remove the containers that are not to be there, without their volumes;
//! 4. give names and networks, and start, in the order of dependencies;
//! 5. look again.

use std::collections::BTreeSet;
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call, ImageStore};
use ala_promote_core::domain::{ProjectName, ServiceName};
use bollard::query_parameters::{
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StartContainerOptions, StopContainerOptions,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Snapshots;
use super::file::Snapshot;
use super::recreate::{ImageToUse, create_body, endpoint, joins_networks};
use super::saved::Saved;
use crate::engine::in_path;
use crate::error::{engine_error, is_conflict, is_not_found};

/// Grace of a container that names none, in seconds.
const DEFAULT_GRACE_S: u64 = 10;
/// What a stop may take beyond the grace.
const STOP_MARGIN: Duration = Duration::from_secs(60);
/// How long a removal that somebody else began may take.
const REMOVAL: Duration = Duration::from_secs(60);
/// Pause between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One restore.
pub(super) struct Restore<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) project: &'a ProjectName,
    pub(super) call: &'a Call,
}

/// A saved container and the one that is, or will be, in its place.
struct Place<'a> {
    saved: Saved<'a>,
    /// The id of that one; `None` until it is made.
    id: Option<String>,
    /// What to make it from, where it is missing.
    image: Option<ImageToUse>,
}

impl Restore<'_> {
    pub(super) async fn run(&self, snapshot: &Snapshot) -> BackendResult<()> {
        let services: Vec<ServiceName> = snapshot.services.iter().map(|s| s.service.clone()).collect();
        let raw = self.present(&services).await?;
        let present = raw.iter().map(Saved::new).collect::<BackendResult<Vec<_>>>()?;
        let mut places = places(snapshot, &present)?;
        for place in places.iter_mut().filter(|place| place.id.is_none()) {
            place.image = Some(self.check_makeable(place.saved).await?);
            self.refuse_strangers_name(place.saved, &present).await?;
        }
        // These only hold names.
        for dead in present.iter().filter(|container| container.is_beyond_use()) {
            self.remove(*dead).await?;
        }
        for place in &mut places {
            if let Some(image) = place.image.take() {
                self.call.line(&format!("making {} again", place.saved.name));
                place.id = Some(self.create(place.saved, &image).await?);
            }
        }
        self.remove_intruders(&present, &places).await?;
        let order = in_order(&places.iter().map(|place| place.saved).collect::<Vec<_>>());
        for place in order.into_iter().filter_map(|index| places.get(index)) {
            self.settle(place).await?;
        }
        self.verify(&services, &places).await
    }

    /// Removes what is there and was not saved, dependents first.
    async fn remove_intruders(&self, present: &[Saved<'_>], places: &[Place<'_>]) -> BackendResult<()> {
        let kept: BTreeSet<&str> = places.iter().filter_map(|place| place.id.as_deref()).collect();
        for intruder in in_order(present).into_iter().rev().filter_map(|index| present.get(index)) {
            if !kept.contains(intruder.id) {
                self.call.line(&format!("removing {}", intruder.name));
                self.stop(*intruder).await?;
                self.remove(*intruder).await?;
            }
        }
        Ok(())
    }

    /// All containers of the services that are there now.
    async fn present(&self, services: &[ServiceName]) -> BackendResult<Vec<Value>> {
        let mut present = Vec::new();
        for (_, id) in self.snapshots.of_services(self.project, services).await? {
            present.extend(self.snapshots.inspect(&id).await?);
        }
        Ok(present)
    }

    /// Looks whether all that a container is made of is still there.
    async fn check_makeable(&self, saved: Saved<'_>) -> BackendResult<ImageToUse> {
        let missing = |thing: String, hint: &str| {
            let what = format!("make the container {} again", saved.name);
            BackendError::new(BackendErrorKind::NotFound, what, format!("{thing} is gone")).with_hint(hint)
        };
        let image = saved.image();
        let Some(inspect) = self.snapshots.images.inspect(image.as_str()).await? else {
            return Err(missing(
                format!("its image {}", image.short()),
                "load or build that image again, then run `ala-promote recover`",
            ));
        };
        for mount in saved.mounts() {
            match self.snapshots.engine.get_json(&format!("/volumes/{}", in_path(mount.volume))).await {
                Ok(_) => {}
                // An empty one would be made in its place, and nobody would know.
                Err(error) if is_not_found(&error) => {
                    return Err(missing(
                        format!("its volume {}", mount.volume),
                        "put its data back from a backup into a volume of that name, then run `ala-promote recover`",
                    ));
                }
                Err(error) => return Err(engine_error("look for a volume", error)),
            }
        }
        for (name, _) in saved.networks().filter(|_| joins_networks(saved)) {
            if self.network_id(name).await?.is_none() {
                return Err(missing(
                    format!("its network {name}"),
                    "let Compose make it with `docker compose up --no-start`, then run `ala-promote recover`",
                ));
            }
        }
        let entrypoint = inspect.config.and_then(|config| config.entrypoint).unwrap_or_default();
        let reference = self.current_reference(saved).await?;
        Ok(ImageToUse {
            is_by_id: reference.is_none(),
            name: reference.unwrap_or_else(|| image.as_str().to_owned()),
            has_entrypoint: !entrypoint.is_empty(),
        })
    }

    /// The reference that the container was made with, where that names its image at this moment.
    async fn current_reference(&self, saved: Saved<'_>) -> BackendResult<Option<String>> {
        let Some(reference) = saved.image_reference() else { return Ok(None) };
        let Ok(parsed) = reference.parse() else { return Ok(None) };
        let names = self.snapshots.images.resolve(&parsed).await?;
        Ok(names.filter(|image| image.id == saved.image()).map(|_| reference.to_owned()))
    }

    /// A container of somebody else under our name would stop us half-way.
    async fn refuse_strangers_name(&self, saved: Saved<'_>, present: &[Saved<'_>]) -> BackendResult<()> {
        let Some(holder) = self.snapshots.inspect(saved.name).await? else { return Ok(()) };
        let holder = Saved::new(&holder)?;
        let is_ours = present.iter().any(|container| container.id == holder.id);
        // The engine also answers to the beginning of an id.
        if is_ours || holder.name != saved.name {
            return Ok(());
        }
        Err(BackendError::new(
            BackendErrorKind::Conflict,
            format!("make the container {} again", saved.name),
            "a container that is not of this stack has that name",
        )
        .with_hint(format!("rename it with `docker rename {} NEW-NAME`", saved.name)))
    }

    async fn create(&self, saved: Saved<'_>, image: &ImageToUse) -> BackendResult<String> {
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

    async fn stop(&self, container: Saved<'_>) -> BackendResult<()> {
        if container.is_beyond_use() {
            return Ok(());
        }
        let grace =
            container.part("Config").and_then(|config| config.get("StopTimeout")).and_then(Value::as_u64);
        let limit = Duration::from_secs(grace.unwrap_or(DEFAULT_GRACE_S)) + STOP_MARGIN;
        let docker = self.snapshots.engine.patient(limit);
        // Without a time of ours the engine takes the container's own.
        match docker.stop_container(container.id, None::<StopContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(engine_error(format!("stop the container {}", container.name), error)),
        }
    }

    async fn remove(&self, container: Saved<'_>) -> BackendResult<()> {
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
    async fn settle(&self, place: &Place<'_>) -> BackendResult<()> {
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
        if now.is("Running") {
            return Ok(());
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

    async fn network_id(&self, name: &str) -> BackendResult<Option<String>> {
        match self.snapshots.engine.get_json(&format!("/networks/{}", in_path(name))).await {
            Ok(network) => Ok(network.get("Id").and_then(Value::as_str).map(str::to_owned)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(engine_error(format!("look for the network {name}"), error)),
        }
    }

    /// Says that it is done only after looking.
    async fn verify(&self, services: &[ServiceName], places: &[Place<'_>]) -> BackendResult<()> {
        let present = self.present(services).await?;
        let what = || format!("put the containers of {} back", self.project);
        let failed = |detail: String| Err(BackendError::new(BackendErrorKind::Failed, what(), detail));
        if present.len() != places.len() {
            return failed(format!("{} containers were saved, {} are there", places.len(), present.len()));
        }
        for raw in &present {
            let now = Saved::new(raw)?;
            let Some(place) = places.iter().find(|place| place.id.as_deref() == Some(now.id)) else {
                return failed(format!("{} is there and was not saved", now.name));
            };
            if now.name != place.saved.name || now.image() != place.saved.image() {
                return failed(format!("{} is not what was saved as {}", now.name, place.saved.name));
            }
            // A job may have ended by now; what ended with an error is for the health check to tell.
            if place.saved.is_to_run()
                && now.part("State").and_then(|s| s.get("Status")) == Some(&json!("created"))
            {
                return failed(format!("{} was not started", now.name));
            }
        }
        Ok(())
    }
}

/// Finds for each saved container the one in its place: itself, else one that was made again from it.
fn places<'a>(snapshot: &'a Snapshot, present: &[Saved<'_>]) -> BackendResult<Vec<Place<'a>>> {
    let usable = || present.iter().filter(|container| !container.is_beyond_use());
    let containers = snapshot.services.iter().flat_map(|service| service.containers.iter());
    containers
        .map(|raw| {
            let saved = Saved::new(raw)?;
            let itself = usable().find(|container| container.id == saved.id);
            let stand_in = || usable().find(|container| container.is_made_from(saved));
            let id = itself.or_else(stand_in).map(|container| container.id.to_owned());
            Ok(Place { saved, id, image: None })
        })
        .collect()
}

/// Indices in the order of dependencies: those that others wait for come first; else as they are.
fn in_order(containers: &[Saved<'_>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = (0..containers.len()).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    let depends = |one: usize, other: usize| match (containers.get(one), containers.get(other)) {
        (Some(one), Some(other)) => {
            one.service() != other.service() && one.depends_on().contains(&other.service())
        }
        _ => false,
    };
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|one| !waiting.iter().any(|other| depends(*one, *other)));
        // Compose refuses circles; one that is there all the same must not keep us.
        ordered.push(waiting.remove(ready.unwrap_or_default()));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_started_first() {
        let raw: Vec<Value> = [
            ("web", "api:service_started:true"),
            ("db", ""),
            ("api", "db:service_healthy:false"),
        ]
        .iter()
        .map(|(service, depends_on)| {
            json!({"Id": service, "Name": format!("/{service}"), "Image": "sha256:1", "Config": {"Labels":
                    {"com.docker.compose.service": service, "com.docker.compose.depends_on": depends_on}}})
        })
        .collect();
        let containers: Vec<Saved<'_>> = raw.iter().map(|raw| Saved::new(raw).unwrap()).collect();
        assert_eq!(in_order(&containers), [1, 2, 0]);
    }
}
