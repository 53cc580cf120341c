//! The verdict on one service.

use std::time::Duration;

use ala_promote_core::domain::{
    ContainerHealth, ContainerState, HealthTarget, HealthVerdict, PortMapping, ServiceHealth,
};
use bollard::models::{ContainerInspectResponse, RestartPolicyNameEnum as Restart};

use super::{Probes, tcp};
use crate::containers::{Look, bound_ports};
use crate::database::server_of;
use crate::error::shorten;
use crate::exec;
use crate::scrub::Scrubber;

/// How long `pg_isready` may take; its own limit is 3 s.
const READY_LIMIT: Duration = Duration::from_secs(5);

/// What one check says: in a pass what was seen, else what is missing.
type Check = Result<String, (HealthVerdict, String)>;

fn not_yet(why: impl Into<String>) -> Check {
    Err((HealthVerdict::Starting, why.into()))
}

fn failed(why: impl Into<String>) -> Check {
    Err((HealthVerdict::Failed, why.into()))
}

impl Probes {
    /// Looks at one service, given the containers of its project.
    pub(super) async fn service(&self, target: &HealthTarget, looks: &[Look]) -> ServiceHealth {
        let looks: Vec<&Look> =
            looks.iter().filter(|look| look.container.service == target.service).collect();
        let mut port = None;
        let check = match presence(target, &looks) {
            Ok(evidence) if target.job => Ok(evidence),
            Ok(evidence) => self.running(target, &looks, evidence, &mut port).await,
            missing => missing,
        };
        let (verdict, evidence) = match check {
            Ok(evidence) => (HealthVerdict::Healthy, evidence),
            Err((verdict, why)) => (verdict, why),
        };
        ServiceHealth {
            service: target.service.clone(),
            verdict,
            evidence,
            port,
            images: looks.iter().map(|look| look.container.image.id.clone()).collect(),
            generation: generation(&looks),
        }
    }

    /// All checks of containers that run.
    async fn running(
        &self,
        target: &HealthTarget,
        looks: &[&Look],
        evidence: String,
        port: &mut Option<u16>,
    ) -> Check {
        let mut seen = Vec::new();
        let declared = looks.iter().filter_map(|look| declared_health(look));
        for said in declared {
            seen.push(said?);
        }
        let has_healthcheck = !seen.is_empty();
        seen.dedup();
        let ports = self.published(target, looks)?;
        // The check that the image or the files declare is enough, but for what is promoted, which users reach.
        if !has_healthcheck || target.promoted {
            let said = if target.promoted { Vec::new() } else { self.databases(looks).await? };
            if said.is_empty() {
                *port = ports.first().and_then(|mapping| mapping.published);
                for mapping in &ports {
                    seen.push(self.port(target, has_healthcheck, mapping).await?);
                }
            }
            seen.extend(said);
        }
        Ok(if seen.is_empty() { evidence } else { seen.join(", ") })
    }

    /// The published TCP ports, each as the container has it bound now: a port that another process holds passes no
    /// check.
    fn published(
        &self,
        target: &HealthTarget,
        looks: &[&Look],
    ) -> Result<Vec<PortMapping>, (HealthVerdict, String)> {
        let bound: Vec<PortMapping> = looks.iter().flat_map(|look| bound_ports(&look.inspect)).collect();
        let mut found = Vec::new();
        for wanted in target.ports.iter().filter(|port| port.protocol == "tcp") {
            let matching = bound.iter().filter(|port| {
                port.target == wanted.target
                    && port.protocol == wanted.protocol
                    && (wanted.published.is_none() || port.published == wanted.published)
            });
            let before = found.len();
            found.extend(matching.filter(|port| port.published.is_some()).cloned());
            if found.len() == before {
                let name = wanted.published.map_or_else(|| "any".to_owned(), |port| port.to_string());
                let why = format!("the container does not hold port {name} for its port {}", wanted.target);
                return Err((HealthVerdict::Starting, why));
            }
        }
        found.dedup();
        Ok(found)
    }

    /// Asks over HTTP what users reach; where a health check of its own speaks for the service and the config names no
    /// path, an open port is enough.
    async fn port(&self, target: &HealthTarget, has_healthcheck: bool, mapping: &PortMapping) -> Check {
        let (host, Some(port)) = (self.address.of(mapping), mapping.published) else {
            return not_yet("no port");
        };
        let path = target.path.as_deref().or((!has_healthcheck).then_some("/"));
        if let Some(path) = path.filter(|_| target.promoted) {
            return self.http.ask(host, port, path).await.or_else(|why| match target.path {
                None if why.starts_with("HTTP 404") => not_yet(format!(
                    "{why}; name a path that answers: [services.{}] health_path = \"…\" in ala-promote.toml",
                    target.service
                )),
                _ => not_yet(why),
            });
        }
        tcp::open(host, port).await.map(|()| format!("port open: {port}")).or_else(not_yet)
    }

