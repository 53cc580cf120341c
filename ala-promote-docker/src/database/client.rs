//! The programs of a database, where they run and how they connect: beside the server in its container, or in a
//! container of their own.

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::DatabaseKind;

use super::{QUESTION_LIMIT, mysql};
use crate::engine::Engine;
use crate::error::shorten;
use crate::exec::{self, Exec};
use crate::scrub::Scrubber;

/// How long pg_dump waits for a lock that somebody else holds, in PostgreSQL's spelling.
const LOCK_WAIT: &str = "--lock-wait-timeout=60s";

/// What is needed to run them. Passwords are in none of it.
pub(super) struct Client<'a> {
    pub(super) engine: &'a Engine,
    /// What kind of database it is.
    pub(super) kind: DatabaseKind,
    /// The id of the container that they run in.
    pub(super) container: String,
    /// How people call that container.
    pub(super) place: String,
    /// The shell's script that has the password, then becomes the program that follows.
    pub(super) script: &'static str,
    /// Arguments of every program that say which database and role, where the script does not.
    pub(super) login: Vec<String>,
    /// The database's name.
    pub(super) database: String,
    /// What must not be shown.
    pub(super) scrub: Scrubber,
    /// What to type when it fails.
    pub(super) hint: String,
}

impl<'a> Client<'a> {
    /// What one statement gives.
    pub(super) async fn ask(&self, statement: &str, what: &str) -> BackendResult<String> {
        let psql: &[&str] = &["psql", "-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-c", statement];
        let mysql: &[&str] =
            &["mysql", "--host=localhost", "--batch", "--skip-column-names", "-e", statement];
        let words = if self.is_mysql() { mysql } else { psql };
        self.short(self.command(words.iter().copied()), what).await
    }

    /// The database's size on its disk, in bytes.
    pub(super) async fn size(&self, what: &str) -> BackendResult<u64> {
        let statement = match self.is_mysql() {
            true => mysql::SIZE,
            false => "SELECT pg_database_size(current_database())",
        };
        let said = self.ask(statement, what).await?;
        said.parse().map_err(|_| {
            BackendError::new(BackendErrorKind::Failed, what, "the server's answer is no number")
        })
    }

    /// Begins a dump. The server knows its session by `application`.
    pub(super) async fn dump(&self, application: &str, what: &str) -> BackendResult<Exec<'a>> {
        let pg_dump: &[&str] = &["pg_dump", "--clean", "--if-exists", "--no-password", LOCK_WAIT];
        let words = if self.is_mysql() { &mysql::DUMP[..] } else { pg_dump };
        let environment = vec![format!("PGAPPNAME={application}"), format!("ALA_PROMOTE_DUMP={application}")];
        let command = self.command(words.iter().copied());
        Exec::start(self.engine, &self.container, command, environment, what).await
    }

    /// Refuses what could only be dumped into a file that fits no moment, or of which nobody knows what to dump.
    pub(super) async fn check_content(&self, what: &str) -> BackendResult<()> {
        let failed = |detail: String, hint: &str| {
            Err(BackendError::new(BackendErrorKind::Failed, what, detail).with_hint(hint))
        };
        if !self.is_mysql() {
            return Ok(());
        }
        if self.database.is_empty() {
            let detail = format!("the variables of {} name no database", self.place);
            return failed(
                detail,
                "set MYSQL_DATABASE or MARIADB_DATABASE, or back it up by a `command` of your own",
            );
        }
        let tables = self.ask(mysql::UNSAFE_TABLES, what).await?;
        if tables.is_empty() {
            return Ok(());
        }
        let tables = tables.lines().collect::<Vec<_>>().join(", ");
        let detail = format!(
            "tables that such a dump does not hold whole, or not of one moment: {}",
            shorten(&tables)
        );
        failed(
            detail,
            "ALTER TABLE … ENGINE=InnoDB; or back it up by a `command` of your own that locks them",
        )
    }

    fn is_mysql(&self) -> bool {
        self.kind == DatabaseKind::MySql
    }

    /// Ends sessions of dumps of ours in this database, of the applications that the pattern of `LIKE` means.
    pub(super) async fn end_sessions(&self, applications: &str) -> BackendResult<()> {
        if self.is_mysql() {
            let pattern = applications.replace('.', "[.]").replace('%', ".*");
            let command = ["sh", "-c", mysql::END_DUMPS, "sh", &pattern].map(str::to_owned).to_vec();
            return self.short(command, "end dumps that were left").await.map(drop);
        }
        let statement = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND usename = current_user AND application_name LIKE '{applications}' \
             AND client_addr IS NOT DISTINCT FROM inet_client_addr()"
        );
        let what = format!("reach the database {}", self.database);
        self.ask(&statement, &what).await.map(drop)
    }

    /// Refuses programs that are older than the server: pg_dump does.
    pub(super) async fn check_version(&self, what: &str) -> BackendResult<()> {
        let dumper = self.short(self.program(["pg_dump", "--version"]), what).await?;
        let server = self.ask("SHOW server_version", what).await?;
        let dumper = dumper.trim_start_matches("pg_dump (PostgreSQL)").trim();
        match (major(dumper), major(&server)) {
            (Some(ours), Some(theirs)) if ours < theirs => Err(BackendError::new(
                BackendErrorKind::Failed,
                what,
                format!(
                    "the server is PostgreSQL {server}, and pg_dump in {} is {dumper}: too old",
                    self.place
                ),
            )
            .with_hint(format!("set `image` beside `url_env` to one of PostgreSQL {theirs} or newer"))),
            _ => Ok(()),
        }
    }

    /// Why one of the programs failed, with what it said last.
    pub(super) fn failure(&self, what: &str, exit_code: i64, stderr: &str) -> BackendError {
        let said: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said = self.scrub.scrub(&said.join("; "));
        let said = if said.is_empty() { String::new() } else { format!(": {}", shorten(&said)) };
        let detail = format!("exit code {exit_code} in {}{said}", self.place);
        BackendError::new(BackendErrorKind::Failed, what, detail).with_hint(&self.hint)
    }

    async fn short(&self, command: Vec<String>, what: &str) -> BackendResult<String> {
        let run = exec::run(self.engine, &self.container, command, Vec::new(), what, QUESTION_LIMIT);
        let ended = run.await?;
        match ended.exit_code {
            0 => Ok(ended.stdout.trim().to_owned()),
            code => Err(self.failure(what, code, &ended.stderr)),
        }
    }

    /// A program that connects.
    fn command<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Vec<String> {
        let mut command = self.program(words);
        command.extend(self.login.iter().cloned());
        command
    }

    /// `$@` of the script is the program: no shell is left that could swallow its exit code.
    fn program<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Vec<String> {
        let shell = ["sh", "-c", self.script, "sh"];
        shell.into_iter().chain(words).map(str::to_owned).collect()
    }
}

/// The first number of a version.
fn major(version: &str) -> Option<u32> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_first_number() {
        assert_eq!(major("15.14 (Debian 15.14-0+deb12u1)"), Some(15));
        assert_eq!(major("18beta1"), Some(18));
        assert_eq!(major("devel"), None);
    }
}
