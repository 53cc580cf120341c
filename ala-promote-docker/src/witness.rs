//! The note that a folder's ledger exists: an empty volume on the engine whose labels say it all.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Witness, Witnessed};
use async_trait::async_trait;
use bollard::models::{Volume, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};
use sha2::{Digest, Sha256};

use crate::engine::Engine;
use crate::error::{engine_error, is_not_found};

/// The folder.
const DIR_LABEL: &str = "ala-promote.ledger.dir";
/// The ledger's id.
const LEDGER_LABEL: &str = "ala-promote.ledger";
/// Its number of records.
const SEQ_LABEL: &str = "ala-promote.ledger.seq";
/// The last one's hash.
const HASH_LABEL: &str = "ala-promote.ledger.hash";

/// Notes on ledgers, on an engine.
#[derive(Debug, Clone)]
pub(crate) struct Witnesses {
    engine: Arc<Engine>,
}

impl Witnesses {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    async fn of_dir(&self, dir: &str) -> BackendResult<Vec<Volume>> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{DIR_LABEL}={dir}")])]);
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let listed = self.engine.docker().list_volumes(Some(options)).await;
        let listed =
            listed.map_err(|error| engine_error(format!("read the note on the ledger of {dir}"), error))?;
        Ok(listed.volumes.unwrap_or_default())
    }

    async fn remove(&self, notes: impl Iterator<Item = &Volume>, what: &str) -> BackendResult<()> {
        for note in notes {
            match self.engine.docker().remove_volume(&note.name, None::<RemoveVolumeOptions>).await {
                Ok(()) => {}
                Err(error) if is_not_found(&error) => {}
                Err(error) => return Err(engine_error(what, error)),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Witness for Witnesses {
    async fn read(&self, dir: &Path) -> BackendResult<Option<Witnessed>> {
        let volumes = self.of_dir(&text(dir)?).await?;
        // Two are there only while one is being replaced, or was when the process died.
        Ok(volumes.iter().filter_map(witnessed).max_by_key(|witnessed| witnessed.seq))
    }

    async fn write(&self, dir: &Path, witnessed: &Witnessed) -> BackendResult<()> {
        let dir = text(dir)?;
        let what = format!("note the ledger of {dir} on the engine");
        let name = name(&dir, witnessed);
        let request = VolumeCreateRequest {
            name: Some(name.clone()),
            labels: Some(labels(&dir, witnessed)),
            ..VolumeCreateRequest::default()
        };
        let made =
            self.engine.docker().create_volume(request).await.map_err(|error| engine_error(&what, error))?;
        // The engine answers with the volume of that name also where it was there before.
        if self::witnessed(&made).as_ref() != Some(witnessed) || made.labels.get(DIR_LABEL) != Some(&dir) {
            return Err(BackendError::new(
                BackendErrorKind::Conflict,
                what,
                format!("a volume named {name} is there with another note"),
            )
            .with_hint(format!("look at it with `docker volume inspect {name}`")));
        }
        let volumes = self.of_dir(&dir).await?;
        // A later note of the same ledger is of an operation that ended meanwhile.
        let is_later = |volume: &Volume| {
            self::witnessed(volume).is_some_and(|w| w.ledger == witnessed.ledger && w.seq > witnessed.seq)
        };
        let old = volumes.iter().filter(|volume| volume.name != name && !is_later(volume));
        self.remove(old, &what).await
    }

    async fn forget(&self, dir: &Path) -> BackendResult<()> {
        let dir = text(dir)?;
        let volumes = self.of_dir(&dir).await?;
        self.remove(volumes.iter(), &format!("forget the ledger of {dir}")).await
    }
}

fn labels(dir: &str, witnessed: &Witnessed) -> HashMap<String, String> {
    let labels = [
        (DIR_LABEL, dir.to_owned()),
        (LEDGER_LABEL, witnessed.ledger.clone()),
        (SEQ_LABEL, witnessed.seq.to_string()),
        (HASH_LABEL, witnessed.hash.clone()),
    ];
    labels.map(|(key, value)| (key.to_owned(), value)).into()
}

fn witnessed(volume: &Volume) -> Option<Witnessed> {
    let label = |key: &str| volume.labels.get(key).cloned();
    Some(Witnessed {
        ledger: label(LEDGER_LABEL)?,
        seq: label(SEQ_LABEL)?.parse().ok()?,
        hash: label(HASH_LABEL)?,
    })
}

/// A volume's labels can't be changed: each note has a name of its own, by all that it says.
fn name(dir: &str, witnessed: &Witnessed) -> String {
    let Witnessed { ledger, seq, hash } = witnessed;
    let digest = Sha256::digest(format!("{dir}\n{ledger}\n{seq}\n{hash}"));
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("ala-promote-ledger-{short}-{seq}")
}

fn text(dir: &Path) -> BackendResult<String> {
    dir.to_str().map(str::to_owned).ok_or_else(|| {
        BackendError::new(
            BackendErrorKind::Invalid,
            format!("note the ledger of {}", dir.display()),
            "the folder's name is not UTF-8",
        )
    })
}
