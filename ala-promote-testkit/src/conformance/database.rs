//! Databases and their backups.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ala_promote_core::backend::{BackendErrorKind, BackendResult, Call};
use ala_promote_core::domain::{BackupManifest, DatabaseTarget, OperationId, ServiceDatabase};
use sha2::{Digest, Sha256};

use super::case::{CaseResult, Miss, hold, refused, same, some};
use super::dropped::dropped_after;
use super::{Accident, Fixture};

async fn found(f: &Fixture) -> Result<ServiceDatabase, Miss> {
    let service = some(f.database.as_ref(), "the fixture's database")?;
    let render = f.backend.stacks().render(&f.stack).await?;
    let containers = f.backend.stacks().containers(&f.stack.project).await?;
    let found = f.backend.database().detect(&render, &containers).await?;
    some(found.into_iter().find(|target| target.service == *service), "the database")
}

async fn target(f: &Fixture) -> Result<DatabaseTarget, Miss> {
    found(f).await.map(DatabaseTarget::Service)
}

async fn dump(
    f: &Fixture,
    operation: &str,
    file: &Path,
    call: &Call,
) -> Result<BackendResult<BackupManifest>, Miss> {
    let (target, operation) = (target(f).await?, OperationId::new(operation)?);
    Ok(f.backend.database().dump(&f.stack, &target, &operation, file, call).await)
}

/// A key that the env file does not set has no URL; that is no error.
pub async fn a_key_that_is_not_set_has_no_url(f: &Fixture) -> CaseResult {
    let url = f.backend.database().url(&f.stack, "NO_SUCH_KEY_OF_CONFORMANCE").await?;
    hold(url.is_none(), "a key that is not set has a URL")
}

/// Databases are found by their image, and whether they run; nothing else is one.
pub async fn the_database_is_detected(f: &Fixture) -> CaseResult {
    hold(found(f).await?.running, "a running database is said not to run")?;
    let mut render = f.backend.stacks().render(&f.stack).await?;
    render.services.retain(|service, _| Some(service) != f.database.as_ref());
    let mut others = f.backend.stacks().containers(&f.stack.project).await?;
    others.retain(|container| Some(&container.service) != f.database.as_ref());
    same(&f.backend.database().detect(&render, &others).await?, &Vec::new(), "databases among the others")
}

/// Free space and the database's size can be asked for, before there is any file or folder.
pub async fn there_is_room_to_ask_for(f: &Fixture) -> CaseResult {
    let room =
        f.backend.database().room(&f.stack, &target(f).await?, &f.scratch.join("backups/backup.sql")).await?;
    hold(room.free_bytes > 0 && room.database_bytes > 0, "there is no space, or no database")
}

/// A backup is complete, private, and as its manifest says; the manifest stands beside it.
pub async fn a_dump_is_what_its_manifest_says(f: &Fixture) -> CaseResult {
    let file = f.scratch.join("backup.sql");
    let manifest = dump(f, "conformance-1", &file, &Call::silent()).await??;
    let bytes = std::fs::read(&file)?;
    same(&manifest.bytes, &u64::try_from(bytes.len()).unwrap_or(u64::MAX), "its size")?;
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    same(&manifest.sha256, &sha256, "its SHA-256")?;
    same(&manifest.file, &file, "its file")?;
    let beside = f.scratch.join("backup.sql.manifest.json");
    for file in [&file, &beside] {
        let mode = std::fs::metadata(file)?.permissions().mode() & 0o777;
        same(&mode, &0o600, &format!("the mode of {}", file.display()))?;
    }
    let beside: BackupManifest =
        serde_json::from_slice(&std::fs::read(beside)?).map_err(std::io::Error::from)?;
    same(&beside, &manifest, "the manifest beside it")
}

/// The folder of a backup need not be there before.
pub async fn a_dump_makes_its_folder(f: &Fixture) -> CaseResult {
    let file = f.scratch.join("backups/backup.sql");
    dump(f, "conformance-1", &file, &Call::silent()).await??;
    hold(file.exists(), "there is no backup")
}

/// A complete backup that this very operation made is returned; another operation's is a conflict.
pub async fn a_dump_is_given_again_to_its_own_operation_only(f: &Fixture) -> CaseResult {
    let file = f.scratch.join("backup.sql");
    let manifest = dump(f, "conformance-1", &file, &Call::silent()).await??;
    let again = dump(f, "conformance-1", &file, &Call::silent()).await??;
    same(&again, &manifest, "the same operation's backup")?;
    let other = dump(f, "conformance-2", &file, &Call::silent()).await?;
    hold(other.is_err(), "another operation was given a backup that it did not make")
}

