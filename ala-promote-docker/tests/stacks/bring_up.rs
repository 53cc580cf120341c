//! A sample of the stacks for real: staging is deployed, then a promotion is planned, which changes no container.

use std::path::Path;
use std::sync::Arc;

use ala_promote_core::config::prepare_state_dir;
use ala_promote_core::domain::{Outcome, Request, Verb};

use crate::decision::Decider;
use crate::shape::Shape;
use crate::support::{Stage, TestEngine, engines, free_port, skip};

/// Those that can be built from nothing.
const SAMPLE: [&str; 7] = [
    "names-by-repository",
    "no-image-names",
    "prod-overlay-configured",
    "one-image",
    "one-file",
    "one-reference",
    "jobs",
];

#[test]
fn bring_up() {
    let engines = engines();
    if engines.is_empty() {
        return skip("no engine answers");
    }
    std::thread::scope(|scope| {
        for engine in &engines {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                SAMPLE.into_iter().for_each(|name| runtime.block_on(deploy_and_plan(engine, name)));
            });
        }
    });
}

async fn deploy_and_plan(engine: &TestEngine, name: &str) {
    let stage = Stage::new(engine);
    // Projects are called after the folder, and images by what stands before the slash.
    let folder = format!("{}{name}", stage.prefix);
    let copy = Shape::named(name).copy(&folder, |text| on_stage(text, &stage.prefix));
    prepare(&copy.dir);
    let backend = Arc::new(engine.backend().await);
    let decider = Decider::new(&copy.dir, backend).unwrap_or_else(|told| panic!("{name}: {told}"));
    prepare_state_dir(decider.engine.settings()).unwrap();
    let staged = Staged { engine, folder: copy.dir.display().to_string(), project: folder };

    let deployed = decider.operate("staging", Verb::Deploy { build: true, keep_failed: false }).await;
    assert!(matches!(deployed, Outcome::Committed { .. }), "{name} on {}: {deployed:?}", engine.name);
    let before = staged.containers();
    assert!(!before.is_empty(), "{name}: nothing was started");
    let promotion = Request { environment: "production".parse().unwrap(), verb: Verb::Promote };
    let plan = decider.engine.plan(&promotion).await;
    let plan = plan.unwrap_or_else(|error| panic!("{name} on {}: {error}", engine.name));
    assert!(plan.release.is_some_and(|release| !release.images.is_empty()), "{name}: nothing is promoted");
    assert_eq!(staged.containers(), before, "{name}: planning changed containers");
}

/// The text of a file with names and ports of one stage's own.
fn on_stage(text: &str, prefix: &str) -> String {
    let mut text = text.replace("acme/", &format!("{prefix}/"));
    while let Some(at) = text.find("\"20") {
        text.replace_range(at + 1..at + 6, &free_port().to_string());
    }
    text
}

/// Puts busybox beside each Dockerfile, and shortens the watch.
fn prepare(dir: &Path) {
    let config = dir.join("ala-promote.toml");
    let before = std::fs::read_to_string(&config).unwrap_or_default();
    std::fs::write(
        config,
        format!("{before}\n[health]\ntimeout = \"60s\"\nwindow = \"1s\"\ninterval = \"200ms\"\n"),
    )
    .unwrap();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        if folder.join("Dockerfile").exists() {
            std::fs::copy("/bin/busybox", folder.join("busybox")).unwrap();
        }
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|path| path.is_dir() && !path.ends_with(".ala-promote")));
    }
}

/// What was made on the engine for one stack; dropped, what the stage does not know of is removed.
struct Staged<'a> {
    engine: &'a TestEngine,
    folder: String,
    project: String,
}

impl Staged<'_> {
    fn lines(&self, args: &[&str]) -> Vec<String> {
        let output = self.engine.try_docker(args);
        let mut lines: Vec<String> =
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    fn containers(&self) -> Vec<String> {
        let format = "{{.ID}} {{.Names}} {{.Label \"com.docker.compose.project\"}}";
        let all = self.lines(&["ps", "-a", "--no-trunc", "--format", format]);
        all.into_iter().filter(|line| line.contains(&self.project)).collect()
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        for line in self.containers() {
            let id = line.split(' ').next().unwrap_or_default();
            self.engine.try_docker(&["rm", "-fv", id]);
        }
        let dir = format!("label=ala-promote.ledger.dir={}", self.folder);
        for volume in self.lines(&["volume", "ls", "-q", "--filter", &dir]) {
            self.engine.try_docker(&["volume", "rm", &volume]);
        }
    }
}
