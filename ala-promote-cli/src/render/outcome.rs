//! How an operation ended: what happened, how things are now, what to type next.

use ala_promote_core::domain::{Outcome, Verb};
use ala_promote_core::plan::Plan;

use super::{Ui, text, title};

/// What the events told that a verdict needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// Whether containers were replaced on the way.
    pub(super) swapped: bool,
    /// Whether it goes on with what a dead process left.
    pub(super) recovering: bool,
}

/// Tells the verdict. `again` is what a person types for the same command once more.
pub(super) fn tell(ui: &Ui, plan: &Plan, outcome: &Outcome, told: Told, again: &str) {
    match outcome {
        Outcome::Committed { warnings } => committed(ui, plan, warnings, told),
        Outcome::RolledBack { reason } => ui.warn(&rolled_back(plan, reason, told, again)),
        Outcome::Kept { .. } => ui.warn(&kept(plan, again)),
        Outcome::NeedsAttention { reason, state, commands } => {
            ui.warn(&needs_attention(plan, reason, state, commands));
        }
        other => ui.warn(&format!("The operation ended in a way that this program does not know: {other:?}")),
    }
}

fn committed(ui: &Ui, plan: &Plan, warnings: &[String], told: Told) {
    for warning in warnings {
        ui.warn(&format!("⚠️  Left undone, which harms nothing: {warning}"));
    }
    if plan.request.verb == Verb::Fetch {
        return;
    }
    let environment = text::capitalised(plan.environment().as_str());
    if told.recovering || !matches!(plan.request.verb, Verb::Deploy { .. }) {
        let release = plan.release.as_ref().map_or("the release", |release| release.tag.as_str());
        ui.say(&format!("✅ {environment} runs {release}"));
    }
    let addresses = title::addresses(plan);
    if !addresses.is_empty() {
        ui.say(&format!("\n{}", addresses.join("\n")));
    }
}

/// Said only of an outcome that was looked at.
fn rolled_back(plan: &Plan, reason: &str, told: Told, again: &str) -> String {
    let environment = text::capitalised(plan.environment().as_str());
    if plan.request.verb == Verb::Fetch {
        return format!(
            "\nThe code is as it was before, and {environment} was not touched.\n   → to build what is checked out: \
             {again} --no-pull"
        );
    }
    let before = plan.before.release.as_ref().map_or("nothing of it ran", |release| release.tag.as_str());
    let how = match (&plan.before.release, told.swapped, plan.before.healthy.is_empty()) {
        (None, ..) => "",
        (Some(_), false, _) => ", untouched",
        (Some(_), true, false) => ", healthy",
        (Some(_), true, true) => ", started again (nothing was healthy before)",
    };
    let next = if told.recovering {
        "   → to see what was done: ala-promote history".to_owned()
    } else {
        format!("   → mend what failed, then: {again}")
    };
    format!(
        "\n{environment} is as it was before: {before}{how}\n   Why: {}\n{next}",
        text::hanging(reason, "   ")
    )
}

fn kept(plan: &Plan, again: &str) -> String {
    let environment = plan.environment();
    format!(
        "\n⚠️  {} was left with the failed release, as --keep-failed asked; it does not count as tested.\n   → look at \
         it: ala-promote status {environment}\n   → then: {again}, or back: ala-promote rollback {environment}",
        text::capitalised(environment.as_str())
    )
}

fn needs_attention(plan: &Plan, reason: &str, state: &[String], commands: &[String]) -> String {
    let environment = plan.environment();
    let name = text::capitalised(environment.as_str());
    let mut lines = vec![
        format!("\n🚨 {name} needs attention: {}", text::hanging(reason, "   ")),
        "   What is what now:".to_owned(),
    ];
    lines.extend(state.iter().map(|line| format!("   - {}", text::hanging(line, "     "))));
    lines.push("   What to type:".to_owned());
    lines.extend(commands.iter().map(|command| format!("   → {command}")));
    lines.push(format!("   Until this is settled, nothing else is done on {environment}."));
    lines.join("\n")
}
