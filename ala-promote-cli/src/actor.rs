//! Who asks, as far as the machine can tell.

use ala_promote_core::domain::Actor;

use crate::app::App;

/// The names of users and hosts are shortened to this many characters in records.
const LONGEST_NAME: usize = 100;

/// Who asks: the one who called `sudo`, if it was called; else who is logged in; else who the process runs as.
pub(crate) fn find(app: &App) -> Actor {
    let variable = |key: &str| app.environment.get(key).map(String::as_str);
    let named = [variable("SUDO_USER"), variable("USER"), variable("LOGNAME"), Some(app.user.as_str())];
    Actor { user: first(&named), host: first(&[Some(&app.host)]), pid: app.pid }
}

/// Names go to records and terminals: no control characters, and not without end.
fn first(names: &[Option<&str>]) -> String {
    let plain = |name: &str| -> String {
        name.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
    };
    let found = names.iter().flatten().map(|name| plain(name)).find(|name| !name.is_empty());
    found.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_that_says_anything() {
        assert_eq!(first(&[None, Some(""), Some("ann\n"), Some("root")]), "ann");
        assert_eq!(first(&[Some("\u{1b}[31mx")]), "[31mx");
        assert_eq!(first(&[Some("\n"), None]), "unknown");
        assert_eq!(first(&[Some(&"x".repeat(1000))]).len(), LONGEST_NAME);
    }
}
