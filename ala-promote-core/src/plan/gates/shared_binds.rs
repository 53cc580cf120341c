//! Environments write to no folder or database file of the host that another one has too: two database servers on one data
//! directory destroy it, and what staging deletes of production's uploads is gone.

use std::collections::BTreeSet;
use std::path::Path;

use super::lines::seen_in_both;
use super::mounted_code;
use crate::config::ConfigLine;
use crate::domain::{Bind, Render, ServiceName, Verb};
use crate::plan::{Finding, ObservedEnvironment, PlanInput, Severity};

const GATE: &str = "isolation";
/// Where containers have what belongs to the system, configuration, logs: not data of the application.
const NOT_DATA: [&str; 12] = [
    "/etc",
    "/usr/lib",
    "/usr/share/zoneinfo",
    "/usr/local/share/ca-certificates",
    "/var/log",
    "/var/run",
    "/run",
    "/dev",
    "/sys",
    "/proc",
    "/tmp",
    "/docker-entrypoint-initdb.d",
];
/// Ends of names of files that are databases.
const DATABASE_FILES: [&str; 4] = ["db", "sqlite", "sqlite3", "mdb"];

/// A mount, and which service has it.
type Mounted<'a> = (&'a ServiceName, &'a Bind);

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    let between = |other: &ObservedEnvironment| {
        // The same words whichever of the two is asked about.
        let mut pair = [&target.render, &other.render];
        pair.sort_by_key(|render| &render.stack.environment);
        between(input, pair[0], pair[1])
    };
    let mut findings: Vec<Finding> = input.others().filter_map(|(_, other)| between(other)).collect();
    // A rollback starts what ran before as it ran.
    if matches!(input.request.verb, Verb::Rollback { .. }) {
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Note);
    }
    findings
}

fn between(input: &PlanInput<'_>, a: &Render, b: &Render) -> Option<Finding> {
    let shared = shared(input, a, b);
    let names = paths(shared.iter().map(|(ours, _)| ours.1));
    let what = names.join(", ");
    let (one, other) = (&a.stack.environment, &b.stack.environment);
    let finding = Finding::refuse(GATE, format!("{one} and {other} mount the same data of the host: {what}"));
    let finding = shared.iter().fold(finding, |finding, (ours, theirs)| {
        let path = |mounted: &Mounted<'_>| format!("services.{}.volumes", mounted.0);
        seen_in_both(finding, (a, &path(ours)), (b, &path(theirs)))
    });
    let finding = finding.each_seen_once();
    let both = shared.iter().flat_map(|(ours, theirs)| [ours.1, theirs.1]);
    let line = ConfigLine::new(&["isolation"], "shared_binds", paths(both));
    let harmless = "if neither can break it for the other";
    (!shared.is_empty()).then(|| {
        finding
            .mend(
                "give each a path of its own, by a variable of the env files; or mount it with `:ro` where it is only \
                 read",
            )
            .mend_in_config(&format!("or, {harmless}, say so"), [line.if_so(harmless)])
    })
}

/// Data of both that is one, or lies in the other, and which the one may break for the other.
fn shared<'a>(input: &PlanInput<'_>, a: &'a Render, b: &'a Render) -> Vec<(Mounted<'a>, Mounted<'a>)> {
    let on_purpose = &input.settings.isolation.shared_binds;
    let is_shared = |(ours, theirs): &(Mounted<'_>, Mounted<'_>)| {
        let (one, other) = (&ours.1.source, &theirs.1.source);
        // Who only reads what lies above sees more than he minds: a monitor that has the whole host.
        let meet = one == other
            || (one.starts_with(other) && !theirs.1.read_only)
            || (other.starts_with(one) && !ours.1.read_only);
        let is_on_purpose = on_purpose.contains(one) && on_purpose.contains(other);
        meet && !is_on_purpose && is_written(input, (a, ours.1), (b, theirs.1))
    };
    let pairs = data(a).flat_map(|ours| data(b).map(move |theirs| (ours, theirs)));
    pairs.filter(is_shared).collect()
}

/// Each path once, in order.
fn paths<'a>(binds: impl Iterator<Item = &'a Bind>) -> Vec<String> {
    let paths: BTreeSet<String> = binds.map(|bind| bind.source.display().to_string()).collect();
    paths.into_iter().collect()
}

/// What a stack mounts of the host that may be data: folders and files of databases, but not code, which is another
/// gate's, nor what has its place in the system.
fn data(render: &Render) -> impl Iterator<Item = Mounted<'_>> {
    render.services.iter().flat_map(|(service, spec)| {
        let is_data = |bind: &&Bind| !mounted_code::is_mounted(bind, spec) && may_be_data(bind);
        spec.binds.iter().filter(is_data).map(move |bind| (service, bind))
    })
}

fn may_be_data(bind: &Bind) -> bool {
    let is_database = || {
        let end = bind.source.extension().and_then(|end| end.to_str());
        end.is_some_and(|end| DATABASE_FILES.contains(&end))
    };
    let is_of_the_system = NOT_DATA.iter().any(|place| Path::new(&bind.target).starts_with(place));
    (bind.is_folder && !is_of_the_system) || (!bind.is_folder && is_database())
}

/// Whether the one may break it for the other: both write, or the one does whose data is not precious.
fn is_written(input: &PlanInput<'_>, a: (&Render, &Bind), b: (&Render, &Bind)) -> bool {
    let is_protected = |render: &Render| {
        input.settings.environments.get(&render.stack.environment).is_some_and(|e| e.protected)
    };
    match (a.1.read_only, b.1.read_only) {
        (true, true) => false,
        (false, false) => true,
        (false, true) => !is_protected(a.0) || is_protected(b.0),
        (true, false) => !is_protected(b.0) || is_protected(a.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_told_from_configuration_and_the_system() {
        let bind = |source: &str, target: &str, is_folder| Bind {
            source: source.into(),
            target: target.into(),
            read_only: false,
            is_folder,
        };
        for (source, target, is_folder, expected) in [
            ("/srv/pgdata", "/var/lib/postgresql/data", true, true),
            ("/srv/uploads", "/app/uploads", true, true),
            ("/srv/uploads", "/usr/src/app/uploads", true, true),
            ("/srv/app.sqlite3", "/app/app.sqlite3", false, true),
            ("/srv/nginx.conf", "/etc/nginx/nginx.conf", false, false),
            ("/srv/conf.d", "/etc/nginx/conf.d", true, false),
            ("/srv/logs", "/var/log/app", true, false),
            ("/var/run/docker.sock", "/var/run/docker.sock", false, false),
            ("/srv/settings.yml", "/app/settings.yml", false, false),
        ] {
            assert_eq!(may_be_data(&bind(source, target, is_folder)), expected, "{source}");
        }
    }
}
