//! Whether a running container is about to end. A stop that a killed Compose had asked for goes on without it, and for
//! as long as the grace lasts the engine says "running". Its events tell: the signal was sent, and no end came yet.

use std::collections::HashMap;
use std::time::Duration;

use ala_promote_core::backend::BackendResult;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt;
use jiff::Timestamp;

use super::restore::Restore;
use super::saved::Saved;
use crate::error::engine_error;

/// How far beyond the grace the signal may lie back.
const MARGIN: Duration = Duration::from_secs(30);

impl Restore<'_> {
    /// Whether it was asked to end and has not yet.
    pub(super) async fn is_being_stopped(&self, container: Saved<'_>) -> BackendResult<bool> {
        let now = Timestamp::now();
        let since =
            Timestamp::from_second(now.as_second() - (container.grace() + MARGIN).as_secs().cast_signed());
        let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
        let seconds = |time: Timestamp| format!("{}.{:09}", time.as_second(), time.subsec_nanosecond());
        let events = ["kill", "die", "start"].map(str::to_owned).to_vec();
        let filters = HashMap::from([
            ("container".to_owned(), vec![container.id.to_owned()]),
            ("event".to_owned(), events),
        ]);
        let options = EventsOptionsBuilder::default()
            .since(&seconds(since))
            .until(&seconds(now))
            .filters(&filters)
            .build();
        let seen: Vec<EventMessage> =
            self.snapshots.engine.docker().events(Some(options)).try_collect().await.map_err(|error| {
                engine_error(format!("look whether {} is being stopped", container.name), error)
            })?;
        Ok(ends_with_a_stop(&seen, container.stop_signal()))
    }
}

/// Whether the last of these events is a signal to end. Others, such as a HUP to read the configuration anew, end
/// nothing.
fn ends_with_a_stop(events: &[EventMessage], stop_signal: &str) -> bool {
    let others: Vec<&str> =
        NUMBERS.iter().filter(|(name, _)| !is_the_end(name, stop_signal)).map(|(_, n)| *n).collect();
    let is_other = |event: &EventMessage| {
        let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
        let signal = attributes.and_then(|attributes| attributes.get("signal")).map(String::as_str);
        event.action.as_deref() == Some("kill") && signal.is_some_and(|signal| others.contains(&signal))
    };
    let last = events.iter().filter(|event| !is_other(event)).max_by_key(|event| event.time_nano);
    last.is_some_and(|event| event.action.as_deref() == Some("kill"))
}

/// Signals that are sent to containers for other ends, by name and number. One that is not here is taken for a stop.
const NUMBERS: [(&str, &str); 7] = [
    ("HUP", "1"),
    ("INT", "2"),
    ("QUIT", "3"),
    ("USR1", "10"),
    ("USR2", "12"),
    ("WINCH", "28"),
    ("CONT", "18"),
];

fn is_the_end(name: &str, stop_signal: &str) -> bool {
    let number = NUMBERS.iter().find(|(other, _)| *other == name).map(|(_, number)| *number);
    stop_signal.strip_prefix("SIG").unwrap_or(stop_signal) == name || Some(stop_signal) == number
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::EventActor;

    fn event(time_nano: i64, action: &str, signal: &str) -> EventMessage {
        let attributes = HashMap::from([("signal".to_owned(), signal.to_owned())]);
        EventMessage {
            action: Some(action.into()),
            actor: Some(EventActor { id: None, attributes: Some(attributes) }),
            time_nano: Some(time_nano),
            ..EventMessage::default()
        }
    }

    #[test]
    fn a_signal_without_an_end_is_a_stop() {
        let (term, die, start) = (event(1, "kill", "15"), event(2, "die", ""), event(3, "start", ""));
        assert!(ends_with_a_stop(std::slice::from_ref(&term), "SIGTERM"));
        assert!(!ends_with_a_stop(&[], "SIGTERM"));
        assert!(!ends_with_a_stop(&[term.clone(), die.clone()], "SIGTERM"));
        assert!(!ends_with_a_stop(&[start.clone(), term.clone(), die.clone()], "SIGTERM"));
        assert!(ends_with_a_stop(&[term, die, start, event(4, "kill", "9")], "SIGTERM"));
        for (signal, stop_signal, is_stop) in
            [("1", "SIGTERM", false), ("28", "SIGTERM", false), ("28", "SIGWINCH", true), ("3", "QUIT", true)]
        {
            assert_eq!(
                ends_with_a_stop(&[event(1, "kill", signal)], stop_signal),
                is_stop,
                "{signal} {stop_signal}"
            );
        }
    }
}
