//! The URL of a PostgreSQL database, taken apart into the variables that its programs read: a URL on a command line is
//! seen by every user of the host. Applications put more into URLs than those programs know; that is left out.

use std::collections::BTreeMap;

use ala_promote_core::domain::Secret;

/// Parameters of a URL with the variables that mean the same; libpq's own list, without what names files or services.
const PARAMETERS: [(&str, &str); 20] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("options", "PGOPTIONS"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslsni", "PGSSLSNI"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("gssencmode", "PGGSSENCMODE"),
    ("krbsrvname", "PGKRBSRVNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("require_auth", "PGREQUIREAUTH"),
];

/// How to connect.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Connection {
    variables: BTreeMap<&'static str, String>,
}

impl Connection {
    /// Reads a URL as libpq does; also as SQLAlchemy (`postgresql+driver:`) and JDBC write it.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub(super) fn read(url: &Secret) -> Result<Self, &'static str> {
        let url = url.reveal().trim();
        let (scheme, rest) =
            url.strip_prefix("jdbc:").unwrap_or(url).split_once("://").ok_or("it holds no URL")?;
        if !matches!(scheme.split('+').next(), Some("postgres" | "postgresql")) {
            return Err("it holds no URL of PostgreSQL: that begins with postgres:// or postgresql://");
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.contains('@') || fragment.contains('@') || holds_a_login(query, authority) {
            return Err("a `/`, `?` or `#` in its password must be written as %2F, %3F or %23");
        }
        let mut read = Self { variables: BTreeMap::new() };
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        read.set("user", user)?;
        read.set("password", password)?;
        read.hosts(hosts)?;
        read.set("dbname", path.trim_start_matches('/'))?;
        for (key, value) in pairs(query) {
            read.set(key, value)?;
        }
        if let Some((_, value)) = pairs(query).find(|(key, _)| *key == "ssl") {
            read.ssl(value)?;
        }
        read.check_ports()?;
        match read.variables.get("PGHOST") {
            None if !read.variables.contains_key("PGHOSTADDR") => Err("it names no host"),
            Some(host) if host.starts_with('/') => {
                Err("it names a socket of the host, which no container has")
            }
            _ => Ok(read),
        }
    }

    /// One host or several, each with a port or without.
    fn hosts(&mut self, text: &str) -> Result<(), &'static str> {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for host in text.split(',') {
            // The port follows the last colon, but those of a version 6 address are in brackets.
            let colon = host.rfind(':').filter(|at| host.get(*at..).is_some_and(|rest| !rest.contains(']')));
            let (name, port) = host.split_at(colon.unwrap_or(host.len()));
            hosts.push(name.trim_start_matches('[').trim_end_matches(']'));
            ports.push(port.trim_start_matches(':'));
        }
        self.set("host", &hosts.join(","))?;
        if ports.iter().any(|port| !port.is_empty()) {
            self.set("port", &ports.join(","))?;
        }
        Ok(())
    }

    /// What drivers of applications call `ssl`; where `sslmode` is said, that holds.
    fn ssl(&mut self, value: &str) -> Result<(), &'static str> {
        let mode = match value {
            "true" | "1" => "require",
            "false" | "0" | "" => return Ok(()),
            "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full" => value,
            _ => return Err("its `ssl` is none of the words of sslmode: say `sslmode=` as libpq does"),
        };
        if self.variables.contains_key("PGSSLMODE") { Ok(()) } else { self.set("sslmode", mode) }
    }

    /// What stands where a port does is a number: a piece of a password, cut at a `#`, would be shown by the programs.
    fn check_ports(&self) -> Result<(), &'static str> {
        let ports = self.variables.get("PGPORT").map_or("", String::as_str);
        let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        if ports.split(',').all(is_number) {
            return Ok(());
        }
        Err("its port is no number; a `/`, `?` or `#` in its password must be written as %2F, %3F or %23")
    }

    /// Takes a parameter, if it is one of libpq's and says something.
    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        let Some((_, variable)) = PARAMETERS.iter().find(|(name, _)| *name == key) else { return Ok(()) };
        let value =
            decoded(value).ok_or("what follows a `%` in it is no character: a `%` is written as %25")?;
        if !value.is_empty() {
            self.variables.insert(variable, value);
        }
        Ok(())
    }

    /// Whether it means the very machine it is used on.
    pub(super) fn is_local(&self) -> bool {
        let host = self.variables.get("PGHOST").map_or("", String::as_str);
        host.split(',').any(|host| matches!(host, "localhost" | "127.0.0.1" | "::1"))
    }

    /// The database's name; by default that of the role.
    pub(super) fn database(&self) -> &str {
        let named = self.variables.get("PGDATABASE").or_else(|| self.variables.get("PGUSER"));
        named.map_or("postgres", String::as_str)
    }

    /// The password as it is, to be kept out of messages.
    pub(super) fn password(&self) -> Option<&str> {
        self.variables.get("PGPASSWORD").map(String::as_str)
    }

    /// What a shell reads to have them all.
    pub(super) fn script(&self) -> Secret {
        let line =
            |(name, value): (&&str, &String)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
        Secret::new(self.variables.iter().map(line).collect::<String>())
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
}

