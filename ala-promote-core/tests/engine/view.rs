//! What the records come to, without any world.

use std::collections::BTreeMap;

use ala_promote_core::domain::{
    Actor, EnvironmentName, ImageId, ImageIdentity, ImageStoreKind, OperationId, Outcome, Release,
    ReleaseImage, ReleaseKind, ReleaseTag, Request, StepId, Verb,
};
use ala_promote_core::ledger::{Body, HistoryEnd, LedgerView};
use ala_promote_core::plan::{Output, Plan, StageKind};
use jiff::Timestamp;

use crate::host::{BACK, back_to};

fn actor() -> Actor {
    Actor { user: "ops".into(), host: "host.example.com".into(), pid: 1 }
}

fn release(name: &str, kind: ReleaseKind, service: &str) -> Release {
    let identity = ImageIdentity {
        id: ImageId::new(format!("sha256:{name}")),
        store: ImageStoreKind::Classic,
        layers: vec!["sha256:1".into()],
        platform: "linux/amd64".into(),
        created: None,
    };
    let image = ReleaseImage { repository: format!("repository-of-{service}"), identity, digest: None };
    Release {
        tag: ReleaseTag::new(name).unwrap(),
        kind,
        created_at: Timestamp::UNIX_EPOCH,
        images: BTreeMap::from([(service.parse().unwrap(), image)]),
        source: None,
    }
}

fn tested(name: &str) -> Release {
    release(name, ReleaseKind::Tested, "api")
}

/// A ledger in the making.
#[derive(Default)]
struct Story {
    view: LedgerView,
    operations: usize,
}

impl Story {
    /// A committed operation that finds `before` running and puts `next` in its place.
    fn commits(&mut self, environment: &str, verb: Verb, before: Option<&Release>, next: &Release) {
        self.commits_and_retires(environment, verb, before, next, &[]);
    }

    fn commits_and_retires(
        &mut self,
        environment: &str,
        verb: Verb,
        before: Option<&Release>,
        next: &Release,
        retires: &[&Release],
    ) {
        let plan = self.starts(environment, verb, before, retires);
        let step = StepId::numbered(1);
        let operation = Some(&plan.operation);
        let at = Timestamp::UNIX_EPOCH;
        self.view.apply(at, operation, &Body::StepStarted { step: step.clone() });
        let output = Output::Committed(next.clone());
        self.view.apply(at, operation, &Body::StepFinished { step, output });
        let outcome = Outcome::Committed { warnings: Vec::new() };
        self.view.apply(at, operation, &Body::OperationEnded { outcome });
    }

    fn starts(
        &mut self,
        environment: &str,
        verb: Verb,
        before: Option<&Release>,
        retires: &[&Release],
    ) -> Plan {
        self.operations += 1;
        let name: EnvironmentName = environment.parse().unwrap();
        let operation = OperationId::new(format!("operation-{}", self.operations)).unwrap();
        let mut plan = Plan::fetch(&name, "/".as_ref(), operation, Timestamp::UNIX_EPOCH);
        plan.request = Request { environment: name, verb };
        plan.stages[0].kind = StageKind::Commit;
        plan.before.release = before.cloned();
        plan.retires = retires.iter().map(|release| release.tag.clone()).collect();
        let body = Body::OperationStarted { plan: Box::new(plan.clone()), actor: actor() };
        self.view.apply(Timestamp::UNIX_EPOCH, Some(&plan.operation), &body);
        plan
    }

    fn line(&self, environment: &str) -> Vec<&str> {
        let environment =
            self.view.environments.get(environment.parse::<EnvironmentName>().as_ref().unwrap());
        environment.map(|e| e.line.iter().map(ReleaseTag::as_str).collect()).unwrap_or_default()
    }

    fn left(&self, environment: &str) -> Vec<&str> {
        let environment = &self.view.environments[&environment.parse::<EnvironmentName>().unwrap()];
        environment.left.iter().map(ReleaseTag::as_str).collect()
    }
}

fn of_three() -> (Story, [Release; 3]) {
    let releases = [tested("a"), tested("b"), tested("c")];
    let mut story = Story::default();
    let [a, b, c] = &releases;
    story.commits("production", Verb::Promote, None, a);
    story.commits("production", Verb::Promote, Some(a), b);
    story.commits("production", Verb::Promote, Some(b), c);
    assert_eq!(story.line("production"), ["a", "b", "c"]);
    (story, releases)
}

#[test]
fn a_rollback_cuts_the_line_and_a_second_one_goes_on_from_there() {
    let (mut story, [a, b, c]) = of_three();
    story.commits("production", BACK, Some(&c), &b);
    assert_eq!((story.line("production"), story.left("production")), (vec!["a", "b"], vec!["c"]));
    story.commits("production", BACK, Some(&b), &a);
    assert_eq!((story.line("production"), story.left("production")), (vec!["a"], vec!["b"]));
    story.commits("production", Verb::Promote, Some(&a), &c);
    assert_eq!((story.line("production"), story.left("production")), (vec!["a", "c"], vec![]));
}

#[test]
fn a_rollback_to_a_named_release_leaves_all_after_it() {
    let (mut story, [a, _, c]) = of_three();
    story.commits("production", back_to(&a.tag), Some(&c), &a);
    assert_eq!((story.line("production"), story.left("production")), (vec!["a"], vec!["b", "c"]));
}

