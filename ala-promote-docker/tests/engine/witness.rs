use ala_promote_core::backend::{Backend, BackendErrorKind, Witnessed};

use super::support::{Stage, TestEngine, engines};

/// Removes the notes of a test: their names are not the stage's.
struct Notes<'a> {
    engine: &'a TestEngine,
    dirs: Vec<String>,
}

impl Notes<'_> {
    fn of(&self, dir: &str) -> Vec<String> {
        let filter = format!("label=ala-promote.ledger.dir={dir}");
        let listed = self.engine.docker(&["volume", "ls", "-q", "--filter", &filter]);
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Notes<'_> {
    fn drop(&mut self) {
        for volume in self.dirs.iter().flat_map(|dir| self.of(dir)) {
            self.engine.try_docker(&["volume", "rm", &volume]);
        }
    }
}

#[tokio::test]
async fn the_last_note_of_each_folder_is_read() {
    for engine in engines() {
        let stage = Stage::new(&engine);
        let backend = engine.backend().await;
        let witness = backend.witness();
        let (one, two) = (stage.dir.path().join("one"), stage.dir.path().join("two"));
        let dirs = [&one, &two].map(|dir| dir.to_str().unwrap().to_owned()).to_vec();
        let notes = Notes { engine: &engine, dirs };
        let note =
            |ledger: &str, seq, hash: &str| Witnessed { ledger: ledger.into(), seq, hash: hash.into() };
        assert_eq!(witness.read(&one).await.unwrap(), None);

        let ledger = stage.unique8();
        let first = note(&ledger, 9, "aa");
        witness.write(&one, &first).await.unwrap();
        witness.write(&one, &first).await.unwrap();
        witness.write(&two, &note(&ledger, 50, "bb")).await.unwrap();
        assert_eq!(witness.read(&one).await.unwrap(), Some(first));
        let tenth = note(&ledger, 10, "cc");
        witness.write(&one, &tenth).await.unwrap();
        assert_eq!(witness.read(&one).await.unwrap(), Some(tenth));
        assert_eq!(notes.of(one.to_str().unwrap()).len(), 1);

        // An operation that ends late takes nothing back of one that ended meanwhile.
        witness.write(&one, &note(&ledger, 8, "ee")).await.unwrap();
        assert_eq!(witness.read(&one).await.unwrap().unwrap().seq, 10);
        witness.write(&one, &note(&ledger, 11, "ff")).await.unwrap();
        assert_eq!(notes.of(one.to_str().unwrap()).len(), 1);

        // A new ledger after the loss of the old one begins low.
        let anew = note(&format!("n{ledger}"), 1, "dd");
        witness.write(&one, &anew).await.unwrap();
        assert_eq!(witness.read(&one).await.unwrap(), Some(anew.clone()));
        assert_eq!(witness.read(&two).await.unwrap().unwrap().seq, 50);
        // The same name with another note is not taken for ours.
        let error = witness.write(&two, &anew).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Conflict, "{error}");
    }
}