/// Whether what looks like a query is the rest of a login, whose password has a `?` in it.
fn holds_a_login(query: &str, authority: &str) -> bool {
    query.split('&').filter(|item| item.contains('@')).any(|item| match item.split_once('=') {
        Some((key, _)) => !authority.contains('@') && !PARAMETERS.iter().any(|(name, _)| *name == key),
        None => true,
    })
}

/// Without percent-encoding; `None` where that is broken.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|byte| *byte != 0)?);
        rest = after.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(url: &str) -> String {
        Connection::read(&Secret::new(url)).unwrap().script().reveal().to_owned()
    }

    fn problem(url: &str) -> &'static str {
        Connection::read(&Secret::new(url)).err().unwrap()
    }

    #[test]
    fn urls_as_applications_write_them() {
        let plain = "export PGDATABASE='ala'\nexport PGHOST='db.example.com'\n";
        assert_eq!(script("postgres://db.example.com/ala"), plain);
        assert_eq!(script("postgresql+asyncpg://db.example.com/ala?schema=public&pgbouncer=true#x"), plain);
        assert_eq!(
            script("postgres://ala:p%40%2Fs'w@[fe80::1]:6543/ala?sslmode=require&connect_timeout=5"),
            "export PGCONNECT_TIMEOUT='5'\nexport PGDATABASE='ala'\nexport PGHOST='fe80::1'\n\
             export PGPASSWORD='p@/s'\\''w'\nexport PGPORT='6543'\nexport PGSSLMODE='require'\nexport PGUSER='ala'\n"
        );
        let several = script("postgres://u@a.example.com:5432,b.example.com/x?target_session_attrs=primary");
        assert!(several.contains("PGHOST='a.example.com,b.example.com'\n"), "{several}");
        assert!(several.contains("PGPORT='5432,'\n"), "{several}");
        let jdbc = script("jdbc:postgresql://db.example.com:5432/ala?user=ala&password=a%26b&ssl=true");
        assert!(jdbc.contains("PGPASSWORD='a&b'\n") && jdbc.contains("PGSSLMODE='require'\n"), "{jdbc}");
        assert!(script("jdbc:postgresql://h/d?user=u&password=p@b").contains("PGPASSWORD='p@b'"));
        assert!(script("postgresql+asyncpg://h/d?ssl=verify-full").contains("PGSSLMODE='verify-full'"));
        assert!(script("postgres://h/d?ssl=true&sslmode=verify-full").contains("PGSSLMODE='verify-full'"));
        let named = |url: &str| Connection::read(&Secret::new(url)).unwrap().database().to_owned();
        assert_eq!(named("postgres://ala@db.example.com"), "ala");
        assert_eq!(named("postgres://ala@db.example.com?dbname=other"), "other");
    }

    #[test]
    fn what_can_t_be_used_is_said_without_quoting_it() {
        for (url, expected) in [
            ("hunter2000", "no URL"),
            ("mysql://u:hunter2000@h/d", "no URL of PostgreSQL"),
            ("postgres:///ala?user=hunter2000", "no host"),
            ("postgres://u:hunter2000@/d?host=/var/run/postgresql", "a socket"),
            ("postgres://u:hunter/2000@h/d", "%2F"),
            ("postgres://u:hunter#24@h/d", "%23"),
            ("postgres://u:p@hunter#24@h/d", "%23"),
            ("postgres://u:hunter?24@h/d", "%3F"),
            ("postgres://u:p@hunter?24@h/d", "%3F"),
            ("postgres://u:hunter?a=b@h/d", "%3F"),
            ("postgres://u:hunter2000#x", "%23"),
            ("postgres://u@h/d?ssl=hunter", "sslmode"),
            ("postgres://u:hunter%zz@h/d", "%25"),
            ("postgres://u:hunter%00@h/d", "%25"),
        ] {
            let said = problem(url);
            assert!(said.contains(expected) && !said.contains("hunter"), "{url}: {said}");
        }
        let local = |url: &str| Connection::read(&Secret::new(url)).unwrap().is_local();
        assert!(local("postgres://localhost/x") && local("postgres://u:p@[::1]:1/x"));
        assert!(!local("postgres://localhost.example.com/x"));
    }

    #[test]
    fn a_shell_reads_the_very_values() {
        let url = "postgres://u:a%20%24b%60%22%5c%0ac'@h/d";
        let text = script(url) + "printf %s \"$PGPASSWORD\"";
        let said = std::process::Command::new("/bin/sh").args(["-c", &text]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), "a $b`\"\\\nc'");
    }
}
