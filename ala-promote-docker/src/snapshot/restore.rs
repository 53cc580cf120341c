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

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{ProjectName, ServiceName};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Snapshots;
use super::file::Snapshot;
use super::recreate::ImageToUse;
use super::saved::Saved;

/// How often it is begun again when something changed under it: what a killed Compose had asked the engine for is
/// still done after its death.
const TRIES: usize = 4;
/// Pause before that.
const TRY_AGAIN: Duration = Duration::from_millis(700);

/// One restore.
pub(super) struct Restore<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) project: &'a ProjectName,
    pub(super) call: &'a Call,
}

/// A saved container and the one that is, or will be, in its place.
pub(super) struct Place<'a> {
    pub(super) saved: Saved<'a>,
    /// The id of that one; `None` until it is made.
    pub(super) id: Option<String>,
    /// What to make it from, where it is missing.
    image: Option<ImageToUse>,
}

impl Restore<'_> {
    /// Puts everything back, in a few tries at most.
    pub(super) async fn run(&self, snapshot: &Snapshot) -> BackendResult<()> {
        for _ in 1..TRIES {
            match self.attempt(snapshot).await {
                Err(error) if error.kind() == BackendErrorKind::Conflict => {
                    tracing::debug!(%error, "something changed under a restore");
                    sleep(TRY_AGAIN).await;
                }
                outcome => return outcome,
            }
        }
        self.attempt(snapshot).await
    }

    async fn attempt(&self, snapshot: &Snapshot) -> BackendResult<()> {
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

    /// Says that it is done only after looking.
    async fn verify(&self, services: &[ServiceName], places: &[Place<'_>]) -> BackendResult<()> {
        let present = self.present(services).await?;
        let what = || format!("put the containers of {} back", self.project);
        let failed = |detail: String| Err(BackendError::new(BackendErrorKind::Conflict, what(), detail));
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
            let is_unstarted = now.part("State").and_then(|s| s.get("Status")) == Some(&json!("created"));
            if place.saved.is_to_run() && is_unstarted {
                return failed(format!("{} was not started", now.name));
            }
            if place.saved.is_to_run() && now.is("Running") && self.is_being_stopped(now).await? {
                return failed(format!("{} is being stopped", now.name));
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
