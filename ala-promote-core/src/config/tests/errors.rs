//! What people read when the config file is wrong.

use super::*;

#[track_caller]
fn refused(config: &str, expected: &str) {
    assert_eq!(Folder::usual().config(config).refusal(), expected);
}

#[test]
fn unknown_keys_with_the_nearest_known_one() {
    refused("\n\n\n[helth]\n", "ala-promote.toml:4:2: unknown key `helth`; did you mean `health`?");
    refused(
        "[health]\n  timeuot = \"2m\"",
        "ala-promote.toml:2:3: unknown key `timeuot`; did you mean `timeout`?",
    );
    refused(
        "[environments.qa]\ndir = \"x\"\nenvfile = \"y\"",
        "ala-promote.toml:3:1: unknown key `envfile`; did you mean `env_file`?",
    );
    refused("backup.servce = \"db\"", "ala-promote.toml:1:8: unknown key `servce`; did you mean `service`?");
    refused(
        "[services.api]\n\"displya\" = \"A\"",
        "ala-promote.toml:2:1: unknown key `displya`; did you mean `display`?",
    );
    refused("[engine]\nurl = \"x\"", "ala-promote.toml:2:1: unknown key `url` | known keys here: address");
    refused(
        "[retention]\nweeks = 3",
        "ala-promote.toml:2:1: unknown key `weeks` | known keys here: releases",
    );
}

#[test]
fn types() {
    refused(
        "[health]\ntimeout = 90",
        "ala-promote.toml:2:11: invalid type: integer `90`, expected a duration such as \"90s\" or \"2m\"",
    );
    refused(
        "backup = \"none\"",
        "ala-promote.toml:1:10: invalid type: string \"none\", expected a table: [backup] with `dir`, and `service = \
         \"db\"`, [[backup.databases]] or `none = \"<the reason>\"`",
    );
    refused(
        "health = 5",
        "ala-promote.toml:1:10: invalid type: integer `5`, expected a table: [health] with `timeout`, \
         `window`, `interval`, `patience`",
    );
}

#[test]
fn syntax() {
    refused("[health\n", "ala-promote.toml:1:8: unclosed table, expected `]`");
    refused("a = 1\na = 2\n", "ala-promote.toml:2:1: duplicate key");
}

#[test]
fn durations() {
    refused(
        "[health]\nwindow = \"fast\"",
        "ala-promote.toml:2:10: `fast` is no duration; write it as \"90s\", \"2m\", \"1m30s\" or \"500ms\"",
    );
    refused("[health]\ntimeout = \"9000h\"", "ala-promote.toml:2:11: 9000h is not between 1s and 1h");
    refused("[health]\ntimeout = \"0s\"", "ala-promote.toml:2:11: 0s is not between 1s and 1h");
    refused("[health]\nwindow = \"1h\"", "ala-promote.toml:2:10: 1h is not between 1s and 15m");
    refused("[health]\ninterval = \"1ms\"", "ala-promote.toml:2:12: 1ms is not between 100ms and 1m");
    refused(
        "[health]\ninterval = \"5s\"\ntimeout = \"3s\"",
        "ala-promote.toml:2:12: the interval 5s is longer than the timeout 3s",
    );
}

#[test]
fn names_of_things() {
    refused("[environments.\"\"]\n", "ala-promote.toml:1:15: environment `` is empty");
    refused(
        "[environments.\"../x\"]\n",
        "ala-promote.toml:1:15: environment `../x` does not start with a letter, a digit or `_`",
    );
    refused(
        "[backup]\nservice = \"the db\"",
        "ala-promote.toml:2:11: service `the db` has characters other than letters, digits, `-`, `_` and `.`",
    );
    refused(
        "[environments.staging]\nproject = \"MyApp\"",
        "ala-promote.toml:2:11: Compose takes `MyApp` for no project name: lower-case letters, digits, `-` and `_`, the \
         first a letter or a digit",
    );
}

