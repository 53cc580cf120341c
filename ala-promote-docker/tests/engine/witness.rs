use ala_promote_core::backend::{Backend, Witnessed};

use super::support::{Stage, TestEngine, engines};

/// Removes the notes of a test: their names are not the stage's.
struct Notes<'a> {
    engine: &'a TestEngine,
    dir: String,
}

impl Notes<'_> {
    fn volumes(&self) -> Vec<String> {
        let filter = format!("label=ala-promote.ledger.dir={}", self.dir);
        let listed = self.engine.docker(&["volume", "ls", "-q", "--filter", &filter]);
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Notes<'_> {
    fn drop(&mut self) {
        for volume in self.volumes() {
            self.engine.try_docker(&["volume", "rm", &volume]);
        }
    }
}

#[tokio::test]
async fn a_note_leaves_no_older_ones_on_the_engine() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let witness = backend.witness();
        let dir = stage.dir.path().join("one");
        let notes = Notes { engine: &engine, dir: dir.display().to_string() };
        for seq in 1..=3 {
            let note = Witnessed { ledger: stage.prefix.clone(), seq, hash: "aa".into() };
            witness.write(&dir, &note).await.unwrap();
            assert_eq!(notes.volumes().len(), 1);
        }
        witness.forget(&dir).await.unwrap();
        assert_eq!(notes.volumes(), [""; 0]);
    }
}
