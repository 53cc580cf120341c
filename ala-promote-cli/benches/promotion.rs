//! Times promotions of the sample stack on the Docker engine of this shell, by turns: as a shell script does it (dump,
//! tag, `up -d`, `curl` until healthy), and by `promote-to-production`. Also for how long production is unreachable.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ala_promote_demo::{EngineEnv, Environment, Sample};

const ROUNDS: u32 = 5;
const POLL_EVERY: Duration = Duration::from_millis(5);
/// How long one poll waits for an answer; one that takes longer counts as none.
const POLL_LIMIT: Duration = Duration::from_millis(250);

/// The script that `promote-to-production` replaces; its arguments are the sample's name, the health address and the
/// command of Compose.
const SCRIPT: &str = r#"
set -euo pipefail
name=$1; health=$2; shift 2
db=$(docker ps -q --filter "label=com.docker.compose.project=$name" --filter label=com.docker.compose.service=db)
docker exec "$db" sh -c 'pg_dump -U "$POSTGRES_USER" "$POSTGRES_DB"' > ../by-script.sql
docker tag "$name-api:staging" "$name-api:production"
docker tag "$name-frontend:staging" "$name-frontend:production"
"$@" up -d backend worker frontend
for _ in $(seq 600); do
    if curl -sf --max-time 1 "$health" > /dev/null; then exit 0; fi
    sleep 0.1
done
exit 1
"#;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What one promotion took.
#[derive(Clone, Copy)]
struct Taken {
    total: Duration,
    unreachable: Duration,
}

/// What a row of the table shows.
type Row = fn(&Taken) -> Duration;

fn main() -> Outcome<()> {
    let engine = EngineEnv::ambient();
    if !engine.answers() {
        writeln!(std::io::stderr(), "SKIPPED: no Docker engine answers, so no promotion was timed")?;
        return Ok(());
    }
    let sample = Sample::create(&engine)?;
    let config = "[health]\ntimeout = \"60s\"\nwindow = \"1s\"\n";
    std::fs::write(sample.deployment().join("ala-promote.toml"), config)?;
    let compose = compose(&engine);
    deploy_staging(&sample, "1.0.0")?;
    succeed(ours(&sample), "yes\n")?;

    let (mut by_script, mut by_us) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        deploy_staging(&sample, &format!("1.{round}.0"))?;
        by_script.push(timed(&sample, script(&sample, &compose), "")?);
        deploy_staging(&sample, &format!("1.{round}.1"))?;
        by_us.push(timed(&sample, ours(&sample), "yes\n")?);
    }
    write!(std::io::stdout(), "{}", table(&compose.join(" "), &by_script, &by_us)?)?;
    Ok(())
}

fn compose(engine: &EngineEnv) -> Vec<&'static str> {
    let plugin = engine.command("docker").args(["compose", "version"]).output();
    if plugin.is_ok_and(|o| o.status.success()) { vec!["docker", "compose"] } else { vec!["docker-compose"] }
}

fn deploy_staging(sample: &Sample, version: &str) -> Outcome<()> {
    sample.release(version)?;
    succeed(binary(sample, env!("CARGO_BIN_EXE_deploy-staging")), "")
}

fn ours(sample: &Sample) -> Command {
    binary(sample, env!("CARGO_BIN_EXE_promote-to-production"))
}

fn script(sample: &Sample, compose: &[&str]) -> Command {
    let mut command = binary(sample, "bash");
    let health = format!("{}/health", sample.api(Environment::Production));
    command.args(["-c", SCRIPT, "script", sample.name(), &health]).args(compose);
    command
}

fn binary(sample: &Sample, program: &str) -> Command {
    let mut command = sample.engine().command(program);
    command.current_dir(sample.deployment());
    command
}

fn succeed(mut command: Command, typed: &str) -> Outcome<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // What reads no input may have closed it.
        let _ = input.write_all(typed.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&said)).into())
}

/// Runs a promotion, with a thread beside it that asks production's API all the time.
fn timed(sample: &Sample, command: Command, typed: &str) -> Outcome<Taken> {
    let api = sample.api(Environment::Production);
    let authority = api.trim_start_matches("http://").trim_end_matches("/api");
    let address = authority.to_socket_addrs()?.next().ok_or("production has no address")?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| unreachable(address, &done));
        let started = Instant::now();
        let result = succeed(command, typed);
        let total = started.elapsed();
        done.store(true, Ordering::Relaxed);
        let unreachable = watch.join().map_err(|_| "the thread that polls died")?;
        result.map(|()| Taken { total, unreachable })
    })
}

/// For how long in all there was no answer: from each first request that failed to the next that did not.
fn unreachable(address: SocketAddr, done: &AtomicBool) -> Duration {
    let (mut sum, mut since) = (Duration::ZERO, None);
    while !done.load(Ordering::Relaxed) {
        let asked = Instant::now();
        if answers(address).unwrap_or(false) {
            sum += since.take().map_or(Duration::ZERO, |since: Instant| since.elapsed());
        } else {
            since.get_or_insert(asked);
        }
        thread::sleep(POLL_EVERY.saturating_sub(asked.elapsed()));
    }
    sum + since.map_or(Duration::ZERO, |since| since.elapsed())
}

fn answers(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, POLL_LIMIT)?;
    stream.set_read_timeout(Some(POLL_LIMIT))?;
    stream.write_all(b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

fn table(compose: &str, by_script: &[Taken], by_us: &[Taken]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "{ROUNDS} promotions each, by turns, with {compose}; medians")?;
    writeln!(text, "{:<24}{:>12}{:>24}{:>8}", "", "script", "promote-to-production", "ratio")?;
    let rows: [(&str, Row); 2] =
        [("total", |taken| taken.total), ("production unreachable", |taken| taken.unreachable)];
    for (what, of) in rows {
        let [script, ours] = [by_script, by_us].map(|all| median(all.iter().map(of).collect()).as_secs_f64());
        let ratio = if script > 0.0 { format!("{:.2}", ours / script) } else { "-".to_owned() };
        writeln!(text, "{what:<24}{:>9.0} ms{:>21.0} ms{ratio:>8}", script * 1e3, ours * 1e3)?;
    }
    Ok(text)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
