//! What the doctor found, for people.

use super::text;
use crate::doctor::{Check, Verdict};

/// All checks, and what they come to.
pub(crate) fn text(checks: &[Check]) -> String {
    let mut lines = String::new();
    for check in checks {
        let mark = match check.verdict {
            Verdict::Fine => "✅",
            Verdict::Warning => "⚠️ ",
            Verdict::Problem => "❌",
        };
        lines.push_str(&format!("{mark} {}: {}\n", check.name, text::hanging(&check.found, "   ")));
        if let Some(mend) = &check.mend {
            lines.push_str(&format!("   → {}\n", text::hanging(mend, "     ")));
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (problems, warnings) = (count(Verdict::Problem), count(Verdict::Warning));
    lines + &format!("\n{problems} to mend, {warnings} to know. Nothing was changed.")
}
