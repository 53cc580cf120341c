//! What a container's own settings say of the MySQL or MariaDB server in it. Passwords are used inside the container
//! alone: they are never read into this process.

/// How to connect, as the official images' variables say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) user: String,
    /// Empty where the variables name none.
    pub(crate) database: String,
}

/// Gives the password that the container itself was given to the program that it runs: the one of the same account that
/// [`configured`] chooses. MariaDB calls its programs by other names. `$1` is MySQL's name of the program.
pub(super) const WITH_PASSWORD: &str = r#"if [ -z "${MYSQL_PWD:-}" ]; then
  for key in MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD MARIADB_PASSWORD MYSQL_PASSWORD; do
    eval "value=\${$key:-} file=\${${key}_FILE:-}"
    if [ -z "$value" ] && [ -r "$file" ]; then value=$(cat "$file"); fi
    if [ -n "$value" ]; then MYSQL_PWD=$value; export MYSQL_PWD; break; fi
  done
fi
case $1 in mysqldump) other=mariadb-dump ;; *) other=mariadb ;; esac
name=$1; shift
if command -v "$other" >/dev/null; then name=$other; fi
exec "$name" "$@""#;

/// Ends those processes of the container that were given `ALA_PROMOTE_DUMP` of this pattern: the server knows no name of
/// a session, but a program that is gone has none.
pub(super) const END_DUMPS: &str = r#"for process in /proc/[0-9]*; do
  if tr '\0' '\n' < "$process/environ" 2>/dev/null | grep -qx "ALA_PROMOTE_DUMP=$1"; then kill "${process#/proc/}"; fi
done; true"#;

/// What makes a dump one that gives the exact content when it is read into the database again.
pub(super) const DUMP: [&str; 11] = [
    "mysqldump",
    // Not the server that a variable of the application names.
    "--host=localhost",
    // Read into the same server again, what was executed there once can't be said anew. MariaDB does not know it.
    "--loose-set-gtid-purged=OFF",
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",
    "--default-character-set=utf8mb4",
];

/// The tables that a dump in one transaction does not hold still, and those of which it holds the present alone.
pub(super) const UNSAFE_TABLES: &str = "SELECT CONCAT(table_name, ' (', IF(table_type = 'SYSTEM VERSIONED', \
     'its history would be left out', engine), ')') FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND (table_type = 'SYSTEM VERSIONED' \
     OR table_type = 'BASE TABLE' AND engine NOT IN ('InnoDB', 'ROCKSDB')) ORDER BY table_name";

/// The database's size on its disk, in bytes, by the server's statistics: tables that were filled a moment ago are not yet
/// counted.
pub(super) const SIZE: &str = "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables \
     WHERE table_schema = DATABASE()";

/// The server that `KEY=value` lines speak of, if they are those of an image of MySQL or MariaDB.
pub(crate) fn from_environment(lines: &[String]) -> Option<Server> {
    let mut keys = lines.iter().filter_map(|line| line.split_once('=')).map(|(key, _)| key);
    keys.any(|key| matches!(key, "MYSQL_MAJOR" | "MYSQL_VERSION" | "MARIADB_VERSION" | "MARIADB_MAJOR"))
        .then(|| configured(lines))
}

/// The server that `KEY=value` lines configure: `root`, if its password is known, sees all that belongs to a database.
pub(crate) fn configured(lines: &[String]) -> Server {
    let set = |wanted: &str| {
        let pairs = lines.iter().filter_map(|line| line.split_once('='));
        pairs.filter(|(key, value)| *key == wanted && !value.is_empty()).map(|(_, value)| value).next_back()
    };
    let either = |key: &str| set(&format!("MARIADB_{key}")).or_else(|| set(&format!("MYSQL_{key}")));
    let has_root =
        ["ROOT_PASSWORD", "ROOT_PASSWORD_FILE", "ALLOW_EMPTY_PASSWORD", "ALLOW_EMPTY_ROOT_PASSWORD"]
            .into_iter()
            .any(|key| either(key).is_some());
    let user = either("USER").filter(|_| !has_root).unwrap_or("root");
    Server { user: user.to_owned(), database: either("DATABASE").unwrap_or_default().to_owned() }
}

/// Of a service's variables those that name things, or tell which account can be used.
pub(super) fn is_name(key: &str) -> bool {
    let key = key.strip_prefix("MYSQL_").or_else(|| key.strip_prefix("MARIADB_"));
    matches!(key, Some("USER" | "DATABASE" | "MAJOR" | "VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Option<(String, String)> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        from_environment(&lines).map(|server| (server.user, server.database))
    }

    #[test]
    fn the_account_is_the_one_whose_password_is_there() {
        let pair = |user: &str, database: &str| Some((user.to_owned(), database.to_owned()));
        assert_eq!(of(&["MYSQL_DATABASE=shop", "MYSQL_PASSWORD=x"]), None, "an application's settings");
        assert_eq!(
            of(&["MYSQL_MAJOR=8.0", "MYSQL_ROOT_PASSWORD=x", "MYSQL_DATABASE=shop"]),
            pair("root", "shop")
        );
        let own = ["MARIADB_VERSION=11", "MARIADB_USER=ala", "MARIADB_PASSWORD=x", "MARIADB_DATABASE=shop"];
        assert_eq!(of(&own), pair("ala", "shop"));
        assert_eq!(
            of(&[&own[..], &["MYSQL_ROOT_PASSWORD_FILE=/run/secrets/x"]].concat()),
            pair("root", "shop")
        );
        assert_eq!(of(&["MARIADB_VERSION=11"]), pair("root", ""));
    }

    #[test]
    fn the_script_takes_that_account_s_password_and_the_program_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\necho {name} \"$MYSQL_PWD\" \"$@\"\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "from file\n").unwrap();
        let run = |variables: &[(&str, &str)], word: &str| {
            let mut command = std::process::Command::new("/bin/sh");
            let path = format!("{}:/usr/bin:/bin", folder.path().display());
            command.args(["-c", WITH_PASSWORD, "sh", word, "-u", "x"]).env_clear().env("PATH", path);
            let ended = command.envs(variables.iter().copied()).output().unwrap();
            String::from_utf8(ended.stdout).unwrap().trim().to_owned()
        };
        for name in ["mysql", "mysqldump", "mariadb", "mariadb-dump"] {
            program(name);
        }
        let file = secret.to_str().unwrap();
        let both = [("MYSQL_PASSWORD", "user's"), ("MYSQL_ROOT_PASSWORD_FILE", file)];
        assert_eq!(run(&both, "mysqldump"), "mariadb-dump from file -u x");
        assert_eq!(run(&both[..1], "mysql"), "mariadb user's -u x");
        assert_eq!(run(&[("MARIADB_ROOT_PASSWORD", "a $b'\"")], "mysql"), "mariadb a $b'\" -u x");
    }
}
