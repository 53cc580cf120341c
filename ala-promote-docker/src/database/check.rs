//! Whether a plain dump is whole, by its first and last lines. The exit code says so too; a cut stream may not.

use ala_promote_core::domain::DatabaseKind;

/// Bytes at either end that are kept for the check.
pub(super) const ENDS_BYTES: usize = 4096;

/// What a dump begins with.
const HEADER: &str = "--\n-- PostgreSQL database dump\n--\n";
/// The last thing that pg_dump says.
const COMPLETE: &str = "-- PostgreSQL database dump complete";
/// Newer ones end with this, and a token.
const UNRESTRICT: &str = "\\unrestrict";
/// In the header: the server's version.
const SERVER_VERSION: &str = "-- Dumped from database version ";

/// The same of MySQL and MariaDB. Newer ones have a line before the header.
const MYSQL_HEADERS: [&str; 2] = ["-- MySQL dump ", "-- MariaDB dump "];
const MYSQL_COMPLETE: &str = "-- Dump completed";
const MYSQL_SERVER_VERSION: &str = "-- Server version\t";

/// The ends of a stream, kept while it passes.
#[derive(Debug, Default)]
pub(super) struct Ends {
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Ends {
    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let room = ENDS_BYTES.saturating_sub(self.first.len());
        self.first.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.last.extend_from_slice(piece.get(piece.len().saturating_sub(ENDS_BYTES)..).unwrap_or(piece));
        let surplus = self.last.len().saturating_sub(ENDS_BYTES);
        self.last.drain(..surplus);
    }

    /// What is missing of a whole dump.
    pub(super) fn check(&self, kind: DatabaseKind) -> Result<(), &'static str> {
        match kind {
            DatabaseKind::MySql => self.check_mysql(),
            _ => self.check_postgres(),
        }
    }

    fn check_mysql(&self) -> Result<(), &'static str> {
        let start = String::from_utf8_lossy(&self.first);
        let is_header = |line: &str| MYSQL_HEADERS.iter().any(|header| line.starts_with(header));
        if !start.lines().take(3).any(is_header) {
            return Err("it does not begin like a dump of mysqldump or mariadb-dump");
        }
        // A row that says so is within a statement, and ends with more than a line of its own.
        let end = String::from_utf8_lossy(&self.last);
        let last = end.lines().rev().map(str::trim_end).find(|line| !line.is_empty());
        match last {
            Some(line) if line.starts_with(MYSQL_COMPLETE) && end.ends_with('\n') => Ok(()),
            _ => Err("it was cut: the dump's last line is missing"),
        }
    }

    fn check_postgres(&self) -> Result<(), &'static str> {
        if !self.first.starts_with(HEADER.as_bytes()) {
            return Err("it does not begin like a dump of pg_dump");
        }
        let end = String::from_utf8_lossy(&self.last);
        let mut lines = end.lines().rev().map(str::trim_end);
        let is_padding = |line: &&str| line.is_empty() || *line == "--" || line.starts_with(UNRESTRICT);
        match lines.find(|line| !is_padding(line)) {
            Some(COMPLETE) => Ok(()),
            _ => Err("it was cut: pg_dump's last line is missing"),
        }
    }

    /// The server's version, as the dump gives it.
    pub(super) fn server_version(&self, kind: DatabaseKind) -> Option<String> {
        let prefix = if kind == DatabaseKind::MySql { MYSQL_SERVER_VERSION } else { SERVER_VERSION };
        let start = String::from_utf8_lossy(&self.first);
        start.lines().find_map(|line| line.strip_prefix(prefix)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD_END: &str = "--\n-- PostgreSQL database dump complete\n--\n\n";
    const NEW_END: &str = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict 9fTqU1\n\n";

    fn check(pieces: &[&str]) -> Result<(), &'static str> {
        let mut ends = Ends::default();
        for piece in pieces {
            ends.push(piece.as_bytes());
        }
        ends.check(DatabaseKind::PostgreSql)
    }

    #[test]
    fn those_of_mysql_are_told_by_their_own_lines() {
        let sandbox = "/*M!999999\\- enable the sandbox mode */ \n";
        let check = |text: &str| {
            let mut ends = Ends::default();
            ends.push(text.as_bytes());
            (ends.check(DatabaseKind::MySql), ends.server_version(DatabaseKind::MySql))
        };
        for (before, name, version) in
            [("", "MySQL", "8.0.36"), (sandbox, "MariaDB", "10.11.19-MariaDB-0+deb12u1")]
        {
            let header = format!("{before}-- {name} dump 10.19  Distrib\n--\n-- Server version\t{version}\n");
            let rows = "INSERT INTO `t` VALUES (1);\n".repeat(2000);
            let whole = format!("{header}{rows}\n-- Dump completed on 2026-12-01  2:36:52\n");
            assert_eq!(check(&whole), (Ok(()), Some(version.to_owned())));
            for cut in [0, 5, header.len(), 9000, whole.len() - 40, whole.len() - 1] {
                assert!(check(&whole[..cut]).0.is_err(), "cut at {cut}");
            }
        }
        assert!(check("-- MySQL dump\n-- Dump completed\nINSERT\n").0.is_err());
        assert!(check("sh: mysqldump: not found\n-- Dump completed\n").0.is_err());
    }

    #[test]
    fn whole_ones_pass_and_cut_ones_do_not() {
        let rows = "1\tx\n".repeat(5000);
        for end in [OLD_END, NEW_END] {
            assert_eq!(check(&[HEADER, &rows, end]), Ok(()));
            let whole = format!("{HEADER}{rows}{end}");
            // Cut anywhere up to within the word `complete`, and between the pieces.
            let complete = whole.rfind("complete").unwrap() + "complete".len();
            for cut in [0, 5, HEADER.len(), 9000, complete - 30, complete - 1] {
                assert!(check(&[&whole[..cut]]).is_err(), "cut at {cut}");
            }
        }
        // A row may say so too.
        assert!(check(&[HEADER, COMPLETE, "\n1\tx\n"]).is_err());
        assert!(check(&["PGDMP", NEW_END]).is_err());
    }

    #[test]
    fn tells_the_server_s_version() {
        let mut ends = Ends::default();
        ends.push(HEADER.as_bytes());
        ends.push(b"\n-- Dumped from database version 15.14 (Debian 15.14-0+deb12u1)\n");
        assert_eq!(
            ends.server_version(DatabaseKind::PostgreSql).as_deref(),
            Some("15.14 (Debian 15.14-0+deb12u1)")
        );
    }
}
