//! What an operation is called at its beginning, to the letter of the document.

use ala_promote_core::domain::{EnvironmentName, Verb};
use ala_promote_core::plan::Plan;

use super::{plan as plans, text};

/// The first line of a deployment.
pub(crate) fn deployment(environment: &EnvironmentName, protected: bool) -> String {
    let name = environment.as_str().to_uppercase();
    if protected {
        format!("⚠️  {name} DEPLOYMENT - Built From Scratch")
    } else {
        format!("🧪 {name} DEPLOYMENT - Test Environment Only")
    }
}

/// What comes before the question, or in its place: title, what will happen, and the plan at hand.
pub(crate) fn question(plan: &Plan, asks: bool) -> String {
    let mut lines = heading(plan);
    lines.push(String::new());
    lines.extend(plans::summary(plan));
    if asks {
        lines.extend([String::new(), "⚠️  This affects REAL PATIENTS and LIVE DATA".to_owned()]);
    }
    lines.push(String::new());
    lines.join("\n").trim_start().to_owned()
}

fn heading(plan: &Plan) -> Vec<String> {
    let environment = plan.environment().as_str();
    let shouted = environment.to_uppercase();
    let place = match main_address(&plan.addresses) {
        Some(url) => format!("2. Deploy to {shouted} ({url})"),
        None => format!("2. Deploy to {shouted}"),
    };
    let release = plan.release.as_ref().map_or("an earlier release", |release| release.tag.as_str());
    let [title, first, third] = match &plan.request.verb {
        Verb::Rollback { .. } => [
            format!("⚠️  {shouted} ROLLBACK - Earlier Release"),
            format!("1. Put {environment} back to {release}"),
            format!("3. Restart {environment} services with the images of that release"),
        ],
        _ => {
            let from = plan.from.as_ref().map_or("", |from| from.as_str());
            [
                format!("⚠️  {shouted} DEPLOYMENT - Image Promotion"),
                format!("1. Promote {from}-tested images to {environment}"),
                format!("3. Restart {environment} services with new images"),
            ]
        }
    };
    let mut lines = vec![title, "This will:".to_owned(), first, place, third];
    if matches!(plan.request.verb, Verb::Rollback { .. }) {
        lines.push("The database is left as it is.".to_owned());
    }
    lines
}

/// The address that people open: the frontend's, if one is called so.
fn main_address(addresses: &[(String, String)]) -> Option<&str> {
    let frontend = addresses.iter().find(|(name, _)| name == FRONTEND);
    frontend.or_else(|| addresses.first()).map(|(_, url)| url.as_str())
}

const FRONTEND: &str = "Frontend";

/// The closing lines: where the services answer, the frontend first, the addresses under each other.
pub(crate) fn addresses(plan: &Plan) -> Vec<String> {
    let mut addresses: Vec<&(String, String)> = plan.addresses.iter().collect();
    addresses.sort_by_key(|(name, _)| name != FRONTEND);
    let width = addresses.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default() + 1;
    addresses.into_iter().map(|(name, url)| format!("{:width$}  {url}", format!("{name}:"))).collect()
}

/// The line of an operation that is gone on with.
pub(crate) fn recovery(plan: &Plan) -> String {
    format!("Going on with {} on {}", plan.operation, text::capitalised(plan.environment().as_str()))
}
