use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ala_promote_core::backend::{Backend, BackendErrorKind, BackendResult, Call, CancelToken};
use ala_promote_core::domain::{
    BackedUp, BackupManifest, DatabaseTarget, OperationId, Render, ServiceDatabase, ServiceSpec,
};
use ala_promote_docker::DockerBackend;

use super::support::{Stage, TestEngine, eventually, on_every_engine, service, skip};

pub(crate) const IMAGE: &str = "ala-medical-postgres:15";

/// A running database of its own.
pub(crate) struct Db {
    pub(crate) stage: Stage,
    pub(crate) backend: DockerBackend,
    pub(crate) target: DatabaseTarget,
}

impl Db {
    /// `None` where there is no image to run.
    pub(crate) async fn new(engine: &TestEngine) -> Option<Self> {
        Self::with(engine, "POSTGRES_PASSWORD: hunter2000").await
    }

    /// The same with other variables, of which one says how the password is known.
    pub(crate) async fn with(engine: &TestEngine, variables: &str) -> Option<Self> {
        if !engine.try_docker(&["image", "inspect", IMAGE]).status.success() {
            skip(&format!("{IMAGE} is not on Docker Engine {}", engine.name));
            return None;
        }
        let stage = Stage::new(engine);
        stage.compose_file(&format!(
            "services:
  db:
    image: {IMAGE}
    command: [postgres, -c, fsync=off]
    environment: {{POSTGRES_USER: ala_user, POSTGRES_DB: ala_production, POSTGRES_INITDB_ARGS: --no-sync, {variables}}}
"
        ));
        stage.compose(&["up", "-d"]);
        let backend = engine.backend().await;
        let found = detect(&backend, &stage).await;
        assert_eq!(found.len(), 1);
        let db = Self { stage, backend, target: DatabaseTarget::Service(found[0].clone()) };
        eventually("the database is up", || {
            let ready = ["pg_isready", "-q", "-h", "127.0.0.1"];
            let id = db.stage.id("db");
            db.stage.engine.try_docker(&[&["exec", &id][..], &ready].concat()).status.success()
        });
        Some(db)
    }

    pub(crate) fn psql(&self, sql: &str) -> String {
        let psql = ["psql", "-X", "-q", "-A", "-t", "-U", "ala_user", "-d", "ala_production", "-c", sql];
        self.stage.exec(&self.stage.id("db"), &psql)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.stage.dir.path().join("backups/backup-20251029-143022.sql")
    }

    pub(crate) async fn dump(
        &self,
        operation: &str,
        file: &Path,
        call: &Call,
    ) -> BackendResult<BackupManifest> {
        let operation = OperationId::new(operation).unwrap();
        self.backend.database().dump(&self.stage.stack(), &self.target, &operation, file, call).await
    }

    /// What comes after a kill.
    pub(crate) async fn discard(&self, operation: &str, file: &Path) {
        let (stack, operation) = (self.stage.stack(), OperationId::new(operation).unwrap());
        let database = self.backend.database();
        database.discard_partial(&stack, &self.target, &operation, file).await.unwrap();
    }

    /// Nothing under its name, and nothing partial.
    pub(crate) fn assert_nothing_in(&self, dir: &Path) {
        let left: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    pub(crate) fn sessions(&self) -> String {
        self.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ala-promote-%'")
    }
}

async fn detect(backend: &DockerBackend, stage: &Stage) -> Vec<ServiceDatabase> {
    let spec = ServiceSpec { image: Some(IMAGE.parse().unwrap()), ..ServiceSpec::default() };
    let render = Render {
        stack: stage.stack(),
        services: [(service("db"), spec)].into(),
        networks: Default::default(),
        volumes: Default::default(),
        places: Default::default(),
        notes: Vec::new(),
    };
    let containers = backend.stacks().containers(&stage.project()).await.unwrap();
    backend.database().detect(&render, &containers).await.unwrap()
}

#[test]
fn a_dump_restores_to_the_exact_content() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        let found = &detect(&db.backend, &db.stage).await[0];
        assert_eq!((found.database.as_str(), found.user.as_str()), ("ala_production", "ala_user"));
        assert!(found.running);
        db.psql("CREATE TABLE t AS SELECT n, md5(n::text) AS h FROM generate_series(1, 50000) n");
        let manifest = db.dump("op-1", &db.file(), &Call::silent()).await.unwrap();
        let BackedUp::Service { server_version, .. } = &manifest.of else { panic!("{manifest:?}") };
        assert!(server_version.starts_with("15."), "{server_version}");
        assert_eq!(db.file().parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);

