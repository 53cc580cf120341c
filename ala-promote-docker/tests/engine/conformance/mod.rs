//! The testkit's conformance suite on each engine, with every claim.

mod home;
mod tree;

use std::collections::BTreeSet;
use std::sync::Arc;

use ala_promote_docker::DockerBackend;
use ala_promote_testkit::conformance::{Case, Claim, Fixture, Report, Subject, all, run_some};
use async_trait::async_trait;

use super::database::IMAGE;
use super::registry_server::Registry;
use super::support::{Stage, TestEngine, block_on, engines, side_by_side, skip};
use home::{Home, HomeGuard, Shared};

/// How many cases run side by side on an engine, besides one about its database.
const AT_ONCE: usize = 3;

#[test]
fn docker_does_what_the_ports_say() {
    let engines = engines();
    let reports = side_by_side(&engines, |engine| {
        let report = report(engine);
        eprintln!("Docker Engine {}: {report}", engine.name);
        report
    });
    reports.iter().for_each(Report::assert_ok);
}

/// All cases on one engine. Those about the database that its fixtures share stand in a row.
fn report(engine: &TestEngine) -> Report {
    let docker = Docker::new(engine);
    let (in_a_row, others): (Vec<Case>, Vec<Case>) =
        all().into_iter().partition(|case| case.needs.contains(&Claim::Databases));
    let nth = |n| others.iter().copied().skip(n).step_by(AT_ONCE).collect();
    let mut parts: Vec<Vec<Case>> = (0..AT_ONCE).map(nth).collect();
    parts.push(in_a_row);
    let reports = side_by_side(&parts, |cases| block_on(report_on(&docker, cases)));
    let mut report = Report::default();
    reports.into_iter().for_each(|part| report.add(part));
    let count = report.held.len() + report.violated.len() + report.not_claimed.len();
    assert_eq!(count, all().len(), "a case was run twice or not at all: {report}");
    report
}

/// Some of the cases, all on one backend: connecting anew for each would ask Compose for its version each time.
async fn report_on(docker: &Docker, cases: &[Case]) -> Report {
    let backend = Arc::new(docker.engine.backend().await);
    run_some(&Connected { docker, backend }, cases.iter().copied()).await
}

/// One engine, and what its fixtures share.
struct Docker {
    engine: TestEngine,
    claims: BTreeSet<Claim>,
    shared: Shared,
    database: Option<Arc<Home>>,
}

impl Docker {
    fn new(engine: &TestEngine) -> Self {
        let still = Stage::new(engine);
        still.image(&still.reference("still"), "still", &[]);
        let mut claims = BTreeSet::from(Claim::ALL);
        let registry = Registry::is_here().then(|| {
            let mut registry = Registry::new(engine);
            registry.start(None);
            registry
        });
        if registry.is_none() {
            claims.remove(&Claim::Pulls);
        }
        let shared = Shared { still, registry };
        let has_database = engine.try_docker(&["image", "inspect", IMAGE]).status.success();
        if !has_database {
            skip(&format!("{IMAGE} is not on Docker Engine {}", engine.name));
            claims.remove(&Claim::Databases);
        }
        let database = has_database.then(|| Arc::new(Home::with_database(engine, &shared)));
        Self { engine: engine.clone(), claims, shared, database }
    }
}

/// A connected backend as a subject.
struct Connected<'a> {
    docker: &'a Docker,
    backend: Arc<DockerBackend>,
}

#[async_trait]
impl Subject for Connected<'_> {
    fn claims(&self) -> BTreeSet<Claim> {
        self.docker.claims.clone()
    }

    async fn fixture(&self, needs: &[Claim]) -> Result<Fixture, String> {
        let Docker { engine, shared, database, .. } = self.docker;
        let home = match database {
            Some(database) if needs.contains(&Claim::Databases) => Arc::clone(database),
            _ => Arc::new(Home::new(engine, shared, needs)),
        };
        Ok(HomeGuard::fixture(home, Arc::clone(&self.backend), needs))
    }
}
