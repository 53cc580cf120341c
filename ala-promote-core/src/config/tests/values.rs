//! The values that are not environments, and who wins.

use std::time::Duration;

use super::*;

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
    assert!(matches!(&settings.backup.database, DatabaseChoice::Service(name) if name.as_str() == "db"));
    assert_eq!(settings.retention, Retention { releases: 9 });
}

#[test]
fn several_databases_are_listed_once_each() {
    let two = "[[backup.databases]]\nservice = \"db\"\n[[backup.databases]]\nservice = \"reports\"\n";
    let settings = Folder::usual().config(two).settings();
    let services = ["db", "reports"].map(|name| name.parse().unwrap());
    assert_eq!(settings.backup.database, DatabaseChoice::Services(services.into()));
    for (text, expected) in [
        (two.replace("reports", "db"), "ala-promote.toml:4:11: service `db` is listed twice"),
        (format!("[backup]\nservice = \"x\"\n{two}"), "both `service = \"x\"` and [[backup.databases]]"),
        (format!("[backup]\nnone = \"x\"\n{two}"), "both [[backup.databases]] and `none`"),
        ("[[backup.databases]]\n".to_owned(), "missing field `service`"),
    ] {
        let said = Folder::usual().config(&text).refusal();
        assert!(said.contains(expected), "{text}: {said}");
    }
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