        // The documented way back gives the exact content.
        let rows = "SELECT count(*), md5(string_agg(h, '' ORDER BY n)) FROM t";
        let before = db.psql(rows);
        db.psql("DELETE FROM t WHERE n % 2 = 0; INSERT INTO t VALUES (-1, 'x')");
        engine.docker(&["cp", db.file().to_str().unwrap(), &format!("{}:/tmp/b.sql", db.stage.id("db"))]);
        let psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "ala_user", "-d", "ala_production"];
        db.stage.exec(&db.stage.id("db"), &[&psql[..], &["-f", "/tmp/b.sql"]].concat());
        assert_eq!(db.psql(rows), before);
    });
}

#[test]
fn a_password_of_the_container_is_used_in_the_container() {
    let file = "POSTGRES_PASSWORD_FILE: /tmp/password, POSTGRES_HOST_AUTH_METHOD: trust";
    on_every_engine(async |engine| {
        for variables in ["POSTGRES_PASSWORD: hunter2000", file] {
            the_password_is_used(engine, variables).await;
        }
    });
}

async fn the_password_is_used(engine: &TestEngine, variables: &str) {
    if let Some(db) = Db::with(engine, variables).await {
        let id = db.stage.id("db");
        if variables.contains("FILE") {
            db.psql("ALTER ROLE ala_user PASSWORD 'hunter2000'");
            db.stage.exec(&id, &["sh", "-c", "echo hunter2000 > /tmp/password"]);
        }
        // From now on also the socket wants it.
        let edit = "sed -i 's/^local.*all.*all.*/local all all scram-sha-256/' \"$PGDATA/pg_hba.conf\"";
        db.stage.exec(&id, &["sh", "-c", edit]);
        let reload = "PGPASSWORD=hunter2000 psql -h 127.0.0.1 -U ala_user -d ala_production -c 'SELECT pg_reload_conf()'";
        db.stage.exec(&id, &["sh", "-c", reload]);
        let refused = ["exec", &id, "psql", "-w", "-U", "ala_user", "-d", "ala_production", "-c", "SELECT 1"];
        eventually("the password is wanted", || !engine.try_docker(&refused).status.success());
        db.dump("op-1", &db.file(), &Call::silent()).await.unwrap();
    }
}

#[test]
fn a_database_that_is_down_is_named() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        let id = db.stage.id("db");
        engine.docker(&["stop", "-t", "5", &id]);
        assert!(!detect(&db.backend, &db.stage).await[0].running);
        let error = db.dump("op-1", &db.file(), &Call::silent()).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Failed, "{error}");
        assert!(error.to_string().contains("`db`"), "{error}");
        assert!(error.hint().unwrap().contains("start db"));
        assert!(!db.file().exists());
        // Before there is a container, the image tells.
        engine.docker(&["rm", &id]);
        let found = detect(&db.backend, &db.stage).await;
        assert!(found.len() == 1 && !found[0].running);
    });
}

/// A table that takes long enough to dump for something to happen meanwhile.
pub(crate) fn fill(db: &Db) {
    db.psql("CREATE UNLOGGED TABLE big AS SELECT n, repeat(md5(n::text), 30) AS h FROM generate_series(1, 250000) n");
}

