//! Snapshots of how containers are made.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ala_promote_core::backend::Call;
use ala_promote_core::domain::{PortMapping, ServiceName};

use super::case::{CaseResult, Miss, hold, same};
use super::dropped::dropped_after;
use super::images::named;
use super::stacks::{change, containers};
use super::{Accident, Fixture};

/// Saves the service, and one that has no container.
async fn save(f: &Fixture) -> Result<PathBuf, Miss> {
    let file = f.scratch.join("snapshot");
    let services: [ServiceName; 2] = [f.service.service.clone(), f.absent.clone()];
    f.backend.stacks().snapshot(&f.stack, &services, &file).await?;
    Ok(file)
}

async fn restore(f: &Fixture, file: &std::path::Path) -> CaseResult {
    Ok(f.backend.stacks().restore(&f.stack, file, &Call::silent()).await?)
}

/// Mode 0600, since it holds secrets.
pub async fn a_snapshot_is_for_its_owner_only(f: &Fixture) -> CaseResult {
    let mode = std::fs::metadata(save(f).await?)?.permissions().mode();
    same(&(mode & 0o777), &0o600, "the mode")
}

/// Replaces nothing: when the file exists and is complete, it is left alone.
pub async fn a_complete_snapshot_is_left_alone(f: &Fixture) -> CaseResult {
    let before = std::fs::read(save(f).await?)?;
    change(f).await?;
    hold(std::fs::read(save(f).await?)? == before, "the snapshot was replaced by what ran later")
}

/// A container that is still the saved one is not replaced.
pub async fn restore_of_what_is_so_changes_nothing(f: &Fixture) -> CaseResult {
    let before = containers(f, &f.service.service).await?;
    restore(f, &save(f).await?).await?;
    same(&containers(f, &f.service.service).await?, &before, "the containers")
}

/// The same image by id, whatever the reference names now.
pub async fn restore_brings_back_the_image_by_id(f: &Fixture) -> CaseResult {
    let before = named(f, &f.reference).await?.id;
    let file = save(f).await?;
    change(f).await?;
    restore(f, &file).await?;
    let now = containers(f, &f.service.service).await?;
    hold(!now.is_empty() && now.values().all(|id| *id == before), "it does not run the saved image")
}

/// The same configuration.
pub async fn restore_brings_back_the_configuration(f: &Fixture) -> CaseResult {
    let before = made(f).await?;
    let file = save(f).await?;
    f.happen(Accident::VariableChanges).await?;
    f.backend.stacks().up(&f.stack, std::slice::from_ref(&f.service.service), &Call::silent()).await?;
    hold(made(f).await? != before, "the fixture's configuration did not change")?;
    restore(f, &file).await?;
    same(&made(f).await?, &before, "how the container is made")
}

/// How the service's container is made, as far as it is told.
async fn made(f: &Fixture) -> Result<Vec<(String, Option<String>, Vec<PortMapping>)>, Miss> {
    let all = f.backend.stacks().containers(&f.stack.project).await?;
    let ours = all.into_iter().filter(|c| c.service == f.service.service);
    Ok(ours.map(|c| (c.name, c.config_hash, c.ports)).collect())
}

/// A container that is still the saved one is started if need be, not replaced.
pub async fn restore_starts_what_was_stopped(f: &Fixture) -> CaseResult {
    let before = containers(f, &f.service.service).await?;
    let file = save(f).await?;
    f.happen(Accident::ServiceStops).await?;
    same(&containers(f, &f.service.service).await?, &Default::default(), "what runs of a stopped service")?;
    restore(f, &file).await?;
    same(&containers(f, &f.service.service).await?, &before, "the containers")
}

/// May be called again.
pub async fn restore_again_changes_nothing(f: &Fixture) -> CaseResult {
    let file = save(f).await?;
    change(f).await?;
    restore(f, &file).await?;
    let before = containers(f, &f.service.service).await?;
    restore(f, &file).await?;
    same(&containers(f, &f.service.service).await?, &before, "the containers")
}

/// A service that was saved without containers has none afterwards.
pub async fn restore_removes_what_was_not(f: &Fixture) -> CaseResult {
    let file = save(f).await?;
    f.backend.stacks().up(&f.stack, std::slice::from_ref(&f.absent), &Call::silent()).await?;
    hold(!containers(f, &f.absent).await?.is_empty(), "the fixture's absent service can't be started")?;
    restore(f, &file).await?;
    let all = f.backend.stacks().containers(&f.stack.project).await?;
    hold(!all.iter().any(|c| c.service == f.absent), "a service that had no container has one")
}

/// Only the services of the snapshot.
pub async fn restore_leaves_other_services_alone(f: &Fixture) -> CaseResult {
    let before = containers(f, &f.bystander).await?;
    let file = save(f).await?;
    change(f).await?;
    restore(f, &file).await?;
    same(&containers(f, &f.bystander).await?, &before, "the bystander's containers")
}

/// May be called again after it was killed half-way: here its future is dropped after a number of polls.
pub async fn restore_after_it_was_dropped_settles_it(f: &Fixture) -> CaseResult {
    let before = named(f, &f.reference).await?.id;
    let file = save(f).await?;
    for polls in [1, 4, 16] {
        change(f).await?;
        f.backend.images().tag(&before, &f.reference).await?;
        let call = Call::silent();
        let ended = dropped_after(polls, f.backend.stacks().restore(&f.stack, &file, &call)).await;
        let was_dropped = ended.transpose()?.is_none();
        restore(f, &file).await?;
        let now = containers(f, &f.service.service).await?;
        let is_saved = now.len() == 1 && now.values().all(|id| *id == before);
        hold(is_saved, &format!("after it was dropped at poll {polls} there is {now:?}"))?;
        if !was_dropped {
            return Ok(());
        }
    }
    Ok(())
}

/// Ensures that the file is gone.
pub async fn discard_succeeds_again(f: &Fixture) -> CaseResult {
    let file = save(f).await?;
    f.backend.stacks().discard_snapshot(&file).await?;
    hold(!file.exists(), "the snapshot is still there")?;
    Ok(f.backend.stacks().discard_snapshot(&file).await?)
}
