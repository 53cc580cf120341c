//! The values that are not environments, and who wins.

use std::time::Duration;

use super::*;
use crate::domain::{BackupCommand, UrlDatabase};

#[test]
fn all_values_as_written() {
    let folder = Folder::usual().config(
        r#"
        state_dir = "../state"
        engine.address = "10.0.0.7"
        [services.backend]
        display = "The Backend"
        promoted = false
        health_path = "/api/health"
        [health]
        timeout = "2m"
        window = "10s"
        interval = "250ms"
        patience = "20s"
        [backup]
        dir = "/srv/backups"
        service = "db"
        [retention]
        releases = 9
        "#,
    );
    let settings = folder.settings();
    assert_eq!(settings.state_dir, parent_of(&folder.dir).join("state"));
    assert_eq!(settings.engine_address.as_deref(), Some("10.0.0.7"));
    let backend = &settings.services["backend"];
    assert_eq!(backend.display.as_deref(), Some("The Backend"));
    assert_eq!((backend.promoted, backend.health_path.as_deref()), (Some(false), Some("/api/health")));
    let health = HealthSettings {
        timeout: Duration::from_secs(120),
        window: Duration::from_secs(10),
        interval: Duration::from_millis(250),
        patience: Duration::from_secs(20),
    };
    assert_eq!(settings.health, health);
    assert_eq!(settings.backup.dir, Path::new("/srv/backups"));
    assert!(
        matches!(&settings.backup.database, DatabaseChoice::One(DatabaseSettings::Service(n)) if n.as_str() == "db")
    );
    assert_eq!(settings.retention, Retention { releases: 9 });
}

