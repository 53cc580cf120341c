//! Environments share nothing that one could break for the other, as far as their renders can tell.
//!
//! A rollback starts what ran before with the configuration that there is, so that only what it moves is held against it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::lines::seen_in_both;
use crate::config::{ConfigLine, ConfigValue};
use crate::domain::{ImageReference, PortMapping, Render, Resource, ServiceName, StackChange, Verb};
use crate::plan::changes::contested_images;
use crate::plan::ports::{collide, wanted_ports};
use crate::plan::{Finding, ObservedEnvironment, PlanInput, Severity};

const GATE: &str = "isolation";
/// Offsets of ports that are tried for the line that moves them, the one that people can best do in their heads first.
const OFFSETS: [u16; 8] = [10000, 20000, 30000, 1000, 2000, 5000, 40000, 100];

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    let between = |other| {
        // The same words whichever of the two is asked about.
        let mut pair = [target, other];
        pair.sort_by_key(|environment| &environment.render.stack.environment);
        between(input, pair[0], pair[1])
    };
    input.others().flat_map(|(_, other)| between(other)).collect()
}

fn between(input: &PlanInput<'_>, a: &ObservedEnvironment, b: &ObservedEnvironment) -> Vec<Finding> {
    let (ra, rb) = (&a.render, &b.render);
    let mut findings = Vec::new();
    findings.extend(same_container_names(input, ra, rb));
    findings.extend(same_ports(input, ra, rb));
    findings.extend(same_resources("volume", (ra, &ra.volumes), (rb, &rb.volumes)).map(|(name, keys)| {
        both(ra, rb, &format!("use the same volume {name}"))
            .seen(keys)
            .mend("give each a volume of its own name")
    }));
    findings.extend(same_networks(ra, rb, &input.settings.isolation.shared_networks));
    findings.extend(same_databases(a, b));
    findings.extend(foreign_env_files(ra, rb));
    findings.extend(foreign_env_files(rb, ra));
    if matches!(input.request.verb, Verb::Rollback { .. }) {
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Note);
    }
    findings.extend(same_project(ra, rb));
    findings.extend(same_images(input, ra, rb));
    findings
}

fn both(a: &Render, b: &Render, what: &str) -> Finding {
    Finding::refuse(GATE, format!("{} and {} {what}", a.stack.environment, b.stack.environment))
}

fn at(render: &Render, path: &str) -> String {
    format!("{}: {}", render.stack.environment, render.places.locate(path))
}

fn same_project(a: &Render, b: &Render) -> Option<Finding> {
    (a.stack.project == b.stack.project).then(|| {
        both(a, b, &format!("are the same Compose project, {}", a.stack.project))
            .mend("set COMPOSE_PROJECT_NAME in one of the env files, or `project` in ala-promote.toml")
    })
}

fn same_container_names(input: &PlanInput<'_>, ra: &Render, rb: &Render) -> Option<Finding> {
    let (ours, theirs) = (container_names(ra), container_names(rb));
    let shared: Vec<_> =
        ours.iter().filter_map(|(name, service)| Some((*name, service, theirs.get(name)?))).collect();
    let names: Vec<_> = shared.iter().map(|(name, ..)| *name).collect();
    let what = match names.as_slice() {
        [] => return None,
        [name] => format!("both name a container {name}"),
        names => format!("both name containers {}", names.join(", ")),
    };
    let finding = shared.iter().fold(both(ra, rb, &what), |finding, (_, ours, theirs)| {
        seen_at(finding, "container_name", (ra, ours), (rb, theirs))
    });
    let finding = finding.mend("give each a container_name of its own, or none");
    let value = |moved: &Render| Some(format!("-{}", moved.stack.environment).into());
    Some(or_beside(finding, input, (ra, rb), "container_suffix", value))
}

fn container_names(render: &Render) -> BTreeMap<&str, &ServiceName> {
    let services = render.services.iter();
    services.filter_map(|(service, spec)| Some((spec.container_name.as_deref()?, service))).collect()
}

fn same_ports(input: &PlanInput<'_>, ra: &Render, rb: &Render) -> Option<Finding> {
    let shared: Vec<_> = wanted_ports(ra)
        .filter_map(|(service, port)| {
            let (other, _) = wanted_ports(rb).find(|(_, p)| collide(p, port))?;
            Some((port.published?, service, other))
        })
        .collect();
    let numbers: Vec<_> = shared.iter().map(|(published, ..)| published.to_string()).collect();
    let what = match numbers.as_slice() {
        [] => return None,
        [number] => format!("both publish port {number}"),
        numbers => format!("both publish ports {}", numbers.join(", ")),
    };
    let pairs: BTreeSet<_> = shared.iter().map(|(_, ours, theirs)| (ours, theirs)).collect();
    let finding = pairs.into_iter().fold(both(ra, rb, &what), |finding, (ours, theirs)| {
        seen_at(finding, "ports", (ra, ours), (rb, theirs))
    });
    let finding = finding
        .mend("publish other ports in one of them; Compose appends an overlay's `ports` to the base's");
    let value = |moved: &Render| Some(free_offset(input, moved)?.into());
    Some(or_beside(finding, input, (ra, rb), "port_offset", value))
}

