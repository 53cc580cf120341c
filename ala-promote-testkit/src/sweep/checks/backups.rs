//! A backup that is what it says stands before the first visible change of production.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ala_promote_core::domain::{BackupManifest, OperationId, Verb};
use ala_promote_core::plan::{Action, Step};
use sha2::{Digest, Sha256};

use super::Change;
use crate::memory::{MemoryBackend, Moment, rows_of_dump};
use crate::sweep::timeline::Operation;
use crate::sweep::{Invariant, Violation};

/// A change that people see needs a backup of each database on record, and the files to be what that says.
pub(in crate::sweep) fn backups(
    operations: &BTreeMap<OperationId, Operation>,
    changes: &BTreeSet<Change>,
    world: &MemoryBackend,
    moment: &Moment,
) -> Vec<Violation> {
    let needs = |operation: &&Operation| {
        operation.is_open() && operation.plan.request.verb == Verb::Promote && lacks_backup(operation)
    };
    let Some(operation) = operations.values().find(needs) else { return Vec::new() };
    let environment = operation.plan.environment();
    let model = world.model();
    let Some(model) = model.get(environment) else { return Vec::new() };
    let is_visible = |change: &Change| match change {
        Change::Container(changed, _) => changed == environment,
        Change::Reference(reference) => {
            model.services.values().any(|s| s.spec.image.as_ref() == Some(reference))
        }
        _ => false,
    };
    if !changes.iter().any(is_visible) {
        return Vec::new();
    }
    let how = format!("{}: {} has not all backups on record yet", moment.what, operation.plan.operation);
    vec![Invariant::BackupBeforeChange.broken(how)]
}

/// Whether there is none at all, or not yet each that was planned.
fn lacks_backup(operation: &Operation) -> bool {
    let is_there = |file: &PathBuf| operation.backups.iter().any(|backup| backup.file == *file);
    let is_missing = |step: &Step| matches!(&step.action, Action::Backup { file, .. } if !is_there(file));
    operation.backups.is_empty() || operation.plan.steps().any(is_missing)
}

/// Whether a backup is there, whole, and what its manifest says.
pub(in crate::sweep) fn is_what_it_says(manifest: &BackupManifest) -> Result<(), Violation> {
    let wrong =
        |how: String| Invariant::BackupBeforeChange.broken(format!("{}: {how}", manifest.file.display()));
    let bytes = std::fs::read(&manifest.file).map_err(|error| wrong(error.to_string()))?;
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if hash != manifest.sha256 {
        return Err(wrong("its hash is another one".to_owned()));
    }
    if !manifest.of.is_checked() {
        return Ok(());
    }
    rows_of_dump(&manifest.file).map(drop).map_err(|error| wrong(error.to_string()))
}
