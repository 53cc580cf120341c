//! `[[hooks]]`.

use std::time::Duration;

use super::*;
use crate::domain::{HookMoment, Verb};

const LEAST: &str = "[[hooks]]\nname = \"migrate\"\nenvironment = \"production\"\nat = \"before-swap\"\n";

fn with(rest: &str) -> Folder {
    Folder::usual().config(&format!("{LEAST}{rest}"))
}

#[test]
fn as_written_and_by_default() {
    let folder = with(
        r#"command = ["./migrate", "up"]
        [[hooks]]
        name = "migrate"
        environment = "staging"
        at = "after-swap"
        on = ["rollback"]
        service = "backend"
        command = ["./migrate", "--all"]
        undo = ["./migrate", "down"]
        timeout = "1h30m"
        "#,
    );
    let settings = folder.settings();
    let [first, second] = settings.hooks.as_slice() else { panic!("{:?}", settings.hooks) };
    assert_eq!((first.hook.name.as_str(), first.environment.as_str()), ("migrate", "production"));
    assert_eq!((first.at, first.hook.timeout), (HookMoment::BeforeSwap, Duration::from_secs(300)));
    assert_eq!((&first.hook.service, &first.hook.undo), (&None, &None));
    assert_eq!(first.hook.command, ["./migrate", "up"]);
    let verbs =
        [Verb::Promote, Verb::Deploy { build: true, keep_failed: false }, Verb::Rollback { to: None }];
    assert_eq!(verbs.each_ref().map(|verb| first.runs_on(verb)), [true, true, false]);
    assert_eq!(verbs.each_ref().map(|verb| second.runs_on(verb)), [false, false, true]);
    assert_eq!(second.hook.undo.as_deref(), Some(["./migrate".to_owned(), "down".to_owned()].as_slice()));
    assert_eq!(second.hook.timeout, Duration::from_secs(5400));
    assert!(second.place.to_string().ends_with("ala-promote.toml:11:19"), "{}", second.place);
    assert_eq!(settings.hooks_of(&name("staging")).count(), 1);
}

#[test]
fn what_can_t_be_meant_is_refused_with_its_place() {
    for (rest, expected) in [
        ("", "missing field `command`"),
        ("command = []", "ala-promote.toml:5:11: the command has no program | a list of program"),
        ("command = [\"\"]", "the command has no program"),
        ("command = [\"a\\nb\"]", "the command has control characters"),
        ("command = \"./migrate up\"", "expected a sequence"),
        ("command = [\"x\"]\nat = \"before-swap\"", "duplicate key"),
        ("command = [\"x\"]\non = []", "ala-promote.toml:6:6: a hook with an empty `on` would never run"),
        ("command = [\"x\"]\non = [\"fetch\"]", "unknown variant `fetch`"),
        ("command = [\"x\"]\ntimeout = \"0s\"", "0s is not between 1s and 6h"),
        ("command = [\"x\"]\nundo = []", "ala-promote.toml:6:8: the command has no program"),
        ("command = [\"x\"]\nsevice = \"db\"", "unknown key `sevice`; did you mean `service`?"),
    ] {
        let said = with(rest).refusal();
        assert!(said.contains(expected), "{rest}: {said}");
    }
    let said =
        Folder::usual().config(&format!("{LEAST}command = [\"x\"]").replace("production", "prodution"));
    let expected = "ala-promote.toml:3:15: there is no environment `prodution`; did you mean `production`?";
    assert!(said.refusal().starts_with(expected), "{}", said.refusal());
    let twice = format!("{LEAST}command = [\"x\"]\n{LEAST}command = [\"y\"]\n");
    let said = Folder::usual().config(&twice).refusal();
    assert_eq!(said, "ala-promote.toml:7:8: production has two hooks of the name `migrate`");
}
