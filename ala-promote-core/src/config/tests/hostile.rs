//! Input that nobody wrote in good faith, or that a disk made.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

#[test]
fn files_that_are_no_config_file() {
    let folder = Folder::usual();
    let config = folder.path(CONFIG_FILE);

    fs::create_dir(&config).unwrap();
    assert_eq!(folder.refusal(), "ala-promote.toml is a directory, not a config file");
    fs::remove_dir(&config).unwrap();

    symlink(CONFIG_FILE, &config).unwrap();
    let error = folder.load().unwrap_err();
    assert_eq!(error.kind(), SettingsErrorKind::Unusable);
    assert_eq!(error.to_string(), format!("{} can't be read", config.display()));
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("symbolic links"));
    fs::remove_file(&config).unwrap();

    symlink("nowhere", &config).unwrap();
    assert_eq!(folder.refusal(), "ala-promote.toml is a symbolic link that leads nowhere");
    fs::remove_file(&config).unwrap();

    rustix::fs::mknodat(rustix::fs::CWD, &config, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(folder.refusal(), "ala-promote.toml is not a regular file");
    fs::remove_file(&config).unwrap();

    folder.write(CONFIG_FILE, "#".repeat(1024 * 1024 + 1));
    assert_eq!(
        folder.refusal(),
        "ala-promote.toml is larger than 1 MiB; that is no config file of ala-promote"
    );
    folder.write(CONFIG_FILE, "#".repeat(1024 * 1024));
    assert!(folder.load().is_ok());

    folder.write(CONFIG_FILE, b"# ok\n# \xe9\n");
    assert_eq!(folder.refusal(), "ala-promote.toml:2:3: the file is not UTF-8 | save it as UTF-8 text");

    folder.write(CONFIG_FILE, "\u{feff}version = 1\r\n[health]\r\nwindow = \"6s\"\r\n");
    assert_eq!(folder.settings().health.window.as_secs(), 6);
}

#[test]
fn a_link_to_a_config_file_is_followed() {
    let folder = Folder::usual();
    folder.write("shared.toml", "[retention]\nreleases = 7");
    symlink("shared.toml", folder.path(CONFIG_FILE)).unwrap();
    assert_eq!(folder.settings().retention.releases, 7);
}

#[test]
fn messages_are_short_and_cannot_steer_a_terminal() {
    let refusal = Folder::usual().config("\"\\u001b[2Jx\" = 1").refusal();
    assert!(!refusal.contains('\u{1b}'), "{refusal:?}");
    let refusal = Folder::usual().config("[backup]\nservice = \"a\\u001b[31m\"").refusal();
    assert_eq!(
        refusal,
        "ala-promote.toml:2:11: service `a\\u{1b}[31m` has characters other than letters, digits, `-`, `_` and `.`"
    );
    let long = "k".repeat(500_000);
    let refusal = Folder::usual().config(&format!("{long} = 1")).refusal();
    assert!(refusal.chars().count() < 500, "{}", refusal.chars().count());
}

#[test]
fn deep_nesting_is_an_error() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a{} = 1", ".a".repeat(100_000)),
        format!("[a{}]", ".a".repeat(100_000)),
    ] {
        assert!(Folder::usual().config(&text).refusal().starts_with("ala-promote.toml:1:"));
    }
}

#[test]
fn many_environments_are_settled_in_time() {
    let tables: Vec<_> = (0..2000)
        .map(|i| format!("[environments.e{i}]\nfiles = [\"docker-compose.yml\"]\nproject = \"p{i}\"\n"))
        .collect();
    let folder = Folder::usual().config(&tables.concat());
    let start = std::time::Instant::now();
    assert_eq!(folder.settings().environments.len(), 2000);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn folders_that_cant_be_worked_on() {
    let load =
        |dir: &Path| Settings::load(dir, &BTreeMap::new(), &Overrides::default()).unwrap_err().to_string();
    assert_eq!(load(Path::new("app")), "app is not an absolute path");
    assert_eq!(load(Path::new("/nowhere")), "/nowhere is no folder");
    assert!(load(Path::new(OsStr::from_bytes(b"/\xff"))).ends_with("has a path that is not UTF-8"));
    assert!(load(Path::new("/a\nb")).ends_with("has a path with control characters"));
}

#[test]
fn a_folder_is_taken_by_the_name_it_was_given() {
    let folder = Folder::usual();
    let link = parent_of(&folder.dir).join("current");
    symlink("app", &link).unwrap();
    let settings = Settings::load(&link.join("./x/.."), &BTreeMap::new(), &Overrides::default())
        .map(|s| s.dir)
        .unwrap_err();
    assert!(settings.to_string().ends_with("is no folder"));
    let settings = Settings::load(&link, &BTreeMap::new(), &Overrides::default()).unwrap();
    assert_eq!(settings.dir, link);
    assert_eq!(settings.backup.dir, parent_of(&folder.dir).join("backups"));
}

/// Texts that are nearly a config: known keys and tables with values of all kinds.
fn nearly_config() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "version",
        "state_dir",
        "address",
        "dir",
        "files",
        "env_file",
        "project",
        "from",
        "map",
        "protected",
        "display",
        "promoted",
        "health_path",
        "timeout",
        "window",
        "interval",
        "patience",
        "service",
        "none",
        "releases",
        "[engine]",
        "[environments.staging]",
        "[environments.production]",
        "[environments.qa]",
        "[services.api]",
        "[health]",
        "[backup]",
        "[retention]",
        "[[environments]]",
        "[environments.production.map]",
    ]);
    let value = prop_oneof![
        Just("1".to_owned()),
        Just("true".to_owned()),
        Just("\"staging\"".to_owned()),
        Just("\"production\"".to_owned()),
        Just("\"..\"".to_owned()),
        Just("\"5s\"".to_owned()),
        Just("[\"docker-compose.yml\"]".to_owned()),
        Just("{ api = \"web\" }".to_owned()),
        "[\"'a-z0-9./~ \\\\\\[\\]{}=\u{1b}é-]{0,12}",
        any::<i64>().prop_map(|i| i.to_string()),
    ];
    let line = (key, value).prop_map(|(key, value)| {
        if key.starts_with('[') { format!("{key}\n") } else { format!("{key} = {value}\n") }
    });
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_config_panics(text in prop_oneof![nearly_config(), any::<String>()]) {
        let folder = Folder::usual().config(&text);
        if let Err(error) = folder.load() {
            let shown = folder.shown(&error);
            prop_assert!(!shown.chars().any(char::is_control), "{shown:?}");
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = Folder::usual();
        folder.write(CONFIG_FILE, bytes);
        let _ = folder.load();
    }
}
