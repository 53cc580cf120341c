//! MariaDB in a container: a real server, of the host's own packages, in an image that is made here.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ala_promote_core::backend::{Backend, BackendErrorKind, BackendResult, Call, CancelToken};
use ala_promote_core::domain::{BackedUp, BackupManifest, DatabaseKind, DatabaseTarget};
use ala_promote_docker::DockerBackend;

use super::support::{Stage, TestEngine, eventually, on_every_engine, skip};

const PROGRAMS: [&str; 4] =
    ["/usr/sbin/mariadbd", "/usr/bin/mariadb", "/usr/bin/mariadb-dump", "/usr/bin/mariadb-admin"];
/// Makes the system tables, the database and the password, and serves. Nothing of it need survive a power cut.
const START: &str = r#"#!/bin/sh
set -eu
fast="--user=root --datadir=/var/lib/mysql --innodb-flush-method=nosync --skip-log-bin"
{
  printf 'CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n'
  cat /usr/share/mysql/mysql_system_tables.sql /usr/share/mysql/mysql_system_tables_data.sql
} | mariadbd --bootstrap $fast
password=$(cat "$MYSQL_ROOT_PASSWORD_FILE")
printf "CREATE DATABASE $MYSQL_DATABASE CHARACTER SET utf8mb4;\nALTER USER root@localhost IDENTIFIED BY '$password';\n" \
  > /tmp/init.sql
exec mariadbd $fast --skip-networking --event-scheduler=ON --init-file=/tmp/init.sql
"#;
/// All that a dump may leave out: a view, a routine, a trigger, an event, characters of four bytes, bytes of any value.
const FILL: &str = "
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50), raw BLOB, at TIMESTAMP NULL) ENGINE=InnoDB;
CREATE TABLE log (n INT) ENGINE=InnoDB;
CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.id);
INSERT INTO t (name, raw, at) VALUES ('Zoë 🎉 ''q''', x'00ff270a5c', '2025-10-29 14:30:22'), ('b', NULL, NULL);
CREATE VIEW v AS SELECT name FROM t;
CREATE PROCEDURE p(IN x INT) INSERT INTO log VALUES (x);
CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM log;
CREATE TABLE big ENGINE=InnoDB AS SELECT seq AS n, REPEAT(MD5(seq), 20) AS h FROM seq_1_to_100000;
ANALYZE TABLE big;
";
const LOOK: &str = "
SELECT COUNT(*), MD5(GROUP_CONCAT(id, name, IFNULL(HEX(raw), '-'), IFNULL(at, '-') ORDER BY id)) FROM t;
SELECT COUNT(*), BIT_XOR(CRC32(CONCAT(n, h))) FROM big;
SELECT GROUP_CONCAT(n ORDER BY n) FROM log;
SELECT GROUP_CONCAT(name ORDER BY name) FROM v;
SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = 'shop';
SELECT trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema = 'shop';
SELECT event_name, event_definition FROM information_schema.events WHERE event_schema = 'shop';
";

struct Shop {
    stage: Stage,
    backend: DockerBackend,
    target: DatabaseTarget,
}

impl Shop {
    async fn new(engine: &TestEngine) -> Option<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|program| !Path::new(program).exists()) {
            skip(&format!("there is no {missing}: apt-get install mariadb-server-core mariadb-client"));
            return None;
        }
        let stage = Stage::new(engine);
        let image = make_image(&stage);
        stage.compose_file(&format!(
            "services:
  store:
    image: {image}
    environment: {{MYSQL_DATABASE: shop, MYSQL_ROOT_PASSWORD_FILE: /run/secrets/root}}
"
        ));
        stage.compose(&["up", "-d"]);
        let backend = engine.backend().await;
        eventually("the database is up", || {
            let ask = ["exec", "-e", "MYSQL_PWD=hunter2000", &stage.id("store"), "mariadb", "-uroot", "shop"];
            stage.engine.try_docker(&[&ask[..], &["-e", "SELECT 1"]].concat()).status.success()
        });
        let containers = backend.stacks().containers(&stage.project()).await.unwrap();
        let render = backend.stacks().render(&stage.stack()).await.unwrap();
        let [found] = backend.database().detect(&render, &containers).await.unwrap().try_into().unwrap();
        assert_eq!((found.kind, found.running), (DatabaseKind::MySql, true));
        assert_eq!((found.database.as_str(), found.user.as_str()), ("shop", "root"));
        Some(Self { stage, backend, target: DatabaseTarget::Service(found) })
    }

    fn sql(&self, text: &str) -> String {
        let id = self.stage.id("store");
        let mariadb = ["exec", "-e", "MYSQL_PWD=hunter2000", &id, "mariadb", "-uroot", "-N"];
        self.stage
            .engine
            .docker(&[&mariadb[..], &["--default-character-set=utf8mb4", "shop", "-e", text]].concat())
    }

    fn file(&self) -> PathBuf {
        self.stage.dir.path().join("backups/backup.sql")
    }

    async fn dump(&self, call: &Call) -> BackendResult<BackupManifest> {
        let (stack, operation) = (self.stage.stack(), "op-1".parse().unwrap());
        self.backend.database().dump(&stack, &self.target, &operation, &self.file(), call).await
    }

    /// Ends the dump from outside: Engine 20.10 can lose the end of an exec beside which another one ends.
    fn kill_dump(&self) {
        let listed = self.stage.engine.docker(&["top", &self.stage.id("store"), "-eo", "pid,comm"]);
        let dumps = listed.lines().filter(|line| line.contains("mariadb-dump"));
        let ids: Vec<&str> = dumps.filter_map(|line| line.split_whitespace().next()).collect();
        assert!(!ids.is_empty(), "no dump is at work: {listed}");
        assert!(Command::new("kill").arg("-9").args(ids).status().unwrap().success());
    }

    async fn partly_written(&self) {
        let partial = self.stage.dir.path().join("backups/backup.sql.partial-op-1");
        while !partial.metadata().is_ok_and(|meta| meta.len() > 1 << 20) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn dumps_at_work(&self) -> bool {
        self.stage.exec(&self.stage.id("store"), &["ps"]).contains("mariadb-dump")
    }

    fn assert_nothing_left(&self) {
        assert_eq!(std::fs::read_dir(self.file().parent().unwrap()).unwrap().count(), 0);
        eventually("no dump is at work", || !self.dumps_at_work());
    }
}