    /// What those containers say of themselves that are PostgreSQL.
    async fn databases(&self, looks: &[&Look]) -> Result<Vec<String>, (HealthVerdict, String)> {
        let mut said = Vec::new();
        for look in looks {
            said.extend(self.ready(look).await.transpose()?);
        }
        said.dedup();
        Ok(said)
    }

    /// What PostgreSQL says of itself; `None` where the container is none, or has no `pg_isready`.
    async fn ready(&self, look: &Look) -> Option<Check> {
        let server = server_of(&look.inspect)?;
        // Over TCP: while the official image sets a database up, its server answers on the socket alone.
        let command =
            ["pg_isready", "-h", "127.0.0.1", "-t", "3", "-U", &server.user, "-d", server.database()];
        let command = command.map(str::to_owned).to_vec();
        let id = &look.container.id;
        let ended = exec::run(&self.engine, id, command, Vec::new(), "ask pg_isready", READY_LIMIT).await;
        match ended {
            Ok(ended) => match ended.exit_code {
                0 => Some(Ok("pg_isready: accepting connections".to_owned())),
                1 => Some(not_yet("pg_isready: rejecting connections")),
                2 => Some(not_yet("pg_isready: no response")),
                _ => None,
            },
            Err(error) => Some(not_yet(error.to_string())),
        }
    }
}

/// Whether the containers that are expected are there and run (a job: have run).
fn presence(target: &HealthTarget, looks: &[&Look]) -> Check {
    if looks.is_empty() && target.replicas > 0 {
        return not_yet("no container");
    }
    if looks.is_empty() {
        return Ok("no container is expected".to_owned());
    }
    let mut running = 0;
    for look in looks {
        match look.container.state {
            ContainerState::Exited(0) if target.job => running += 1,
            ContainerState::Running if target.job => return not_yet("the job still runs"),
            ContainerState::Running => running += 1,
            ContainerState::Exited(code) if !restarts(&look.inspect) => {
                return failed(format!("{} exited with code {code}", look.container.name));
            }
            ContainerState::Dead => return failed(format!("{} is dead", look.container.name)),
            state => return not_yet(format!("{} {}", look.container.name, describe(state, look))),
        }
    }
    if running < target.replicas {
        return not_yet(format!("{running} of {} containers run", target.replicas));
    }
    Ok(if target.job { "exited with code 0".to_owned() } else { "running".to_owned() })
}

fn describe(state: ContainerState, look: &Look) -> String {
    let last_exit = look.inspect.state.as_ref().and_then(|state| state.exit_code).unwrap_or_default();
    match state {
        ContainerState::Created => "was not started".to_owned(),
        ContainerState::Restarting => {
            format!("restarts, {} times so far, last exit code {last_exit}", look.container.restarts)
        }
        ContainerState::Paused => "is paused".to_owned(),
        ContainerState::Exited(code) => format!("exited with code {code}"),
        _ => "is in an unknown state".to_owned(),
    }
}

/// Whether the engine may start it again by itself.
fn restarts(inspect: &ContainerInspectResponse) -> bool {
    let policy = inspect.host_config.as_ref().and_then(|config| config.restart_policy.as_ref());
    // A container whose retries are used up stays `exited` under `on-failure`; one with retries left is `restarting`.
    matches!(policy.and_then(|policy| policy.name), Some(Restart::ALWAYS | Restart::UNLESS_STOPPED))
}

/// What the container's own health check says; `None` where it has none.
fn declared_health(look: &Look) -> Option<Check> {
    match look.container.health? {
        ContainerHealth::Healthy => Some(Ok("healthcheck passed".to_owned())),
        ContainerHealth::Unhealthy => {
            let why = format!("healthcheck: unhealthy{}", last_log(&look.inspect));
            Some(Err((HealthVerdict::Unhealthy, why)))
        }
        _ => Some(not_yet(format!("healthcheck: starting{}", last_log(&look.inspect)))),
    }
}

fn last_log(inspect: &ContainerInspectResponse) -> String {
    let health = inspect.state.as_ref().and_then(|state| state.health.as_ref());
    let output = health.and_then(|h| h.log.as_ref()?.last()?.output.as_deref()).unwrap_or_default();
    match output.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!(": {}", shorten(&Scrubber::of_container(inspect).scrub(line))),
        None => String::new(),
    }
}

fn generation(looks: &[&Look]) -> String {
    let one = |look: &&Look| {
        let started = look.inspect.state.as_ref().and_then(|state| state.started_at.as_deref());
        let id = look.container.id.get(..12).unwrap_or(&look.container.id);
        format!("{id}@{}#{}", started.unwrap_or_default(), look.container.restarts)
    };
    looks.iter().map(one).collect::<Vec<_>>().join(" ")
}