#[test]
fn several_databases_are_listed_once_each() {
    let two = "[[backup.databases]]\nservice = \"db\"\n[[backup.databases]]\nservice = \"reports\"\n";
    let settings = Folder::usual().config(two).settings();
    let services = ["db", "reports"].map(|name| DatabaseSettings::Service(name.parse().unwrap()));
    assert_eq!(settings.backup.database, DatabaseChoice::Listed(services.into()));
    for (text, expected) in [
        (two.replace("reports", "db"), "ala-promote.toml:4:11: `db` is listed twice"),
        (format!("[backup]\nservice = \"x\"\n{two}"), "both `service = \"x\"` and [[backup.databases]]"),
        (format!("[backup]\nnone = \"x\"\n{two}"), "both [[backup.databases]] and `none`"),
        ("[[backup.databases]]\n".to_owned(), "1:1: a database needs `service`, `url_env` or `command`"),
    ] {
        let said = Folder::usual().config(&text).refusal();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn a_database_outside_of_the_stack() {
    let keys = "url_env = \"DATABASE_URL\"\nimage = \"postgres:16\"\n";
    let url = |network: Option<&str>| {
        DatabaseSettings::Url(UrlDatabase {
            url_env: "DATABASE_URL".into(),
            image: "postgres:16".parse().unwrap(),
            network: network.map(str::to_owned),
        })
    };
    let database = |text: &str| Folder::usual().config(text).settings().backup.database;
    assert_eq!(database(&format!("[backup]\n{keys}")), DatabaseChoice::One(url(None)));
    let listed = format!("[[backup.databases]]\n{keys}network = \"host\"\n");
    assert_eq!(database(&listed), DatabaseChoice::Listed(vec![url(Some("host"))]));
    for (text, expected) in [
        (
            "url_env = \"DATABASE_URL\"",
            "2:11: `url_env` needs `image`: the image that pg_dump runs in | of the server",
        ),
        ("image = \"postgres:16\"", "2:9: a database needs `service`, `url_env` or `command`"),
        (&format!("{keys}network = \"none\""), "4:11: `none` is no network"),
        (&format!("{keys}network = \"container:db\""), "4:11: `container:db` is no network"),
        (&format!("{keys}timeout = \"1m\""), "4:11: `timeout` means nothing beside `url_env`"),
        (&format!("{keys}service = \"db\""), "2:11: one database has both `service` and `url_env`"),
        (&format!("{keys}none = \"x\""), "[backup] has both `url_env` and `none`"),
        (&keys.replace("16", "16:x"), "3:9: `postgres:16:x`: "),
    ] {
        let said = Folder::usual().config(&format!("[backup]\n{text}")).refusal();
        assert!(said.contains(expected), "{text}: {said}");
    }
    // A URL in the place of its key is not repeated.
    let pasted = keys.replace("DATABASE_URL", "postgres://ala:hunter2000@db.example.com/ala");
    let said = Folder::usual().config(&format!("[backup]\n{pasted}")).refusal();
    assert!(said.contains("the key of the env file") && !said.contains("hunter2000"), "{said}");
}

#[test]
fn a_command_of_the_team_s_own() {
    let keys = "name = \"mongo.archive\"\ncommand = [\"./dump\", \"--all\"]\n";
    let command = |seconds| {
        DatabaseSettings::Command(BackupCommand {
            name: "mongo.archive".parse().unwrap(),
            command: vec!["./dump".into(), "--all".into()],
            timeout: Duration::from_secs(seconds),
        })
    };
    let database = |text: &str| Folder::usual().config(text).settings().backup.database;
    assert_eq!(database(&format!("[backup]\n{keys}")), DatabaseChoice::One(command(3600)));
    let listed = format!("[[backup.databases]]\n{keys}timeout = \"30m\"\n");
    assert_eq!(database(&listed), DatabaseChoice::Listed(vec![command(1800)]));
    for (text, expected) in [
        ("command = [\"./dump\"]", "2:11: `command` needs `name`"),
        ("name = \"x\"\ncommand = []", "3:11: the command has no program"),
        ("name = \"../x\"\ncommand = [\"a\"]", "2:8: backup `../x` does not start with"),
        (&format!("{keys}timeout = \"0s\""), "4:11: 0s is not between 1s and 6h"),
        (&format!("{keys}image = \"x\""), "4:9: `image` means nothing beside `command`"),
    ] {
        let said = Folder::usual().config(&format!("[backup]\n{text}")).refusal();
        assert!(said.contains(expected), "{text}: {said}");
    }
    let twice = format!("[[backup.databases]]\nservice = \"mongo.archive\"\n[[backup.databases]]\n{keys}");
    let said = Folder::usual().config(&twice).refusal();
    assert!(said.contains("4:8: `mongo.archive` is listed twice"), "{said}");
}

#[test]
fn no_backup_for_a_reason() {
    let settings = Folder::usual().config("[backup]\nnone = \" derived data \"").settings();
    assert_eq!(settings.backup.database, DatabaseChoice::None { reason: "derived data".into() });
}

#[test]
fn overrides_win_over_environment_over_file() {
    let folder = Folder::usual().config("state_dir = \"a\"\n[engine]\naddress = \"file.example.com\"");
    let mut env = BTreeMap::new();
    let mut overrides = Overrides::default();
    let address = |env: &BTreeMap<String, String>, overrides: &Overrides| {
        Settings::load(&folder.dir, env, overrides)
            .map(|s| s.engine_address.unwrap())
            .map_err(|e| e.to_string())
    };
    assert_eq!(address(&env, &overrides).as_deref(), Ok("file.example.com"));
    env.insert(ENGINE_ADDRESS_VARIABLE.to_owned(), String::new());
    assert_eq!(address(&env, &overrides).as_deref(), Ok("file.example.com"));
    env.insert(ENGINE_ADDRESS_VARIABLE.to_owned(), "::1".to_owned());
    assert_eq!(address(&env, &overrides).as_deref(), Ok("[::1]"));
    overrides.engine_address = Some("given.example.com".to_owned());
    assert_eq!(address(&env, &overrides).as_deref(), Ok("given.example.com"));

    overrides.engine_address = None;
    env.insert(ENGINE_ADDRESS_VARIABLE.to_owned(), "a b".to_owned());
    assert_eq!(
        address(&env, &overrides).unwrap_err(),
        "environment variable ALA_PROMOTE_ENGINE_ADDRESS: `a b` is neither a host name nor an IP address"
    );

    let overrides = Overrides { state_dir: Some("b".into()), ..Overrides::default() };
    let settings = Settings::load(&folder.dir, &BTreeMap::new(), &overrides).unwrap();
    assert_eq!(settings.state_dir, folder.path("b"));
    let overrides = Overrides { state_dir: Some("..".into()), ..Overrides::default() };
    let error = Settings::load(&folder.dir, &BTreeMap::new(), &overrides).unwrap_err().to_string();
    assert!(error.starts_with("override state_dir: the state folder "), "{error}");
}

#[test]
fn a_reason_has_words() {
    for line in ["mounted_code = \" … \"", "built_differently = { \"build.target\" = \"…\" }"] {
        let refused = Folder::usual().config(&format!("[isolation]\n{line}\n")).refusal();
        assert!(refused.contains("the reason has no words"), "{refused}");
    }
}

#[test]
fn how_an_environment_stands_beside_another() {
    let folder = Folder::usual().config(
        "[environments.staging]\nbeside = { image_suffix = \"-staging\", env_files = { \".env\" = \"x/own.env\" } }\n\
         [isolation]\nbuilt_differently = { \"build.target\" = \" the same files \" }\n",
    );
    let settings = folder.settings();
    let beside = settings.environments["staging"].beside.as_ref().unwrap();
    assert_eq!((beside.image_suffix.as_deref(), &beside.container_suffix), (Some("-staging"), &None));
    let pair = (&folder.dir.join(".env"), &folder.dir.join("x/own.env"));
    assert_eq!(beside.env_files.iter().collect::<Vec<_>>(), [pair]);
    assert_eq!(settings.isolation.built_differently["build.target"], "the same files");
    let refused =
        Folder::usual().config("[environments.staging]\nbeside = { image_suffix = \"a/b\" }").refusal();
    let expected =
        "ala-promote.toml:2:27: `image_suffix` is made of letters, digits, `-`, `_` and `.`, such as";
    assert!(refused.starts_with(expected), "{refused}");
}
