//! Times the ledger at 100,000 records: to verify them all, to open by the newest checkpoint, and to append.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use ala_promote_core::domain::{Actor, OperationId, Request, Verb};
use ala_promote_core::ledger::{Body, FileLedger, FileLedgerOptions, Journal, LedgerId, Verdict};
use jiff::Timestamp;

const RECORDS: usize = 100_000;
/// How many records an operation has, about.
const RECORDS_OF_ONE: usize = 20;
const ROUNDS: usize = 5;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let state = tempfile::tempdir()?;
    let folder = state.path().join("ledger");
    let appends = fill(&folder)?;
    let verify = measured(|| match open(&folder)?.verify(None)? {
        Verdict::Intact { records, .. } if records == RECORDS as u64 => Ok(()),
        other => Err(format!("the ledger is not as it was written: {other:?}").into()),
    })?;
    let opened = measured(|| open(&folder).map(drop))?;

    let mut out = std::io::stdout().lock();
    writeln!(out, "{RECORDS} records, {:.1} MB", size(&folder)? as f64 / 1e6)?;
    writeln!(out, "{:<34}{:>12}", "", "median")?;
    for (what, median) in [
        ("open by checkpoint and verify all", verify),
        ("open by checkpoint", opened),
        ("append one, durably", appends),
    ] {
        writeln!(out, "{what:<34}{:>9.3} ms", median.as_secs_f64() * 1e3)?;
    }
    Ok(())
}

fn open(folder: &Path) -> Outcome<Journal> {
    Ok(Journal::open(Box::new(FileLedger::open(folder, FileLedgerOptions::default())?))?)
}

/// Fills a ledger; gives the median time of an append.
fn fill(folder: &Path) -> Outcome<Duration> {
    let store = FileLedger::create(folder, LedgerId::new("bench")?, FileLedgerOptions::default())?;
    let journal = Journal::open(Box::new(store))?;
    let operation: OperationId = "20260101-000000-bench".parse()?;
    let actor = Actor { user: "bench".to_owned(), host: "host.example.com".to_owned(), pid: 1 };
    let request = Request { environment: "production".parse()?, verb: Verb::Promote };
    // What grows with the ledger is the history, by an entry for each operation.
    let of_history = Body::NotConfirmed { request, actor };
    let of_a_step = Body::StepFailed { step: "start-backend".parse()?, error: "x".repeat(200) };
    let mut times = Vec::with_capacity(RECORDS);
    for number in 0..RECORDS {
        let body = if number % RECORDS_OF_ONE == 0 { &of_history } else { &of_a_step };
        let started = Instant::now();
        journal.append(Timestamp::UNIX_EPOCH, Some(&operation), body)?;
        times.push(started.elapsed());
    }
    Ok(median(times))
}

fn measured(work: impl Fn() -> Outcome<()>) -> Outcome<Duration> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        work()?;
        times.push(started.elapsed());
    }
    Ok(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn size(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "jsonl") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
