//! Signals of the process.

use tokio::signal::unix::{SignalKind, signal};

use crate::signals::{Signal, Signals};

/// Listens for requests to stop. What the process was started to ignore stays ignored (`nohup`, a job in the background
/// of a script).
pub(super) fn listen() -> Signals {
    let (sender, signals) = Signals::channel();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = ignored(&status);
    let wanted = [
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::terminate(), Signal::Terminate),
        (SignalKind::hangup(), Signal::HangUp),
    ];
    for (kind, meaning) in wanted.into_iter().filter(|(kind, _)| !is_in(ignored, kind.as_raw_value())) {
        // A signal that can't be listened for ends the process as ever, and `recover` does the rest.
        let Ok(mut stream) = signal(kind) else { continue };
        let sender = sender.clone();
        tokio::spawn(async move { while stream.recv().await.is_some() && sender.send(meaning).is_ok() {} });
    }
    signals
}

/// The mask of ignored signals, as `/proc/self/status` tells it.
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn is_in(mask: u64, signal: i32) -> bool {
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).is_some_and(|rest| rest & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_mask() {
        let mask = ignored("Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\n");
        assert!(is_in(mask, 1) && is_in(mask, 13));
        assert!(!is_in(mask, 2) && !is_in(mask, 15));
        assert_eq!(ignored("Name:\tx\n"), 0);
    }
}
