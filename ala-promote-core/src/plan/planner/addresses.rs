//! Where people find the services: the URL that the configuration itself names for a published port, else the port.

use crate::domain::Secret;
use crate::plan::pairing::PromotedService;
use crate::plan::ports::wanted_ports;
use crate::plan::{ObservedEnvironment, PlanInput};

/// The longest path that is shown, in bytes: `api/`, `app`.
const LONGEST_PATH: usize = 12;

pub(super) fn find(
    input: &PlanInput<'_>,
    target: &ObservedEnvironment,
    promoted: &[PromotedService<'_>],
) -> Vec<(String, String)> {
    let urls = configured_urls(promoted);
    let ports: Vec<_> = wanted_ports(&target.render).collect();
    let mut found = Vec::new();
    for p in promoted {
        let published: Vec<u16> = ports
            .iter()
            .filter(|(service, _)| *service == p.service)
            .filter_map(|(_, port)| port.published)
            .collect();
        let Some(first) = published.first() else { continue };
        let configured = published.iter().find_map(|port| urls.iter().find(|(p, _)| p == port));
        let url = configured
            .map_or_else(|| format!("http://{}:{first}", input.observed.address), |(_, url)| url.clone());
        found.push((input.settings.display_name(p.service), url));
    }
    found
}

/// Web addresses in the promoted services' settings, with the port that each means.
fn configured_urls(promoted: &[PromotedService<'_>]) -> Vec<(u16, String)> {
    let values = promoted.iter().flat_map(|p| {
        let build = p.spec.build.iter().flat_map(|build| build.settings.values());
        p.spec.environment.values().chain(build)
    });
    let mut urls: Vec<(u16, String)> = values.filter_map(web_address).collect();
    urls.sort();
    urls.dedup();
    urls
}

/// A value that is a plain web address; one with a user, a query or more than a short path could hold a secret, as that
/// of a webhook does.
fn web_address(value: &Secret) -> Option<(u16, String)> {
    let value = value.reveal().trim();
    let (default_port, rest) = match (value.strip_prefix("https://"), value.strip_prefix("http://")) {
        (Some(rest), _) => (443, rest),
        (_, Some(rest)) => (80, rest),
        _ => return None,
    };
    if rest.contains(|c: char| c.is_whitespace() || matches!(c, '@' | '?' | '#' | ',' | ';' | '|')) {
        return None;
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.trim_end_matches('/').contains('/') || path.len() > LONGEST_PATH {
        return None;
    }
    let port = match authority.rsplit_once(':') {
        Some((_, port)) => port.parse().ok()?,
        None => default_port,
    };
    Some((port, value.to_owned()))
}
