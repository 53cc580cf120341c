//! Which environments come out, and how.

use super::*;
use crate::domain::ServiceName;

#[test]
fn by_convention_alone() {
    let folder = Folder::usual();
    let settings = folder.settings();
    assert_eq!(names(&settings), ["production", "staging"]);

    let staging = env(&settings, "staging");
    let overlay = folder.path("docker-compose.staging.yml");
    assert_eq!(staging.files, ComposeFiles::OverlayOn { overlay, base: name("production") });
    assert_eq!(staging.env_file, Some(folder.path(".env.staging")));
    assert_eq!((&staging.from, staging.protected), (&None, false));

    let production = env(&settings, "production");
    assert_eq!(production.files, ComposeFiles::AsRunning);
    assert_eq!(production.env_file, Some(folder.path(".env")));
    assert_eq!((&production.from, production.protected), (&Some(name("staging")), true));
    assert_eq!(production.dir, folder.dir);

    assert_eq!(settings.state_dir, folder.path(".ala-promote"));
    assert_eq!(settings.backup.dir, parent_of(&folder.dir).join("backups"));
    assert_eq!(settings.backup.database, DatabaseChoice::Detect);
}

#[test]
fn without_a_staging_file_there_is_only_production() {
    let settings = Folder::with(&["compose.yaml"]).settings();
    assert_eq!(names(&settings), ["production"]);
    assert_eq!(env(&settings, "production").from, None);
    assert_eq!(env(&settings, "production").env_file, None);
}

#[test]
fn the_env_file_is_named_where_one_is_meant() {
    let folder = Folder::with(&["compose.staging.yaml"]);
    folder.write("compose.yaml", "image: api:${TAG}");
    let settings = folder.settings();
    assert_eq!(env(&settings, "production").env_file, Some(folder.path(".env")));
    assert_eq!(
        env(&settings, "staging").env_file,
        Some(folder.path(".env.staging")),
        "the base's variables count"
    );
}

#[test]
fn a_chain_of_environments() {
    let folder = Folder::usual().config(
        "[environments.qa]\nfrom = \"staging\"\nmap = { api = \"qa-api\" }\n\
         [environments.production]\nfrom = \"qa\"\nproject = \"live\"",
    );
    folder.write("docker-compose.qa.yml", "");
    folder.write(".env.qa", "");
    let settings = folder.settings();
    assert_eq!(names(&settings), ["production", "qa", "staging"]);
    let (qa, production) = (env(&settings, "qa"), env(&settings, "production"));
    assert_eq!((qa.from.as_ref(), qa.protected), (Some(&name("staging")), false));
    assert_eq!(qa.map.get("qa-api").map(ServiceName::as_str), Some("api"));
    assert_eq!(qa.env_file, Some(folder.path(".env.qa")));
    assert_eq!((production.from.as_ref(), production.protected), (Some(&name("qa")), true));
    assert_eq!(production.project.as_ref().map(AsRef::as_ref), Some("live"));
    assert_eq!(settings.promoted_from(&name("qa")).count(), 1);
}

#[test]
fn an_environment_in_its_own_folder_is_what_runs_there() {
    let folder = Folder::usual().config(
        "[environments.demo]\ndir = \"../demo\"\nfrom = \"production\"\n[environments.staging]\nenv_file = \"s.env\"",
    );
    folder.write("../demo/compose.yaml", "");
    folder.write("../demo/.env", "");
    let settings = folder.settings();
    let demo = env(&settings, "demo");
    assert_eq!((&demo.files, &demo.dir), (&ComposeFiles::AsRunning, &parent_of(&folder.dir).join("demo")));
    assert_eq!(demo.env_file, Some(demo.dir.join(".env")));
    assert!(demo.protected, "nothing comes from it");
    assert!(env(&settings, "production").protected, "although another comes from it");
    assert_eq!(env(&settings, "staging").env_file, Some(folder.path("s.env")));
}

#[test]
fn production_elsewhere_leaves_the_folder_to_staging() {
    let folder = Folder::with(&["compose.yaml", "../live/compose.yaml", "../live/.env", ".env"])
        .config("[environments.production]\ndir = \"../live\"\n[environments.staging]\n");
    let settings = folder.settings();
    let staging = env(&settings, "staging");
    assert_eq!(staging.files, ComposeFiles::AsRunning);
    assert_eq!(staging.env_file, Some(folder.path(".env")));
    assert_eq!(env(&settings, "production").from, Some(name("staging")));

    folder.write("compose.staging.yaml", "");
    assert_eq!(
        folder.refusal(),
        "ala-promote.toml:3:1: environment `staging`: no environment has the Compose files of this folder, so \
         compose.staging.yaml would be laid over nothing | list all its `files` under [environments.staging]"
    );
}