#[test]
fn what_is_promoted_again_stands_in_the_line_twice_and_the_last_one_counts() {
    let (mut story, [a, b, c]) = of_three();
    story.commits("production", Verb::Promote, Some(&c), &a);
    assert_eq!(story.line("production"), ["a", "b", "c", "a"]);
    let d = tested("d");
    story.commits("production", Verb::Promote, Some(&a), &d);
    story.commits("production", BACK, Some(&d), &a);
    assert_eq!(story.line("production"), ["a", "b", "c", "a"]);
    story.commits("production", Verb::Promote, Some(&a), &a);
    assert_eq!(story.line("production"), ["a", "b", "c", "a"], "what runs is not added once more");
    story.commits("production", back_to(&b.tag), Some(&a), &b);
    assert_eq!(story.line("production"), ["a", "b"]);
    assert_eq!(story.left("production"), ["c"], "the first `a` can still be gone back to");
}

#[test]
fn what_was_found_running_becomes_a_place_to_go_back_to() {
    let (mut story, [_, b, c]) = of_three();
    let stray = release("stray", ReleaseKind::Adopted, "api");
    let d = tested("d");
    story.commits("production", Verb::Promote, Some(&stray), &d);
    assert_eq!(story.line("production"), ["a", "b", "c", "stray", "d"]);
    assert!(story.view.releases.contains_key(&stray.tag));
    story.commits("production", BACK, Some(&d), &c);
    // Somebody puts `b` back by hand: then `c` was left, as by a rollback.
    story.commits("production", Verb::Promote, Some(&b), &d);
    assert_eq!(story.line("production"), ["a", "b", "d"]);
    assert_eq!(story.left("production"), ["c"]);
}

#[test]
fn what_retires_is_forgotten_by_the_line_but_not_by_the_record() {
    let (mut story, [a, b, c]) = of_three();
    let d = tested("d");
    story.commits_and_retires("production", Verb::Promote, Some(&c), &d, &[&a, &b]);
    assert_eq!(story.line("production"), ["c", "d"]);
    assert!(story.view.releases.contains_key(&a.tag));
}

#[test]
fn a_release_keeps_what_it_was_tested_as_and_learns_the_names_of_where_it_goes() {
    let mut story = Story::default();
    let built = tested("a");
    story.commits("staging", Verb::Deploy { build: true, keep_failed: false }, None, &built);
    let there = release("a", ReleaseKind::Tested, "backend");
    story.commits("production", Verb::Promote, None, &there);
    let known = &story.view.releases[&built.tag];
    assert_eq!(known.images.len(), 2);
    assert_eq!(known.images["api"], built.images["api"]);
}

#[test]
fn tested_is_what_staging_runs_if_it_was_built_to_be_tested() {
    let staging: EnvironmentName = "staging".parse().unwrap();
    let mut story = Story::default();
    assert_eq!(story.view.tested(&staging), None);
    let (a, b) = (tested("a"), tested("b"));
    story.commits("staging", Verb::Promote, None, &a);
    story.commits("staging", Verb::Promote, Some(&a), &b);
    assert_eq!(story.view.tested(&staging), Some(&b));
    story.commits("staging", BACK, Some(&b), &a);
    assert_eq!(story.view.tested(&staging), Some(&a));
    story.commits("staging", Verb::Promote, Some(&a), &release("c", ReleaseKind::Built, "api"));
    assert_eq!(story.view.tested(&staging), None);
}

#[test]
fn what_did_not_commit_changes_no_line_and_stays_unfinished_while_it_needs_attention() {
    let (mut story, [_, _, c]) = of_three();
    let production: EnvironmentName = "production".parse().unwrap();
    let plan = story.starts("production", Verb::Promote, Some(&c), &[]);
    assert_eq!(story.view.unfinished_on(&production).unwrap().progress.plan(), &plan);
    let mut end = |outcome: Outcome| {
        let body = Body::OperationEnded { outcome };
        story.view.apply(Timestamp::UNIX_EPOCH, Some(&plan.operation), &body);
        (story.view.unfinished_on(&production).is_some(), story.view.history.last().unwrap().end.clone())
    };
    let attention = Outcome::NeedsAttention { reason: "x".into(), state: vec![], commands: vec![] };
    assert_eq!(end(attention.clone()), (true, HistoryEnd::Outcome(attention)));
    let back = Outcome::RolledBack { reason: "x".into() };
    assert_eq!(end(back.clone()), (false, HistoryEnd::Outcome(back)));
    assert_eq!(story.line("production"), ["a", "b", "c"]);
    assert_eq!(story.view.history.len(), 4);
}

#[test]
fn a_view_is_the_same_after_it_was_stored() {
    let (mut story, [_, b, c]) = of_three();
    story.commits("production", BACK, Some(&c), &b);
    story.starts("staging", Verb::Promote, None, &[]);
    let request = Request { environment: "production".parse().unwrap(), verb: Verb::Promote };
    story.view.apply(Timestamp::UNIX_EPOCH, None, &Body::NotConfirmed { request, actor: actor() });
    let text = serde_json::to_string(&story.view).unwrap();
    assert_eq!(serde_json::from_str::<LedgerView>(&text).unwrap(), story.view);
}