#[test]
fn a_dump_of_mariadb_gives_the_exact_content_and_a_cut_one_is_none() {
    on_every_engine(async |engine| {
        let Some(shop) = Shop::new(engine).await else { return };
        shop.sql(FILL);
        let (stack, file) = (shop.stage.stack(), shop.file());
        let database = shop.backend.database();
        let room = database.room(&stack, &shop.target, &file).await.unwrap();
        assert!(room.database_bytes > 1 << 20, "{room:?}");

        // Cut by its own end, by us, and by a kill of ours.
        let end = || shop.kill_dump();
        let silent = Call::silent();
        let cut = async {
            shop.partly_written().await;
            end();
        };
        let (dumped, ()) = futures_util::join!(shop.dump(&silent), cut);
        let error = dumped.unwrap_err();
        assert!(error.to_string().contains("exit code 137"), "{error}");
        shop.assert_nothing_left();
        let cancel = CancelToken::new();
        let call = Call::new(cancel.clone(), |_| {});
        let stop = async {
            shop.partly_written().await;
            cancel.cancel();
        };
        let (dumped, ()) = futures_util::join!(shop.dump(&call), stop);
        assert_eq!(dumped.unwrap_err().kind(), BackendErrorKind::Cancelled);
        shop.assert_nothing_left();
        let dump = Box::pin(shop.dump(&silent));
        let killed = futures_util::future::select(dump, Box::pin(shop.partly_written())).await;
        assert!(matches!(killed, futures_util::future::Either::Right(_)), "it came to its end");
        drop(killed);
        assert!(shop.dumps_at_work(), "a kill leaves it");
        let discard = async |operation: &str| {
            let operation = operation.parse().unwrap();
            database.discard_partial(&stack, &shop.target, &operation, &file).await.unwrap();
        };
        discard("op-11").await;
        assert!(shop.dumps_at_work(), "it is another operation's");
        discard("op-1").await;
        shop.assert_nothing_left();

        let manifest = shop.dump(&silent).await.unwrap();
        let BackedUp::Service { server_version, .. } = &manifest.of else { panic!("{manifest:?}") };
        assert!(server_version.contains("MariaDB"), "{server_version}");
        let before = shop.sql(LOOK);
        assert!(before.contains("Zoë 🎉") && before.contains("DELETE FROM log"), "{before}");
        shop.sql(
            "DELETE FROM t; DELETE FROM big WHERE n % 2 = 0; DROP PROCEDURE p; DROP VIEW v; DROP EVENT e",
        );
        // The documented way back.
        let restore =
            r#"MYSQL_PWD=$(cat "$MYSQL_ROOT_PASSWORD_FILE") mariadb -uroot "$MYSQL_DATABASE" < /tmp/b.sql"#;
        engine.docker(&["cp", file.to_str().unwrap(), &format!("{}:/tmp/b.sql", shop.stage.id("store"))]);
        shop.stage.exec(&shop.stage.id("store"), &["sh", "-c", restore]);
        assert_eq!(shop.sql(LOOK), before);

        shop.sql("CREATE TABLE old (n INT) ENGINE=MyISAM");
        let refused = database.room(&stack, &shop.target, &file).await.unwrap_err();
        assert!(refused.to_string().contains("old (MyISAM)"), "{refused}");
    });
}

/// The server with its libraries, and busybox.
fn make_image(stage: &Stage) -> String {
    let root = stage.dir.path().join("mariadb");
    let put = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    for folder in ["tmp", "run/mysqld", "var/lib/mysql"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    let mut libraries = BTreeSet::new();
    for program in PROGRAMS.map(Path::new) {
        put(program, &root.join("bin").join(program.file_name().unwrap()));
        let said = Command::new("ldd").arg(program).output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        libraries.extend(said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from));
    }
    for library in libraries {
        put(&library, &root.join(library.strip_prefix("/").unwrap()));
    }
    put(Path::new("/bin/busybox"), &root.join("bin/busybox"));
    for applet in ["sh", "cat", "tr", "grep", "kill", "ps", "sleep"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    for name in [
        "mysql_system_tables.sql",
        "mysql_system_tables_data.sql",
        "charsets/Index.xml",
        "english/errmsg.sys",
    ] {
        put(&Path::new("/usr/share/mysql").join(name), &root.join("usr/share/mysql").join(name));
    }
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        std::fs::write(root.join(name), text).unwrap();
    };
    write("run/secrets/root", "hunter2000\n");
    write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    write("start", START);
    let image = format!("{}-mariadb:1", stage.prefix);
    let changes = ["ENV PATH=/bin", "ENV MARIADB_VERSION=10.11", "CMD [\"sh\", \"/start\"]"];
    let changes = changes.iter().flat_map(|change| ["--change", *change]);
    let args: Vec<&str> = ["import"].into_iter().chain(changes).chain(["-", &image]).collect();
    let tar = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).output().unwrap();
    let mut command = stage.engine.docker_command(&args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&tar.stdout).unwrap();
    assert!(child.wait().unwrap().success());
    image
}
