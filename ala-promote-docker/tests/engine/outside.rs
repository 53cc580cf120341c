//! A database outside of the stack, reached by its URL: here one of another container, on a network that is named.

use ala_promote_core::backend::{Backend, BackendErrorKind, Call, CancelToken};
use ala_promote_core::domain::{BackedUp, DatabaseTarget, UrlDatabase};

use super::database::{Db, IMAGE, fill, killed_while_dumping, while_dumping};
use super::support::{TestEngine, eventually, on_every_engine};

/// `hunter/2000@'$x`.
const ENCODED: &str = "hunter%2F2000%40'%24x";

/// The database, seen from outside: its URL is in the env file of the stack.
async fn outside(engine: &TestEngine) -> Option<Db> {
    let mut db = Db::with(engine, "POSTGRES_PASSWORD: \"hunter/2000@'$$x\"").await?;
    let key = format!("URL_{}", db.stage.unique8());
    let url = format!("postgresql://ala_user:{ENCODED}@db:5432/ala_production?sslmode=disable&schema=public");
    // As people write it, quotes and all: Compose reads it.
    std::fs::write(db.stage.dir.path().join(".env"), format!("{key}=\"{url}\" # the managed one\n")).unwrap();
    db.target = DatabaseTarget::Url(UrlDatabase {
        url_env: key,
        image: IMAGE.parse().unwrap(),
        network: Some(format!("{}_default", db.stage.prefix)),
    });
    Some(db)
}

impl Db {
    /// The containers that are there for it.
    fn helpers(&self) -> Vec<String> {
        let label = format!("label=ala-promote.backup={}", self.target.label());
        let listed = self.stage.engine.docker(&["ps", "-aq", "--filter", &label]);
        listed.lines().map(str::to_owned).collect()
    }

    fn url_database(&mut self) -> &mut UrlDatabase {
        match &mut self.target {
            DatabaseTarget::Url(database) => database,
            other => panic!("{other:?}"),
        }
    }

    /// Why there is no room for it.
    async fn refusal(&self) -> String {
        let room = self.backend.database().room(&self.stage.stack(), &self.target, &self.file()).await;
        let error = room.unwrap_err();
        assert!(self.helpers().is_empty());
        let said = format!("{error} | {}", error.hint().unwrap_or_default());
        assert!(!said.contains("hunter"), "{said}");
        said
    }
}

