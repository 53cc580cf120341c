//! Who asks, as far as the machine can tell.

use std::collections::BTreeMap;

use ala_promote_core::domain::Actor;

/// The names of users and hosts are shortened to this many characters in records.
const LONGEST_NAME: usize = 100;

/// Who asks: the one who called `sudo`, if it was called; else who is logged in.
pub(crate) fn find(environment: &BTreeMap<String, String>, host: &str, pid: u32) -> Actor {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().filter_map(|key| environment.get(*key));
    let user = named.map(|name| plain(name)).find(|name| !name.is_empty());
    let host = plain(host);
    Actor {
        user: user.unwrap_or_else(|| "unknown".to_owned()),
        host: if host.is_empty() { "unknown".to_owned() } else { host },
        pid,
    }
}

/// Names go to records and terminals: no control characters, and not without end.
fn plain(name: &str) -> String {
    name.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(pairs: &[(&str, &str)]) -> String {
        let environment = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        find(&environment, "host.example.com\n", 7).to_string()
    }

    #[test]
    fn who_called_sudo_comes_first() {
        assert_eq!(user(&[("SUDO_USER", "ann"), ("USER", "root")]), "ann@host.example.com (process 7)");
        assert_eq!(user(&[("SUDO_USER", ""), ("LOGNAME", "ben")]), "ben@host.example.com (process 7)");
        assert_eq!(user(&[("USER", "\u{1b}[31mx")]), "[31mx@host.example.com (process 7)");
        assert_eq!(user(&[]), "unknown@host.example.com (process 7)");
    }
}
