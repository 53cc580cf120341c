//! Users of production, who ask all the while.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ala_promote_demo::{Environment, Sample};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// One answer: when, of which service, and the version that it names.
#[derive(Debug, Clone)]
struct Answer {
    at: Instant,
    service: &'static str,
    version: String,
}

/// Asks the services of an environment for their versions until it is dropped.
pub(super) struct Load {
    answers: Arc<Mutex<Vec<Answer>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub(super) fn on(sample: &Sample, environment: Environment) -> Self {
        let [http, _, api, _] = sample.host_ports(environment);
        let at = |port: u16| format!("{}:{port}", sample.engine().address).parse().expect("an address");
        let parts: [(&str, SocketAddr, &str); 2] =
            [("backend", at(api), "/api/version"), ("frontend", at(http), "/health")];
        let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&answers), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (service, address, path) in parts {
                    if let Some(version) = version(address, path) {
                        let answer = Answer { at: Instant::now(), service, version };
                        shared.lock().expect("no one panicked").push(answer);
                    }
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self { answers, stop, thread: Some(thread) }
    }

    fn answers(&self) -> Vec<Answer> {
        self.answers.lock().expect("no one panicked").clone()
    }

    /// Every answer so far was of one of these releases.
    #[track_caller]
    pub(super) fn expect_only(&self, versions: &[&str]) {
        for answer in self.answers() {
            assert!(versions.contains(&answer.version.as_str()), "{answer:?} is of none of {versions:?}");
        }
    }

    /// From now on every service answers, and all answers are of one release, which is returned.
    #[track_caller]
    pub(super) fn settled(&self) -> String {
        let now = Instant::now();
        loop {
            let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            // The first of each was perhaps asked for before.
            for answer in self.answers().into_iter().filter(|answer| answer.at > now + PAUSE) {
                seen.entry(answer.service).or_default().push(answer.version);
            }
            if seen.len() == 2 && seen.values().all(|versions| versions.len() >= 5) {
                let mut versions: Vec<String> = seen.values().flatten().cloned().collect();
                versions.sort_unstable();
                versions.dedup();
                assert_eq!(versions.len(), 1, "answers mix releases: {seen:?}");
                return versions.remove(0);
            }
            assert!(now.elapsed() < Duration::from_secs(60), "not every service answers: {seen:?}");
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The version that a service names; `None` when it does not answer, or not with success.
fn version(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.strip_prefix("HTTP/1.1 200").and(answer.split_once("\r\n\r\n"))?;
    let (_, version) = body.split_once("\"version\":\"")?;
    version.split_once('"').map(|(version, _)| version.to_owned())
}