#[test]
fn paths() {
    refused("state_dir = \"\"", "ala-promote.toml:1:13: the path is empty");
    refused("state_dir = \"a\\u0000b\"", "ala-promote.toml:1:13: the path has control characters");
    refused(
        "[backup]\ndir = \"~/backups\"",
        "ala-promote.toml:2:7: `~` is not expanded here; write `~/backups` as an absolute path",
    );
    for above in [".", "..", "/", "../app"] {
        let refusal = Folder::usual().config(&format!("state_dir = \"{above}\"")).refusal();
        assert!(refusal.contains("would hold the folder itself | name a folder"), "{refusal}");
    }
    refused(
        "[environments.staging]\nfiles = [\"docker-compose.yml\", \"typo.yml\"]",
        "ala-promote.toml:2:32: environment `staging`: there is no file typo.yml",
    );
    refused(
        "[environments.staging]\nfiles = [\"docker-compose.yml\", \"./docker-compose.yml\"]",
        "ala-promote.toml:2:32: environment `staging`: docker-compose.yml is listed twice",
    );
    refused(
        "[environments.staging]\nfiles = []",
        "ala-promote.toml:2:9: environment `staging`: `files` lists no file",
    );
    refused(
        "[environments.staging]\ndir = \"../gone\"",
        "ala-promote.toml:2:7: environment `staging`: there is no folder /gone",
    );
}

#[test]
fn backup_and_retention_and_services() {
    refused(
        "[backup]\nnone = \"  \"",
        "ala-promote.toml:2:8: the text is empty | say why no backup is needed: it is shown in every plan",
    );
    refused(
        "[backup]\nnone = \"no data\"\nservice = \"db\"",
        "ala-promote.toml:2:8: [backup] has both `service = \"db\"` and `none`; only one can be meant",
    );
    for releases in ["1", "-1", "1001", "9223372036854775807"] {
        let refusal = Folder::usual().config(&format!("[retention]\nreleases = {releases}")).refusal();
        assert!(refusal.contains(&format!(":2:12: {releases} is not between 2 and 1000 | ")), "{refusal}");
    }
    refused("[services.api]\ndisplay = \"\"", "ala-promote.toml:2:11: the text is empty");
    refused(
        "[services.api]\nhealth_path = \"api/health\"",
        "ala-promote.toml:2:15: `api/health` is no path of a URL: it must start with one `/`, such as `/api/health`",
    );
    refused(
        "[engine]\naddress = \"http://10.0.0.1\"",
        "ala-promote.toml:2:11: `http://10.0.0.1` is a URL; give the host name or IP address only",
    );
}

#[test]
fn a_newer_format_is_refused_before_its_keys_are() {
    let folder = Folder::usual().config("version = 2\n[hyperdrive]\n");
    let error = folder.load().unwrap_err();
    assert_eq!(error.kind(), SettingsErrorKind::NewerFormat);
    assert_eq!(
        folder.shown(&error),
        "ala-promote.toml:1:11: this file has format version 2; this ala-promote knows version 1 | install the \
         ala-promote that this file was written for"
    );
    refused("version = 0", "ala-promote.toml:1:11: there is no format version 0");
    assert!(Folder::usual().config("version = 1").load().is_ok());
}

#[test]
fn an_environment_that_is_not_there() {
    let folder = Folder::with(&["docker-compose.yml"]);
    let error = folder.settings().environment(&name("staging")).unwrap_err();
    assert_eq!(error.kind(), SettingsErrorKind::NotFound);
    assert_eq!(
        folder.shown(&error),
        "there is no environment `staging` in /app: looked for docker-compose.staging.yml, docker-compose.staging.yaml, \
         docker-compose-staging.yml, docker-compose-staging.yaml, compose.staging.yaml, compose.staging.yml, \
         compose-staging.yaml, compose-staging.yml, docker-compose.stage.yml, docker-compose.stage.yaml, \
         docker-compose-stage.yml, docker-compose-stage.yaml, compose.stage.yaml, compose.stage.yml, compose-stage.yaml, \
         compose-stage.yml (known: production) | create docker-compose.staging.yml, or say in ala-promote.toml under \
         [environments.staging] what it is"
    );
    // One Compose file with an env file for each.
    let folder = Folder::with(&["docker-compose.yml", ".env", ".env.stage"]);
    let hint = folder.settings().environment(&name("staging")).unwrap_err().hint().unwrap();
    let lines = "[environments.staging]\nfiles = [\"docker-compose.yml\"]\nenv_file = \".env.stage\"\n\n\
                 [environments.production]\nfiles = [\"docker-compose.yml\"]";
    assert!(
        hint.starts_with("if it is the same Compose files with .env.stage, ") && hint.ends_with(lines),
        "{hint}"
    );
    let settings = folder.config(lines).settings();
    assert_eq!(settings.environments["production"].from, Some(name("staging")));

    let error = Folder::usual().settings().environment(&name("qa")).unwrap_err().to_string();
    assert!(error.ends_with("app (known: production, staging)"), "{error}");
}
