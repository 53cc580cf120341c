//! What a container's own settings say of the PostgreSQL server in it. Passwords are used inside the container alone:
//! they are never read into this process.

use bollard::models::ContainerInspectResponse;

/// How to connect, as the official image's variables say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) user: String,
    pub(crate) database: Option<String>,
    /// Files in the container that name the two instead.
    pub(crate) user_file: Option<String>,
    pub(crate) database_file: Option<String>,
}

/// Gives the password that the container itself was given to the client that it runs, and no other server than the one
/// beside it: an env file that the application shares may name one. `$@` is that client: the
/// password is in no argument, and `exec` leaves no shell that could swallow the exit code.
pub(super) const WITH_PASSWORD: &str = r#"unset PGHOSTADDR PGSERVICE
case ${PGHOST:-} in /*) ;; *) unset PGHOST ;; esac
if [ -z "${PGPASSWORD:-}" ]; then
  if [ -n "${POSTGRES_PASSWORD:-}" ]; then PGPASSWORD=$POSTGRES_PASSWORD
  elif [ -r "${POSTGRES_PASSWORD_FILE:-}" ]; then PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
  fi
  if [ -n "${PGPASSWORD:-}" ]; then export PGPASSWORD; fi
fi
exec "$@""#;

/// The server of a container; `None` where its image is not PostgreSQL.
pub(crate) fn server_of(inspect: &ContainerInspectResponse) -> Option<Server> {
    from_environment(inspect.config.as_ref()?.env.as_deref().unwrap_or_default())
}

/// The server that `KEY=value` lines speak of, if they are those of PostgreSQL's image.
pub(crate) fn from_environment(lines: &[String]) -> Option<Server> {
    let mut keys = lines.iter().filter_map(|line| line.split_once('=')).map(|(key, _)| key);
    keys.any(|key| matches!(key, "PGDATA" | "PG_MAJOR")).then(|| configured(lines))
}

impl Server {
    /// The database, by default named like the role.
    pub(crate) fn database(&self) -> &str {
        self.database.as_deref().unwrap_or(&self.user)
    }
}

/// The server that `KEY=value` lines configure; the official image's role is `postgres` by default.
pub(crate) fn configured(lines: &[String]) -> Server {
    let set = |wanted: &str| {
        let pairs = lines.iter().filter_map(|line| line.split_once('='));
        pairs.filter(|(key, value)| *key == wanted && !value.is_empty()).map(|(_, value)| value).next_back()
    };
    let file = |plain: &str, file: &str| set(file).filter(|_| set(plain).is_none()).map(str::to_owned);
    Server {
        user: set("POSTGRES_USER").unwrap_or("postgres").to_owned(),
        database: set("POSTGRES_DB").map(str::to_owned),
        user_file: file("POSTGRES_USER", "POSTGRES_USER_FILE"),
        database_file: file("POSTGRES_DB", "POSTGRES_DB_FILE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Option<Server> {
        from_environment(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn defaults_are_the_official_image_s() {
        let names =
            |lines: &[&str]| of(lines).map(|server| (server.user.clone(), server.database().to_owned()));
        let pair = |user: &str, database: &str| Some((user.to_owned(), database.to_owned()));
        assert_eq!(names(&["PATH=/bin", "POSTGRES_USER=ala"]), None);
        assert_eq!(names(&["PG_MAJOR=15"]), pair("postgres", "postgres"));
        assert_eq!(names(&["PGDATA=/d", "POSTGRES_USER=ala"]), pair("ala", "ala"));
        assert_eq!(names(&["PGDATA=/d", "POSTGRES_USER=ala", "POSTGRES_DB=db"]), pair("ala", "db"));
        assert_eq!(names(&["PGDATA=/d", "POSTGRES_USER=", "POSTGRES_DB="]), pair("postgres", "postgres"));
        let server = of(&["PGDATA=/d", "POSTGRES_DB_FILE=/run/secrets/db", "POSTGRES_USER=ala"]).unwrap();
        assert_eq!((server.database_file.as_deref(), server.user_file), (Some("/run/secrets/db"), None));
    }
}