pub(crate) async fn while_dumping(
    db: &Db,
    call: &Call,
    then: impl FnOnce(),
) -> ala_promote_core::backend::BackendError {
    let file = db.file();
    let dump = db.dump("op-1", &file, call);
    let watch = async {
        partly_written(db).await;
        then();
    };
    let (dumped, ()) = futures_util::join!(dump, watch);
    dumped.unwrap_err()
}

async fn partly_written(db: &Db) {
    let partial = db.stage.dir.path().join("backups/backup-20251029-143022.sql.partial-op-1");
    let begun = std::time::Instant::now();
    while !partial.metadata().is_ok_and(|meta| meta.len() > 1 << 20) {
        assert!(begun.elapsed().as_secs() < 120, "no part of it is written");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// As a kill leaves it: nothing of ours goes on, and what we began does.
pub(crate) async fn killed_while_dumping(db: &Db) {
    let (file, call) = (db.file(), Call::silent());
    let dump = Box::pin(db.dump("op-1", &file, &call));
    match futures_util::future::select(dump, Box::pin(partly_written(db))).await {
        futures_util::future::Either::Left((dumped, _)) => panic!("it came to its end: {dumped:?}"),
        futures_util::future::Either::Right(((), dump)) => {
            // Its file is removed when the future is dropped, but not when the process is killed.
            let partial = file.with_file_name("backup-20251029-143022.sql.partial-op-1");
            let kept = file.with_file_name("kept");
            std::fs::hard_link(&partial, &kept).unwrap();
            drop(dump);
            std::fs::rename(&kept, &partial).unwrap();
        }
    }
}

#[test]
fn what_a_killed_dump_left_is_ended_with_its_session() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        fill(&db);
        killed_while_dumping(&db).await;
        assert_eq!(db.sessions(), "1", "the server waits for a reader");
        // Another operation's is none of its business.
        db.discard("op-2", &db.file()).await;
        assert_eq!(db.sessions(), "1");
        db.discard("op-1", &db.file()).await;
        eventually("its session is gone", || db.sessions() == "0");
        db.assert_nothing_in(db.file().parent().unwrap());
    });
}

/// Detection goes by what is in the image, whatever its name: PostGIS, TimescaleDB and a team's own build are so found.
#[test]
fn a_database_under_another_name_is_one() {
    on_every_engine(async |engine| {
        if !engine.try_docker(&["image", "inspect", IMAGE]).status.success() {
            skip(&format!("{IMAGE} is not on Docker Engine {}", engine.name));
            return;
        }
        let stage = Stage::new(engine);
        let context = stage.dir.path().join("timescale");
        std::fs::create_dir(&context).unwrap();
        let text = format!("FROM {IMAGE}\nLABEL of=timescaledb\n");
        std::fs::write(context.join("Dockerfile"), text).unwrap();
        stage.compose_file(
            "services:
  metrics:
    build: ./timescale
    environment: {POSTGRES_USER: ala_user, POSTGRES_DB: metrics, POSTGRES_PASSWORD: hunter2000}
",
        );
        stage.compose(&["up", "-d", "--build"]);
        let backend = engine.backend().await;
        let containers = backend.stacks().containers(&stage.project()).await.unwrap();
        let built = containers.iter().find(|c| c.service.as_str() == "metrics").unwrap();
        assert!(!built.image_reference.as_ref().unwrap().to_string().contains("postgres"));
        let render = backend.stacks().render(&stage.stack()).await.unwrap();
        let found = backend.database().detect(&render, &containers).await.unwrap();
        let metrics = found.iter().find(|found| found.service.as_str() == "metrics").unwrap();
        assert_eq!((metrics.database.as_str(), metrics.running), ("metrics", true));
    });
}

#[test]
fn a_dump_whose_container_dies_leaves_no_file() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        fill(&db);
        let id = db.stage.id("db");
        let error = while_dumping(&db, &Call::silent(), || drop(engine.docker(&["kill", &id]))).await;
        assert!(matches!(error.kind(), BackendErrorKind::Failed | BackendErrorKind::Unavailable), "{error}");
        db.assert_nothing_in(db.file().parent().unwrap());
    });
}