/// Adds where both say it; the key alone where no file is known to.
fn seen_at(finding: Finding, key: &str, a: (&Render, &ServiceName), b: (&Render, &ServiceName)) -> Finding {
    let path = |service: &ServiceName| format!("services.{service}.{key}");
    let known = finding.evidence.len();
    let finding = seen_in_both(finding, (a.0, &path(a.1)), (b.0, &path(b.1)));
    if finding.evidence.len() == known { finding.seen(path(a.1)) } else { finding }
}

/// Adds the line that moves one of two environments out of the other's way, if there is one: that whose data is not
/// precious.
fn or_beside(
    finding: Finding,
    input: &PlanInput<'_>,
    (a, b): (&Render, &Render),
    key: &str,
    value: impl Fn(&Render) -> Option<ConfigValue>,
) -> Finding {
    let is_protected = |render: &Render| {
        input.settings.environments.get(&render.stack.environment).is_some_and(|e| e.protected)
    };
    let is_moved = |render: &Render| render.stack.environment == input.request.environment;
    let moved = match (is_protected(a), is_protected(b)) {
        (true, false) => b,
        (false, true) => a,
        _ if is_moved(b) => b,
        _ => a,
    };
    let Some(value) = value(moved) else { return finding };
    let name = &moved.stack.environment;
    let line = ConfigLine::new(&["environments", name.as_str(), "beside"], key, value);
    // Which of two that are alike is to be moved, people know.
    let line = match is_protected(a) == is_protected(b) {
        true => line.if_so(format!("if {name} is the one to be moved")),
        false => line,
    };
    finding.mend_in_config(&format!("or move {name}'s"), [line])
}

/// An offset by which all ports that another environment has too come to lie where none has any.
fn free_offset(input: &PlanInput<'_>, moved: &Render) -> Option<u16> {
    let as_written = |(service, port): (&ServiceName, &PortMapping)| {
        let was = moved.stack.changes.iter().find_map(|change| match change {
            StackChange::PortMoved { service: of, port: was, to }
                if of == service && port.published == Some(*to) =>
            {
                Some(was)
            }
            _ => None,
        });
        was.unwrap_or(port).clone()
    };
    let own: Vec<PortMapping> = wanted_ports(moved).map(as_written).collect();
    let environments = input.observed.environments.iter();
    let others = environments.filter(|(name, _)| **name != moved.stack.environment);
    let theirs: Vec<&PortMapping> =
        others.flat_map(|(_, other)| wanted_ports(&other.render)).map(|(_, port)| port).collect();
    let is_theirs = |port: &PortMapping| theirs.iter().any(|other| collide(port, other));
    let is_free = |offset: &u16| {
        own.iter().filter(|port| is_theirs(port)).all(|port| {
            let to = port.published.and_then(|published| published.checked_add(*offset));
            let there = PortMapping { published: to, ..port.clone() };
            to.is_some() && !is_theirs(&there) && !own.iter().any(|own| collide(own, &there))
        })
    };
    OFFSETS.into_iter().find(is_free)
}

fn same_images(input: &PlanInput<'_>, a: &Render, b: &Render) -> Vec<Finding> {
    let moved = |reference: &ImageReference| {
        let finding = both(a, b, &format!("use the same image reference {reference}"));
        let uses = |render: &Render| {
            let mut services = render.services.iter();
            let user = services
                .find(|(_, spec)| spec.image.as_ref().is_some_and(|image| image.is_same_name(reference)));
            user.map_or_else(String::new, |(service, _)| format!("services.{service}.image"))
        };
        let finding = seen_in_both(finding, (a, &uses(a)), (b, &uses(b)))
            .mend(format!("set `image:` in the overlay, such as {}:staging", reference.repository()));
        let value = |moved: &Render| Some(format!("-{}", moved.stack.environment).into());
        or_beside(finding, input, (a, b), "image_suffix", value)
    };
    contested_images(input.settings, a, b).iter().map(moved).collect()
}

fn same_resources<'a>(
    kind: &'a str,
    (ra, a): (&'a Render, &'a BTreeMap<String, Resource>),
    (rb, b): (&'a Render, &'a BTreeMap<String, Resource>),
) -> impl Iterator<Item = (String, String)> + 'a {
    a.iter().filter_map(move |(key, resource)| {
        let shared = b.iter().find(|(_, other)| other.name == resource.name)?;
        let at = |render: &Render, key: &str| render.places.locate(&format!("{kind}s.{key}"));
        Some((resource.name.clone(), format!("{} and {}", at(ra, key), at(rb, shared.0))))
    })
}

