//! Who this process runs as: cron and service managers name nobody in the environment.

/// The user's name where this host knows it, else the number.
pub(super) fn name() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    named(&status, &users)
}

fn named(status: &str, users: &str) -> String {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let Some(id) = ids.and_then(|ids| ids.split_whitespace().next()) else { return String::new() };
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then_some(name)
    });
    name.map_or_else(|| format!("user {id}"), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_becomes_a_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(named("Name:\tx\nUid:\t1000\t0\t0\t0\n", users), "ann");
        assert_eq!(named("Uid:\t7\t7\t7\t7\n", users), "user 7");
        assert_eq!(named("", users), "");
    }
}
