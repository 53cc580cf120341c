//! Snapshots of how containers are made.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ala_promote_core::backend::Call;
use ala_promote_core::domain::ServiceName;

use super::Fixture;
use super::case::{CaseResult, Miss, hold, same};
use super::images::named;
use super::stacks::{change, containers};

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

/// Ensures that the file is gone.
pub async fn discard_succeeds_again(f: &Fixture) -> CaseResult {
    let file = save(f).await?;
    f.backend.stacks().discard_snapshot(&file).await?;
    hold(!file.exists(), "the snapshot is still there")?;
    Ok(f.backend.stacks().discard_snapshot(&file).await?)
}