#[test]
fn a_database_outside_is_dumped_whole_and_its_url_is_seen_nowhere() {
    on_every_engine(async |engine| {
        let Some(db) = outside(engine).await else { return };
        fill(&db);
        let room = db.backend.database().room(&db.stage.stack(), &db.target, &db.file()).await.unwrap();
        assert!(room.database_bytes > 1 << 20, "{room:?}");
        assert!(db.helpers().is_empty());

        let file = db.file();
        let silent = Call::silent();
        let dump = db.dump("op-1", &file, &silent);
        let watch = async {
            loop {
                let Some(id) = db.helpers().pop() else {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    continue;
                };
                let top = db.stage.engine.try_docker(&["top", &id]);
                let processes = String::from_utf8_lossy(&top.stdout).into_owned();
                if processes.contains("pg_dump") {
                    break processes + &db.stage.engine.docker(&["inspect", &id]);
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let (dumped, seen) = futures_util::join!(dump, watch);
        let manifest = dumped.unwrap();
        assert!(!seen.contains("hunter") && !seen.contains("postgresql://"), "{seen}");
        assert!(db.helpers().is_empty());
        let BackedUp::Url { url_env, database, server_version } = &manifest.of else { panic!() };
        assert_eq!((url_env.as_str(), database.as_str()), (db.target.label(), "ala_production"));
        assert!(server_version.starts_with("15."), "{server_version}");

        // The documented way back gives the exact content.
        let rows = "SELECT count(*), md5(string_agg(h, '' ORDER BY n)) FROM big";
        let before = db.psql(rows);
        db.psql("DELETE FROM big WHERE n % 2 = 0");
        engine.docker(&["cp", file.to_str().unwrap(), &format!("{}:/tmp/b.sql", db.stage.id("db"))]);
        let psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "ala_user", "-d", "ala_production"];
        db.stage.exec(&db.stage.id("db"), &[&psql[..], &["-f", "/tmp/b.sql"]].concat());
        assert_eq!(db.psql(rows), before);
    });
}

#[test]
fn what_stands_in_the_way_of_a_dump_from_outside_is_said_before() {
    on_every_engine(async |engine| {
        let Some(mut db) = outside(engine).await else { return };
        // An older pg_dump.
        let old = format!("{}-old:1", db.stage.prefix);
        let pg_dump = "FROM ala-medical-postgres:15\nRUN printf '#!/bin/sh\\necho \"pg_dump (PostgreSQL) 14.9\"\\n' \
            > /usr/local/bin/pg_dump && chmod 755 /usr/local/bin/pg_dump\n";
        std::fs::write(db.stage.dir.path().join("Dockerfile"), pg_dump).unwrap();
        engine.docker(&["build", "-t", &old, db.stage.dir.path().to_str().unwrap()]);
        db.url_database().image = old.parse().unwrap();
        let said = db.refusal().await;
        assert!(said.contains("PostgreSQL 15.") && said.contains(" is 14.9: too old"), "{said}");
        assert!(said.contains("`image`") && said.contains("PostgreSQL 15 or newer"), "{said}");
        let error = db.dump("op-1", &db.file(), &Call::silent()).await.unwrap_err();
        assert!(error.to_string().contains("too old"), "{error}");
        assert!(db.helpers().is_empty() && !db.file().exists());

        db.url_database().image = "example.com/nobody/has:1".parse().unwrap();
        let said = db.refusal().await;
        assert!(
            said.contains("does not have the image") && said.contains("docker pull example.com/"),
            "{said}"
        );
        db.url_database().image = IMAGE.parse().unwrap();

        let key = db.target.label().to_owned();
        let env = |value: &str| {
            std::fs::write(db.stage.dir.path().join(".env"), format!("{key}={value}\n")).unwrap()
        };
        env(&format!("postgres://ala_user:{ENCODED}x@db/ala_production"));
        let said = db.refusal().await;
        assert!(said.contains("password authentication failed"), "{said}");
        env(&format!("postgres://ala_user:{ENCODED}@nowhere.invalid/ala_production"));
        assert!(db.refusal().await.contains("nowhere.invalid"));
        env(&format!("postgres://ala_user:{ENCODED}@localhost/ala_production"));
        assert!(db.refusal().await.contains("network = \"host\""));
        env("mysql://ala_user:hunter2@db/x");
        assert!(db.refusal().await.contains("no URL of PostgreSQL"));
        env("");
        assert!(db.refusal().await.contains(&format!("does not set {key}")));
        env(&format!("postgres://ala_user:{ENCODED}@db/ala_production"));
        db.url_database().network = Some(format!("{}-none", db.stage.prefix));
        assert!(db.refusal().await.contains("`network`"));
    });
}

#[test]
fn a_dump_from_outside_that_does_not_come_to_its_end_leaves_nothing() {
    on_every_engine(async |engine| {
        let Some(db) = outside(engine).await else { return };
        fill(&db);
        let folder = db.file().parent().unwrap().to_owned();
        let cancel = CancelToken::new();
        let call = Call::new(cancel.clone(), |_| {});
        let error = while_dumping(&db, &call, || cancel.cancel()).await;
        assert_eq!(error.kind(), BackendErrorKind::Cancelled, "{error}");
        assert!(db.helpers().is_empty());
        db.assert_nothing_in(&folder);
        eventually("its session is gone", || db.sessions() == "0");

        let kill = || db.helpers().iter().for_each(|id| drop(engine.docker(&["kill", id])));
        let error = while_dumping(&db, &Call::silent(), kill).await;
        assert!(matches!(error.kind(), BackendErrorKind::Failed | BackendErrorKind::Unavailable), "{error}");
        db.assert_nothing_in(&folder);

        killed_while_dumping(&db).await;
        assert_eq!(db.helpers().len(), 1, "a kill leaves it");
        db.discard("op-2", &db.file()).await;
        assert_eq!(db.helpers().len(), 1, "it is another operation's");
        db.discard("op-1", &db.file()).await;
        assert!(db.helpers().is_empty());
        db.assert_nothing_in(&folder);
        eventually("its session is gone", || db.sessions() == "0");
    });
}
