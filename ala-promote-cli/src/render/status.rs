//! What runs where, for people.

use ala_promote_core::domain::HealthVerdict;
use ala_promote_core::engine::{EnvironmentStatus, ServiceStatus, UnfinishedStatus};

use super::table::Table;
use super::text;

/// One environment.
pub(crate) fn text(status: &EnvironmentStatus) -> String {
    let release = status.release.as_ref().map_or_else(|| "no release on record".to_owned(), text::release);
    let mut lines = format!("{} (project {}): {release}\n", status.environment, status.project);
    match &status.unfinished {
        Some(UnfinishedStatus { operation, at_work: true }) => {
            lines.push_str(&format!("⏳ Operation {operation} is at work now\n"));
        }
        Some(UnfinishedStatus { operation, at_work: false }) => {
            lines.push_str(&format!("❌ Operation {operation} is not done → ala-promote recover\n"));
        }
        None => {}
    }
    let mut table = Table::new(&["  SERVICE", "IMAGE", "HEALTH"]);
    for service in &status.services {
        table.row(row(service));
    }
    lines + &table.text()
}

fn row(service: &ServiceStatus) -> Vec<String> {
    let images: Vec<&str> = service.images.iter().map(|image| image.short()).collect();
    let images = if images.is_empty() { "none".to_owned() } else { images.join(", ") };
    let health = service.health.as_ref().map_or_else(
        || "no container".to_owned(),
        |health| {
            let verdict = match health.verdict {
                HealthVerdict::Healthy => "✅ healthy",
                HealthVerdict::Unhealthy => "❌ unhealthy",
                HealthVerdict::Starting => "⏳ not healthy yet",
                _ => "❌ failed",
            };
            format!("{verdict}: {}", health.evidence.trim_end().replace('\n', " "))
        },
    );
    let drift = service.drift.as_ref().map(|drift| format!("; ❌ drift: {drift}")).unwrap_or_default();
    vec![format!("  {}", service.service), images, format!("{health}{drift}")]
}
