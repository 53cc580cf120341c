//! The process dies at every record of the ledger, just before it is durable or just after: then another one recovers.

use std::sync::Mutex;

use ala_promote_core::domain::{Outcome, Verb};
use ala_promote_core::engine::EngineError;
use ala_promote_core::ledger::{
    Entry, FollowError, Follower, Head, Journal, LedgerError, LedgerId, LedgerStore, MemoryLedger, Record,
    Sha256Digest, Verdict,
};
use serde_json::value::RawValue;

use crate::host::{BACK, DEPLOY, Host, request};
use crate::sweep::Ends;

/// When it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Before(usize),
    After(usize),
}

/// A ledger that answers nothing more from one append on.
#[derive(Debug)]
struct Dying {
    inner: MemoryLedger,
    death: Death,
    appends: Mutex<usize>,
}

fn dead() -> LedgerError {
    LedgerError::Poisoned { cause: "the process is dead".to_owned() }
}

impl LedgerStore for Dying {
    fn id(&self) -> &LedgerId {
        self.inner.id()
    }
    fn head(&self) -> Head {
        self.inner.head()
    }
    fn refresh(&self, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        self.inner.refresh(follower)
    }
    fn append(&self, entry: &Entry, follower: &mut dyn Follower) -> Result<Head, LedgerError> {
        let mut appends = self.appends.lock().unwrap();
        *appends += 1;
        match self.death {
            Death::Before(last) if *appends >= last => Err(dead()),
            Death::After(last) if *appends > last => Err(dead()),
            Death::After(last) if *appends == last => self.inner.append(entry, follower).and(Err(dead())),
            _ => self.inner.append(entry, follower),
        }
    }
    fn verify(&self, kept: Option<&Head>, follower: &mut dyn Follower) -> Result<Verdict, LedgerError> {
        self.inner.verify(kept, follower)
    }
    fn reserve(&self, operation: &str, bytes: u64) -> Result<(), LedgerError> {
        self.inner.reserve(operation, bytes)
    }
    fn release_reserve(&self, operation: &str) -> Result<(), LedgerError> {
        self.inner.release_reserve(operation)
    }
}

/// For counting records only.
struct Nobody;

impl Follower for Nobody {
    fn reset(&mut self) {}
    fn restore(&mut self, _: &RawValue) -> Result<(), FollowError> {
        Ok(())
    }
    fn apply(&mut self, _: &Record<&RawValue>, _: Sha256Digest) -> Result<(), FollowError> {
        Ok(())
    }
    fn snapshot(&self) -> Result<Box<RawValue>, FollowError> {
        Ok(RawValue::from_string("null".to_owned())?)
    }
}

fn records(host: &Host) -> usize {
    usize::try_from(host.ledger.open_again().refresh(&mut Nobody).unwrap().seq).unwrap()
}

/// What a dying process made of it; nothing is left of its locks but what a killed process leaves.
async fn dying(host: &Host, environment: &str, verb: Verb, death: Death) -> Result<Outcome, EngineError> {
    host.world.clock().advance(std::time::Duration::from_secs(1));
    let store = Dying { inner: host.ledger.open_again(), death, appends: Mutex::default() };
    let engine = host.builder_over(Journal::open(Box::new(store)).unwrap()).build();
    let plan = engine.plan(&request(environment, verb)).await?;
    engine.run(plan).finish(|_| {}).await
}

async fn everywhere(environment: &str, verb: Verb, prepared: impl AsyncFn() -> Host) {
    let host = prepared().await;
    let before = records(&host);
    let ends = Ends::of(&host, environment, verb.clone()).await;
    let count = records(&host) - before;
    assert!(count > 10, "{count}");
    for death in (1..=count).flat_map(|n| [Death::Before(n), Death::After(n)]) {
        let host = prepared().await;
        let died = dying(&host, environment, verb.clone(), death).await;
        assert!(matches!(died, Err(EngineError::Ledger { .. })), "{death:?}: {died:?}");
        ends.check_recovery(&host, environment, &verb, &format!("{death:?}")).await;
    }
}

#[tokio::test]
async fn of_a_promotion() {
    everywhere("production", Verb::Promote, async || {
        let host = Host::with_release(true).await;
        host.deploy("third").await;
        host
    })
    .await;
}

#[tokio::test]
async fn of_the_very_first_promotion() {
    everywhere("production", Verb::Promote, async || Host::with_release(false).await).await;
}

#[tokio::test]
async fn of_a_deployment() {
    everywhere("staging", DEPLOY, async || {
        let host = Host::with_release(false).await;
        host.world.commit(ala_promote_testkit::memory::SourceCommit::new("third"));
        host
    })
    .await;
}

#[tokio::test]
async fn of_a_rollback() {
    everywhere("production", BACK, async || Host::with_release(true).await).await;
}

/// The way back is cut too: a bad release, taken back by processes that die one after another.
#[tokio::test]
async fn of_an_unwinding() {
    let prepared = async || {
        let host = Host::with_release(true).await;
        host.world.commit(crate::host::bad_in_production("bad"));
        crate::host::committed(host.operate("staging", DEPLOY).await);
        host
    };
    let host = prepared().await;
    let (before, looked) = (records(&host), crate::host::Look::at(&host, "production", crate::host::none));
    crate::host::rolled_back(host.operate("production", Verb::Promote).await);
    let count = records(&host) - before;
    for death in (1..=count).flat_map(|n| [Death::Before(n), Death::After(n)]) {
        let host = prepared().await;
        drop(dying(&host, "production", Verb::Promote, death).await);
        for outcome in host.recover().await {
            assert!(matches!(outcome, Outcome::RolledBack { .. }), "{death:?}: {outcome:?}");
        }
        assert_eq!(crate::host::Look::at(&host, "production", crate::host::none), looked, "{death:?}");
        assert!(host.snapshots().is_empty(), "{death:?}");
        crate::host::committed(host.operate("production", BACK).await);
    }
}