#[test]
fn names_of_their_own_bring_no_production_along() {
    let folder = Folder::with(&["compose.yaml", "compose.test.yaml", ".env", ".env.test"])
        .config("[environments.test]\n[environments.live]\nfrom = \"test\"\n");
    let settings = folder.settings();
    assert_eq!(names(&settings), ["live", "test"]);
    let (live, test) = (env(&settings, "live"), env(&settings, "test"));
    assert_eq!((&live.files, live.protected), (&ComposeFiles::AsRunning, true));
    assert_eq!(file_name(live.env_file.as_ref()), Some(".env"));
    let overlay = folder.path("compose.test.yaml");
    assert_eq!(test.files, ComposeFiles::OverlayOn { overlay, base: name("live") });
    assert_eq!((file_name(test.env_file.as_ref()), test.protected), (Some(".env.test"), false));
}

#[test]
fn names_of_their_own_in_folders_of_their_own() {
    let folder = Folder::usual().config(
        "[environments.test]\ndir = \"../test\"\n[environments.live]\ndir = \"../live\"\nfrom = \"test\"",
    );
    folder.write("../test/compose.yaml", "");
    folder.write("../live/compose.yaml", "");
    assert_eq!(names(&folder.settings()), ["live", "test"]);
}

#[test]
fn the_folders_own_files_under_another_name_stand_in_for_production() {
    let folder =
        Folder::usual().config("[environments.live]\nfiles = [\"docker-compose.yml\"]\nfrom = \"staging\"");
    let settings = folder.settings();
    assert_eq!(names(&settings), ["live", "staging"]);
    let overlay = folder.path("docker-compose.staging.yml");
    assert_eq!(env(&settings, "staging").files, ComposeFiles::OverlayOn { overlay, base: name("live") });
}

#[test]
fn an_environment_without_files_is_refused_by_the_names_looked_for() {
    let refusal =
        Folder::with(&["compose.yaml"]).config("\n[environments.staging]\nproject = \"s\"").refusal();
    assert!(
        refusal.starts_with(
            "ala-promote.toml:2:1: environment `staging` has no Compose file; looked in /app for \
             docker-compose.staging.yml, "
        ),
        "{refusal}"
    );
    assert!(refusal.ends_with("set `files` or `dir` under [environments.staging]"), "{refusal}");
}

#[test]
fn origins_that_are_unknown_or_circular() {
    let refusal = |config: &str| Folder::usual().config(config).refusal();
    assert_eq!(
        refusal("[environments.production]\nfrom = \"stagin\""),
        "ala-promote.toml:2:8: environment `production` comes `from` an unknown environment `stagin`; did you mean \
         `staging`? | known are: production, staging; `stagin` would take [environments.stagin]"
    );
    assert_eq!(
        refusal("[environments.staging]\nfrom = \"production\""),
        "ala-promote.toml:2:8: environments come `from` one another in a circle: production from staging from production"
    );
    assert_eq!(
        refusal("[environments.staging]\nfrom = \"staging\""),
        "ala-promote.toml:2:8: environments come `from` one another in a circle: staging from staging"
    );
    let lone =
        Folder::with(&["compose.yaml"]).config("[environments.production]\nfrom = \"staging\"").refusal();
    assert!(lone.contains("`staging` would take one of docker-compose.staging.yml, "), "{lone}");
}

#[test]
fn two_environments_that_would_be_one_stack() {
    let refusal = |config: &str| Folder::usual().config(config).refusal();
    assert_eq!(
        refusal("[environments.staging]\nproject = \"ala\"\n[environments.production]\nproject = \"ala\""),
        "ala-promote.toml:2:11: environments `production` and `staging` have the same Compose project `ala`: each would \
         replace the other's containers | give each its own `project`"
    );
    let folder = Folder::usual().config(
        "[environments.a]\ndir = \"../x\"\nfrom = \"staging\"\n[environments.b]\ndir = \"../y/../x\"\nfrom = \"staging\"",
    );
    folder.write("../x/compose.yaml", "");
    assert_eq!(
        folder.refusal(),
        "ala-promote.toml:4:1: environments `a` and `b` are the same stack in /x | give one of them its own `dir`, \
         `files` or `project`"
    );
    assert!(
        refusal(
            "[environments.a]\nfiles = [\"docker-compose.yml\"]\nenv_file = \".env\"\n\
             [environments.b]\nfiles = [\"docker-compose.yml\"]\nenv_file = \".env\""
        )
        .contains("environments `a` and `b` are the same stack")
    );
}

#[test]
fn pairs_of_services() {
    let refusal = |config: &str| Folder::usual().config(config).refusal();
    assert_eq!(
        refusal("[environments.staging.map]\na = \"b\""),
        "ala-promote.toml:2:5: environment `staging` has a `map`, but comes `from` nowhere"
    );
    assert_eq!(
        refusal("[environments.production.map]\na = \"x\"\nb = \"x\""),
        "ala-promote.toml:3:5: environment `production`: `map` pairs service `x` with both `a` and `b`"
    );
}
