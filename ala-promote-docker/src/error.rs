//! From what bollard says to what a port says.

use ala_promote_core::backend::{BackendError, BackendErrorKind};
use bollard::errors::Error;

/// Longest text of the engine that is passed on, in characters.
const MAX_DETAIL_CHARS: usize = 600;

/// Says what was tried; `error` says what came back.
pub(crate) fn engine_error(what: impl Into<String>, error: Error) -> BackendError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            BackendError::new(kind_of_status(status_code), what, shorten(message.trim()))
        }
        Error::DockerStreamError { error } => {
            BackendError::new(BackendErrorKind::Failed, what, shorten(error.trim()))
        }
        Error::RequestTimeoutError => BackendError::new(
            BackendErrorKind::TimedOut,
            what,
            "the engine did not answer in time; whether it was done is unknown",
        ),
        Error::SocketNotFoundError(socket) => BackendError::new(
            BackendErrorKind::Unavailable,
            what,
            format!("no Docker engine listens at {socket}"),
        )
        .with_hint(START_HINT),
        // Refused, reset, cut: the engine is gone or going, and what was asked may have been done.
        error @ (Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. }) => BackendError::new(
            BackendErrorKind::Unavailable,
            what,
            "the Docker engine does not answer, or broke off",
        )
        .with_hint(START_HINT)
        .with_source(error),
        error => {
            BackendError::new(BackendErrorKind::Failed, what, "the Docker engine's answer could not be used")
                .with_source(error)
        }
    }
}

/// What to type when the engine is down.
pub(crate) const START_HINT: &str = "start it with `sudo systemctl start docker`, then try again";

/// Whether the engine said that what was named does not exist.
pub(crate) fn is_not_found(error: &Error) -> bool {
    has_status(error, 404)
}

/// Whether the engine said that something else holds the name, or that the thing is in use.
pub(crate) fn is_conflict(error: &Error) -> bool {
    has_status(error, 409)
}

fn has_status(error: &Error, wanted: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == wanted)
}

fn kind_of_status(status: u16) -> BackendErrorKind {
    match status {
        404 => BackendErrorKind::NotFound,
        409 => BackendErrorKind::Conflict,
        503 => BackendErrorKind::Unavailable,
        _ => BackendErrorKind::Failed,
    }
}

/// Keeps the beginning, which names the problem.
pub(crate) fn shorten(text: &str) -> String {
    // Programs print colours, and worse; terminals and logs get none of it.
    let mut chars = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    let short: String = chars.by_ref().take(MAX_DETAIL_CHARS).collect();
    if chars.next().is_some() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_short_and_harmless() {
        assert_eq!(shorten("a\u{1b}[31m b\nc"), "a [31m b\nc");
        let long = "ö".repeat(MAX_DETAIL_CHARS + 1);
        assert_eq!(shorten(&long), "ö".repeat(MAX_DETAIL_CHARS) + "…");
        assert_eq!(shorten(&long[2..]), long[2..]);
    }

    #[test]
    fn kinds_follow_the_status() {
        for (status, kind) in [
            (404, BackendErrorKind::NotFound),
            (409, BackendErrorKind::Conflict),
            (500, BackendErrorKind::Failed),
            (503, BackendErrorKind::Unavailable),
        ] {
            let error = Error::DockerResponseServerError { status_code: status, message: "no".into() };
            assert_eq!(engine_error("ask", error).kind(), kind);
        }
        assert_eq!(engine_error("ask", Error::RequestTimeoutError).kind(), BackendErrorKind::TimedOut);
    }

    #[test]
    fn long_answers_are_cut_between_characters() {
        assert_eq!(shorten(&"ü".repeat(601)), format!("{}…", "ü".repeat(600)));
    }
}
