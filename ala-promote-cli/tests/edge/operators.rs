//! Two operators at once, holders that die, locks that are taken away.

use std::process::Stdio;
use std::time::Instant;

use ala_promote_demo::is_torture;

use super::stack::{Running, Stack, on_every_engine};
use super::tests::{PROMOTE, tested};

/// How often the race is run; all of it where everything is to be tried.
fn rounds() -> usize {
    if is_torture() { 25 } else { 2 }
}

#[test]
fn two_operators() {
    on_every_engine(|stack| {
        let started = Instant::now();
        two_folders_one_mutator(stack);
        stack.held("two folders begin at once", rounds(), started);
        let (code, text) = stack.run("deploy");
        assert_eq!(code, 0, "{text}");
        let started = Instant::now();
        two_processes_one_mutator(stack);
        stack.held("two processes begin at once", rounds(), started);
        a_dead_holder_is_followed_by_recover_alone(stack);
        a_lock_that_is_taken_away_stops_its_holder(stack);
    });
}

/// Both begin at one moment: their exit codes, and all that they printed.
fn race(one: &Stack<'_>, other: &Stack<'_>, line: &str) -> [(i32, String); 2] {
    let at_once = [one, other].map(|stack| stack.start(line, Stdio::null()));
    at_once.map(Running::end)
}

/// Nothing runs yet, so both may begin; one does, and the other one has changed nothing.
fn two_folders_one_mutator(stack: &Stack<'_>) {
    for round in 0..rounds() {
        let folders = [&stack.twin(), &stack.twin()];
        for (number, folder) in folders.iter().enumerate() {
            folder.version(&format!("of folder {number} in round {round}"));
        }
        let ended = race(folders[0], folders[1], "deploy-staging");
        let codes = [ended[0].0, ended[1].0];
        let winner = match codes {
            [0, 3 | 11] => 0,
            [3 | 11, 0] => 1,
            _ => panic!("one of the two must win: {ended:?}"),
        };
        let loser = folders[1 - winner];
        // The fetch of the source, which touches the own folder alone, is an operation of its own.
        let is_deployment =
            |record: &&String| record.contains("operation-started") && !record.contains("fetch");
        let began = loser.records().iter().any(|record| is_deployment(&record));
        assert!(!began, "who lost has changed something: {:?}", loser.records());
        let page =
            stack.docker(&["exec", &stack.container("staging"), "/bin/busybox", "cat", "/www/index.html"]);
        assert!(page.contains(&format!("of folder {winner} in round {round}")), "{page}: {ended:?}");
        stack.docker(&["rm", "-f", &stack.container("staging")]);
    }
}

/// One after the other, or one alone.
fn two_processes_one_mutator(stack: &Stack<'_>) {
    for round in 0..rounds() {
        stack.version(&format!("of round {round}"));
        let ended = race(stack, stack, "deploy-staging");
        assert!(ended.iter().any(|(code, _)| *code == 0), "{ended:?}");
        for (code, text) in &ended {
            let said = match code {
                0 => "✅ Frontend healthy",
                11 => "Another operation is in progress: ",
                _ => "what this plan was made for has changed since",
            };
            assert!(text.contains(said), "{ended:?}");
        }
        expect_one_after_the_other(&stack.records());
    }
    let (code, text) = stack.run("ala-promote history --verify");
    assert_eq!(code, 0, "{text}");
}

/// No operation begins while another one is open.
fn expect_one_after_the_other(records: &[String]) {
    let mut open = false;
    for record in records {
        if record.contains("\"record\":\"operation-started\"") {
            assert!(!open, "two operations at once: {records:?}");
            open = true;
        } else if record.contains("\"record\":\"operation-ended\"") {
            open = false;
        }
    }
}

fn a_dead_holder_is_followed_by_recover_alone(stack: &Stack<'_>) {
    tested(stack, "whose promotion dies");
    let before = stack.image();
    let running = stack.start(PROMOTE, Stdio::null());
    running.until("✅ Containers restarted");
    running.signal("KILL");
    let (_, text) = running.end();
    assert_ne!(stack.image(), before, "{text}");
    for line in [PROMOTE, "rollback --confirm production", "deploy"] {
        let (code, text) = stack.run(line);
        assert_eq!(code, 7, "{text}");
        assert!(text.contains("ala-promote recover"), "{text}");
    }
    // Another folder is refused for what runs, before it asks for any lock.
    let (code, text) = stack.twin().run("deploy");
    assert_eq!(code, 3, "{text}");
    assert!(text.contains(&stack.dir().display().to_string()), "whose it is must be told: {text}");
    let (code, text) = stack.run("ala-promote recover");
    assert_eq!(code, 0, "{text}");
    assert_eq!(stack.image(), before, "{text}");
}

fn a_lock_that_is_taken_away_stops_its_holder(stack: &Stack<'_>) {
    tested(stack, "whose lock is taken away");
    let before = stack.image();
    let running = stack.start(PROMOTE, Stdio::null());
    running.until("✅ Prerequisites OK");
    stack.docker(&["rm", "-f", &format!("ala-promote-lock-{}", stack.project("production"))]);
    let (code, text) = running.end();
    assert_eq!(code, 6, "{text}");
    assert!(text.contains("The lock was lost") && text.contains("ala-promote recover"), "{text}");
    let (code, text) = stack.run("ala-promote recover");
    assert_eq!(code, 0, "{text}");
    assert_eq!(stack.image(), before, "{text}");
}