#[test]
fn a_dump_whose_server_session_dies_leaves_no_file() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        fill(&db);
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ala-promote-op-1'";
        let error = while_dumping(&db, &Call::silent(), || drop(db.psql(kill))).await;
        assert_eq!(error.kind(), BackendErrorKind::Failed, "{error}");
        assert!(error.to_string().contains("exit code 1"), "{error}");
        db.assert_nothing_in(db.file().parent().unwrap());
    });
}

#[test]
fn a_cancelled_dump_stops_at_once_and_leaves_nothing() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        fill(&db);
        let cancel = CancelToken::new();
        let call = Call::new(cancel.clone(), |_| {});
        let error = while_dumping(&db, &call, || cancel.cancel()).await;
        assert_eq!(error.kind(), BackendErrorKind::Cancelled, "{error}");
        db.assert_nothing_in(db.file().parent().unwrap());
        eventually("its session is gone", || db.sessions() == "0");
    });
}

#[test]
fn a_cancelled_dump_waits_for_no_lock() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        db.psql("CREATE TABLE t (n int)");
        let hold = "BEGIN; LOCK TABLE t; SELECT pg_sleep(120)";
        let psql = ["psql", "-X", "-U", "ala_user", "-d", "ala_production", "-c", hold];
        engine.docker(&[&["exec", "-d", &db.stage.id("db")][..], &psql].concat());
        let held = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted";
        eventually("the table is locked", || db.psql(held) != "0");
        let cancel = CancelToken::new();
        let call = Call::new(cancel.clone(), |_| {});
        let file = db.file();
        let watch = async {
            let waits = "SELECT count(*) FROM pg_stat_activity
                WHERE application_name = 'ala-promote-op-1' AND wait_event_type = 'Lock'";
            while db.psql(waits) != "1" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            cancel.cancel();
        };
        let (dumped, ()) = futures_util::join!(db.dump("op-1", &file, &call), watch);
        assert_eq!(dumped.unwrap_err().kind(), BackendErrorKind::Cancelled);
        // Its own limit is a minute; whoever comes next must not wait behind it.
        eventually("its session is gone", || db.sessions() == "0");
        db.assert_nothing_in(file.parent().unwrap());
    });
}

#[test]
fn a_dump_that_a_killed_operation_left_in_the_server_is_ended() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        let id = db.stage.id("db");
        let sleep = ["psql", "-X", "-U", "ala_user", "-d", "ala_production", "-c", "SELECT pg_sleep(600)"];
        engine.docker(&[&["exec", "-d", "-e", "PGAPPNAME=ala-promote-killed", &id][..], &sleep].concat());
        eventually("it is there", || db.sessions() == "1");
        db.dump("op-2", &db.file(), &Call::silent()).await.unwrap();
        eventually("its session is gone", || db.sessions() == "0");
    });
}

#[test]
fn a_full_disk_is_said_with_how_far_it_came() {
    on_every_engine(async |engine| {
        let Some(db) = Db::new(engine).await else { return };
        fill(&db);
        let small = db.stage.dir.path().join("small");
        std::fs::create_dir(&small).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&small).status();
        if !mount.is_ok_and(|status| status.success()) {
            skip("a small disk can't be mounted: that needs root");
            return;
        }
        let outcome = db.dump("op-1", &small.join("backup.sql"), &Call::silent()).await;
        let left = std::fs::read_dir(&small).unwrap().count();
        Command::new("umount").arg(&small).status().unwrap();
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Failed, "{error}");
        let text = error.to_string();
        assert!(text.contains("No space left on device") && text.contains(" bytes"), "{text}");
        assert!(error.hint().unwrap().contains("free space"));
        assert_eq!(left, 0);
        eventually("its session is gone", || db.sessions() == "0");
    });
}
