//! Several stacks in one folder.

use super::*;

const APP: &str = "[environments.staging]\nfiles = [\"app.staging.yml\"]\nproject = \"app-staging\"\n\
                   [environments.production]\nfiles = [\"app.yml\"]\nproject = \"app\"\n";

fn folder() -> Folder {
    let folder = Folder::with(&["app.yml", "app.staging.yml", "worker.yml", "worker.staging.yml"]);
    folder.write("ala-promote.app.toml", APP);
    folder.write("ala-promote.worker.toml", APP.replace("app", "worker"));
    folder
}

impl Folder {
    fn load_stack(&self, name: &str) -> Result<Settings, SettingsError> {
        let overrides = Overrides { stack: Some(name.to_owned()), ..Overrides::default() };
        Settings::load(&self.dir, &BTreeMap::new(), &overrides)
    }

    fn stack_refusal(&self, name: &str) -> String {
        self.shown(&self.load_stack(name).expect_err("was taken"))
    }
}

#[test]
fn each_has_a_state_and_backups_of_its_own() {
    let folder = folder();
    let (app, worker) = (folder.load_stack("app").unwrap(), folder.load_stack("worker").unwrap());
    assert_eq!(app.state_dir, folder.path(".ala-promote.app"));
    assert_eq!(worker.state_dir, folder.path(".ala-promote.worker"));
    assert_eq!(app.backup.dir, parent_of(&folder.dir).join("backups/app"));
    assert_ne!(app.ledger_home(), worker.ledger_home());
    assert_eq!(env(&worker, "production").project.as_ref().map(AsRef::as_ref), Some("worker"));
    // One without a name may stand beside them.
    folder.write("ala-promote.toml", APP.replace("app", "main"));
    folder.write("main.yml", "");
    folder.write("main.staging.yml", "");
    let main = folder.settings();
    assert_eq!(
        (main.state_dir.clone(), main.ledger_home()),
        (folder.path(".ala-promote"), folder.dir.clone())
    );
}

#[test]
fn which_one_is_meant_is_not_guessed() {
    let folder = folder();
    let refusal = folder.shown(&folder.load().expect_err("was taken"));
    assert!(refusal.contains("holds several stacks: --stack app, --stack worker | say which"), "{refusal}");
    let refusal = folder.stack_refusal("wroker");
    assert!(refusal.contains("ala-promote.wroker.toml is not there"), "{refusal}");
    assert!(refusal.contains("known: --stack app, --stack worker"), "{refusal}");
    assert!(folder.stack_refusal("../x").contains("`../x` is no name"));
    assert!(
        find_dir(Some(&folder.dir), Path::new("/"), None).is_ok(),
        "such configs make it a folder to work on"
    );
}

#[test]
fn none_meets_another() {
    let refusal = |name: &str, text: &str| {
        let folder = folder();
        folder.write("ala-promote.worker.toml", text);
        folder.stack_refusal(name)
    };
    let worker = APP.replace("app", "worker");
    for name in ["worker", "app"] {
        let shared = refusal(name, &format!("state_dir = \".ala-promote.app\"\n{worker}"));
        assert!(shared.contains(".ala-promote.app is that of ala-promote."), "{shared}");
        let shared = refusal(name, &worker.replace("\"worker\"", "\"app-staging\""));
        assert!(shared.contains("Compose project `app-staging` is that of `"), "{shared}");
    }
    // What is not said would be found in the folder of all.
    for (gone, missing) in
        [("project = \"worker\"\n", "its `project`"), ("files = [\"worker.yml\"]\n", "its `files`")]
    {
        let text = worker.replace(gone, "");
        let said = refusal("worker", &text);
        assert!(
            said.contains(&format!(
                "environment `production`: of several stacks in one folder, each says {missing}"
            )),
            "{said}"
        );
    }
    assert!(refusal("worker", "").contains("says nothing of its environments"));
    // Nor is the staging file of another taken.
    let folder = folder();
    folder.write("docker-compose.staging.yml", "");
    let (_, production) = worker.split_once("[environments.production]").unwrap();
    folder.write("ala-promote.worker.toml", format!("[environments.production]{production}"));
    assert!(folder.stack_refusal("worker").contains("`staging` would be an environment of this stack"));
    // A broken one beside it could claim anything.
    assert!(refusal("app", "[environments").contains("ala-promote.worker.toml:1:"));
}
