//! A fault at a record of the ledger, then `recover`.

use super::Environment::{Production, Staging};
use super::cases::{Case, Tally, chosen, is_turn_of};
use super::load::Load;
use super::stage::{NEW, OLD, Stage, expect_tags, promoted};
use super::traced::{Fault, call_with, records};
use crate::script::{Called, call, running, started_until};

/// How many cases of an operation run by default on each engine, each on another one.
const SHARE: usize = 2;

const PROMOTE: &[&str] = &["promote-to-production", "--confirm", "production"];
const ROLLBACK: &[&str] = &["rollback", "--confirm", "production"];
const DEPLOY: &[&str] = &["deploy-staging"];

/// Promotions and rollbacks.
pub(super) fn of_moves(stage: &Stage) {
    // Clean runs: how many records there are, and that it works at all.
    let before = records(&stage.sample);
    call(&stage.sample, PROMOTE).expect(0, &[]);
    let promoted = records(&stage.sample);
    call(&stage.sample, ROLLBACK).expect(0, &[]);
    let (promote, rollback) = (promoted - before, records(&stage.sample) - promoted);
    staging_is_free(stage);
    let engine = stage.sample.engine();
    if is_turn_of(engine, "promote") {
        moves(stage, "promote", PROMOTE, promote, OLD);
    }
    if is_turn_of(engine, "rollback") {
        moves(stage, "rollback", ROLLBACK, rollback, NEW);
    }
}

fn cases(scenario: &str, records: usize) -> Vec<(String, usize, Fault)> {
    let faults =
        |record| Fault::ALL.map(|fault| (format!("{scenario}/record-{record}:{fault}"), record, fault));
    (1..=records).flat_map(faults).collect()
}

/// The cases that are chosen.
fn chosen_of(stage: &Stage, scenario: &str, records: usize) -> Vec<(String, usize, Fault)> {
    let all = cases(scenario, records);
    let names = all.iter().map(|(name, ..)| name.clone()).collect();
    let chosen = chosen(stage.sample.engine(), names, SHARE);
    all.into_iter().filter(|(name, ..)| chosen.contains(name)).collect()
}

/// Faults of an operation on production, which runs the release `before`.
fn moves(stage: &Stage, scenario: &str, line: &[&str], records: usize, before: &str) {
    let (sample, mut tally) = (&stage.sample, Tally::new(stage.sample.engine(), scenario));
    for (name, record, fault) in chosen_of(stage, scenario, records) {
        let _case = Case(&name);
        bring_to(stage, before);
        let (staging, load) = (running(sample, Staging), Load::on(sample, Production));
        let ended = call_with(sample, line, record, fault);
        if fault.kills() && (2..records).contains(&record) {
            call(sample, line).expect(7, &["ala-promote recover"]);
        }
        let said = settle(stage, &ended, fault);
        load.expect_only(&[OLD, NEW]);
        let found = stage.production_runs();
        expect_true(&said, found == before);
        assert_eq!(load.settled(), found);
        assert_eq!(running(sample, Staging), staging, "staging was touched");
        tally.count();
        println!("{name}: runs {found}");
    }
    bring_to(stage, before);
    call(sample, line).expect(0, &[]);
    assert_ne!(stage.production_runs(), before);
}

/// While production waits for `recover`, staging can be deployed.
fn staging_is_free(stage: &Stage) {
    let mut promotion = started_until(&stage.sample, PROMOTE, "\"action\":\"swap\"");
    promotion.kill().expect("it is killed");
    promotion.wait().expect("it is gone");
    call(&stage.sample, &["deploy-staging", "--skip-build"]).expect(0, &[]);
    call(&stage.sample, &["ala-promote", "recover"]).expect(0, &["as it was"]);
    assert_eq!(stage.production_runs(), OLD);
}

fn bring_to(stage: &Stage, version: &str) {
    if stage.production_runs() != version {
        call(&stage.sample, if version == OLD { ROLLBACK } else { PROMOTE }).expect(0, &[]);
    }
}

/// Deployments of releases that were not seen before, the fetch of their source included.
pub(super) fn of_deployments(stage: &Stage) {
    let (sample, mut tally) = (&stage.sample, Tally::new(stage.sample.engine(), "deploy-staging"));
    let mut current = "3.0.0".to_owned();
    sample.release(&current).expect("a release");
    let before = records(sample);
    call(sample, DEPLOY).expect(0, &[]);
    let records = records(sample) - before;
    for (number, (name, record, fault)) in chosen_of(stage, "deploy", records).into_iter().enumerate() {
        let _case = Case(&name);
        let next = format!("3.{}.0", number + 1);
        let (old, production) = (promoted(sample, Staging), running(sample, Production));
        sample.release(&next).expect("a release");
        let load = Load::on(sample, Staging);
        let ended = call_with(sample, DEPLOY, record, fault);
        let said = settle(stage, &ended, fault);
        load.expect_only(&[&current, &next]);
        let found = promoted(sample, Staging);
        expect_tags(sample, Staging, &found);
        let version = load.settled();
        expect_true(&said, version == current);
        assert_eq!(version == current, found == old);
        assert!(version == current || found.iter().all(|(service, id)| old[service] != *id), "{found:?}");
        assert_eq!(running(sample, Production), production, "production was touched");
        println!("{name}: runs {version}");
        current = version;
        tally.count();
    }
    sample.release("4.0.0").expect("a release");
    call(sample, DEPLOY).expect(0, &[]);
}

/// Recovers until nothing is left to recover; what was said last of the operation.
fn settle(stage: &Stage, ended: &Called, fault: Fault) -> Called {
    let sample = &stage.sample;
    if fault.kills() {
        assert_eq!(ended.code, None, "it was to be killed: {}", ended.text);
    } else {
        assert!(matches!(ended.code, Some(0 | 1 | 5 | 6)), "{:?}: {}", ended.code, ended.text);
    }
    let recovered = call(sample, &["ala-promote", "recover"]);
    recovered.expect(0, &[]);
    call(sample, &["ala-promote", "history", "--verify"]).expect(0, &[]);
    let before = (running(sample, Staging), running(sample, Production), records(sample));
    call(sample, &["ala-promote", "recover"]).expect(0, &["Nothing to recover"]);
    let after = (running(sample, Staging), running(sample, Production), records(sample));
    assert_eq!(after, before, "a second recovery did something");
    let nothing = recovered.text.contains("Nothing to recover");
    if nothing && !fault.kills() { Called { code: ended.code, text: ended.text.clone() } } else { recovered }
}

/// What was said is what is.
#[track_caller]
fn expect_true(said: &Called, is_old: bool) {
    let text = &said.text;
    assert!(!text.contains("as it was before") || is_old, "said to be put back, but is not: {text}");
    assert!(!text.contains("✅ Production runs") || !is_old, "said to be done, but is not: {text}");
    assert!(said.code != Some(5) || is_old, "exit code 5, but it is not as it was: {text}");
}