/// An existing file is never overwritten.
pub async fn a_file_that_is_there_is_never_overwritten(f: &Fixture) -> CaseResult {
    let file = f.scratch.join("backup.sql");
    std::fs::write(&file, "precious")?;
    let dumped = dump(f, "conformance-1", &file, &Call::silent()).await?;
    hold(dumped.is_err(), "a file that is no backup was given as one")?;
    hold(std::fs::read(&file)? == b"precious", "a file was overwritten")
}

/// Stops at once when cancelled, and leaves no file.
pub async fn a_cancelled_dump_leaves_no_file(f: &Fixture) -> CaseResult {
    let (file, call) = (f.scratch.join("backup.sql"), Call::silent());
    call.cancel.cancel();
    refused(dump(f, "conformance-1", &file, &call).await?, BackendErrorKind::Cancelled, "dump")?;
    hold(!file.exists(), "there is a backup")
}

/// A dump that was cut anywhere is an error, and leaves no file.
pub async fn a_dump_that_was_cut_is_an_error(f: &Fixture) -> CaseResult {
    let folder = f.scratch.join("cut");
    let whole = dump(f, "conformance-1", &f.scratch.join("whole.sql"), &Call::silent()).await??.bytes;
    // The last lines say that it is whole: a cut just before them shows least.
    for after in [0, 1, whole / 2, whole * 9 / 10, whole.saturating_sub(120)] {
        f.happen(Accident::DumpsAreCut { after }).await?;
        let cut = dump(f, "conformance-2", &folder.join("backup.sql"), &Call::silent()).await?;
        hold(
            cut.is_err(),
            &format!("a dump of {whole} bytes that ended after {after} passed for a whole one"),
        )?;
        same(&files_in(&folder), &Vec::new(), "what a cut dump left")?;
    }
    Ok(())
}

/// Nothing incomplete is left of a dump that was killed: here its future is dropped after each number of polls.
pub async fn what_a_killed_dump_left_is_discarded(f: &Fixture) -> CaseResult {
    let (target, operation) = (target(f).await?, OperationId::new("conformance-1")?);
    let folder = f.scratch.join("backups");
    let file = folder.join("backup.sql");
    let databases = f.backend.database();
    databases.discard_partial(&f.stack, &target, &operation, &file).await?;
    for polls in [1, 2, 4, 8, 16, 32] {
        let call = Call::silent();
        let begun = databases.dump(&f.stack, &target, &operation, &file, &call);
        let ended = dropped_after(polls, begun).await.is_some();
        databases.discard_partial(&f.stack, &target, &operation, &file).await?;
        let left = files_in(&folder);
        let partial = left.iter().any(|name| name.contains("partial"));
        hold(!partial, &format!("after {polls} polls there is {left:?}"))?;
        if ended || file.exists() {
            // What has the name is whole, and is given again.
            return dump(f, "conformance-1", &file, &Call::silent()).await?.map(drop).map_err(Miss::from);
        }
    }
    Ok(())
}

/// Files of other operations stay: a dump of theirs that is under way is not disturbed.
pub async fn what_others_left_is_not_discarded(f: &Fixture) -> CaseResult {
    let file = f.scratch.join("backup.sql");
    let other = OperationId::new("conformance-2")?;
    let call = Call::silent();
    let (target, ours) = (target(f).await?, OperationId::new("conformance-1")?);
    let databases = f.backend.database();
    for polls in [2, 4, 8] {
        if dropped_after(polls, databases.dump(&f.stack, &target, &ours, &file, &call)).await.is_some() {
            break;
        }
        let before = files_in(&f.scratch);
        databases.discard_partial(&f.stack, &target, &other, &file).await?;
        same(&files_in(&f.scratch), &before, "files of another operation")?;
        databases.discard_partial(&f.stack, &target, &ours, &file).await?;
    }
    Ok(())
}

fn files_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
}

/// A complete backup stays, with its manifest, whoever asks.
pub async fn a_complete_backup_is_not_discarded(f: &Fixture) -> CaseResult {
    let file = f.scratch.join("backup.sql");
    let manifest = dump(f, "conformance-1", &file, &Call::silent()).await??;
    let target = target(f).await?;
    for operation in ["conformance-1", "conformance-2"] {
        let operation = OperationId::new(operation)?;
        f.backend.database().discard_partial(&f.stack, &target, &operation, &file).await?;
    }
    let again = dump(f, "conformance-1", &file, &Call::silent()).await??;
    same(&again, &manifest, "the backup")
}