/// A shared network is a danger where a name on it could mean either environment's service.
fn same_networks(a: &Render, b: &Render, on_purpose: &BTreeSet<String>) -> Vec<Finding> {
    let joined = |render: &Render, name: &str| -> BTreeSet<ServiceName> {
        let key = |k: &String| render.networks.get(k).is_some_and(|n| n.name == name);
        let joins = |spec: &crate::domain::ServiceSpec| spec.networks.iter().any(key);
        render.services.iter().filter(|(_, spec)| joins(spec)).map(|(service, _)| service.clone()).collect()
    };
    same_resources("network", (a, &a.networks), (b, &b.networks))
        .map(|(name, keys)| {
            let (ours, theirs) = (joined(a, &name), joined(b, &name));
            let ambiguous: Vec<String> = ours.intersection(&theirs).map(ToString::to_string).collect();
            if ambiguous.is_empty() || on_purpose.contains(&name) {
                let environments = format!("{} and {}", a.stack.environment, b.stack.environment);
                return Finding::note(GATE, format!("{environments} share the network {name}")).seen(keys);
            }
            both(
                a,
                b,
                &format!("share the network {name}, where these names mean either: {}", ambiguous.join(", ")),
            )
            .seen(keys)
            .mend("give each a network of its own")
            .mend_in_config(
                "or, if nothing on it is called by these names, say so",
                [ConfigLine::new(&["isolation"], "shared_networks", vec![name])
                    .if_so("if nothing on it is called by these names")],
            )
        })
        .collect()
}

/// The same database server and name outside both stacks. A host that is a service or a container of
/// its own stack is apart already.
fn same_databases(a: &ObservedEnvironment, b: &ObservedEnvironment) -> Vec<Finding> {
    let ours = external_databases(a);
    let theirs = external_databases(b);
    ours.iter()
        .filter_map(|(place, seen)| {
            let other = theirs.get(place)?;
            Some(
                both(&a.render, &b.render, "use the same database")
                    .seen(seen)
                    .seen(other)
                    .mend("give each a database of its own"),
            )
        })
        .collect()
}

/// Databases outside of the stack, with where they are named: by a service, or as one that is backed up.
fn external_databases(environment: &ObservedEnvironment) -> BTreeMap<String, String> {
    let render = &environment.render;
    let is_own = |host: &str| {
        let mut services = render.services.iter();
        services.any(|(name, spec)| name.as_str() == host || spec.container_name.as_deref() == Some(host))
    };
    let mut found = BTreeMap::new();
    for (service, spec) in &render.services {
        for (key, value) in &spec.environment {
            if let Some((host, place)) = database_place(value.reveal())
                && !is_own(&host)
            {
                found.insert(place, at(render, &format!("services.{service}.environment.{key}")));
            }
        }
    }
    for (key, url) in &environment.urls {
        if let Some((_, place)) = database_place(url.reveal()) {
            let name = &render.stack.environment;
            found.entry(place).or_insert_with(|| format!("{name}: {key} in its env file"));
        }
    }
    found
}

/// Host, and host with port and database, of a database URL. The password may hold anything, `/` and `@` included.
fn database_place(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.strip_prefix("jdbc:").unwrap_or(value).split_once("://")?;
    let default_port = match scheme.split('+').next()? {
        "postgres" | "postgresql" => "5432",
        "mysql" | "mariadb" => "3306",
        "mongodb" => "27017",
        _ => return None,
    };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, default_port));
    let (host, database) = (host.to_ascii_lowercase(), path.split(['?', '#']).next()?);
    let place = format!("{host}:{port}/{database}");
    Some((host, place))
}

/// `env_file:` ignores `--env-file`, so a base's `env_file: .env` gives an overlay the other environment's secrets.
fn foreign_env_files(a: &Render, b: &Render) -> Option<Finding> {
    let theirs = b.stack.env_file.as_ref()?;
    if a.stack.env_file.as_ref() == Some(theirs) {
        return None;
    }
    let read: Vec<&ServiceName> =
        a.services.iter().filter(|(_, spec)| spec.env_files.contains(theirs)).map(|(name, _)| name).collect();
    let names = read.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let (ours, other) = (&a.stack.environment, &b.stack.environment);
    let what = match read.as_slice() {
        [] => return None,
        [_] => format!("service {names} of {ours} gets"),
        _ => format!("services {names} of {ours} get"),
    };
    let finding = Finding::refuse(GATE, format!("{what} the values of {other} from {}", theirs.display()));
    let finding = read.iter().fold(finding, |finding, service| {
        finding.seen(format!(
            "{}: {} ({ours} renders it too: --env-file does not replace it)",
            a.places.locate(&format!("services.{service}.env_file")),
            theirs.display()
        ))
    });
    // As the config and `env_file:` take it.
    let name = |file: &Path| file.strip_prefix(&a.stack.dir).unwrap_or(file).display().to_string();
    let finding = a.stack.env_file.iter().fold(finding, |finding, own| {
        let (own, theirs) = (name(own), name(theirs));
        finding
            .mend_in_config(
                "say what is read in its place",
                [ConfigLine::new(
                    &["environments", ours.as_str(), "beside", "env_files"],
                    &theirs,
                    own.as_str(),
                )],
            )
            .mend(format!("or write `env_file: ${{ENV_FILE:-{theirs}}}` there, and ENV_FILE={own} in {own}"))
    });
    Some(finding.mend("or replace `env_file:` by `environment:` with the variables that the service needs"))
}
