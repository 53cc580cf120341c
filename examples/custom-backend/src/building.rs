//! A build copies a folder and runs a command in the copy; what comes of it is a release.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult, Builder, Call, ImageStore};
use ala_promote_core::domain::{
    ImageIdentity, ImageReference, PullSource, PulledImage, ServiceName, StackRef,
};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::process::Command;

use crate::cannot::cannot;
use crate::file::StackFile;
use crate::host::{LocalBackend, failed, make_dir};

/// How many of a build's last lines an error shows.
const SHOWN_LINES: usize = 20;

#[async_trait]
impl Builder for LocalBackend {
    async fn build(
        &self,
        stack: &StackRef,
        targets: &BTreeMap<ServiceName, ImageReference>,
        call: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, ImageIdentity>> {
        let file = StackFile::of(stack)?;
        let builds = targets.iter().map(|(name, to)| self.build_service(&file, &stack.dir, name, to));
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => {
                let what = format!("build for {}", stack.environment);
                Err(BackendError::new(BackendErrorKind::Cancelled, what, "stopped, as was asked"))
            }
            built = try_join_all(builds) => Ok(targets.keys().cloned().zip(built?).collect()),
        }
    }

    async fn pull(
        &self,
        _: &StackRef,
        _: &BTreeMap<ServiceName, PullSource>,
        _: &Call,
    ) -> BackendResult<BTreeMap<ServiceName, PulledImage>> {
        Err(cannot("pull images"))
    }
}

impl LocalBackend {
    async fn build_service(
        &self,
        file: &StackFile,
        dir: &Path,
        name: &ServiceName,
        reference: &ImageReference,
    ) -> BackendResult<ImageIdentity> {
        let what = &format!("build {name}");
        let build = file.services.get(name).and_then(|service| service.build.as_ref()).ok_or_else(|| {
            BackendError::new(BackendErrorKind::Invalid, what, "it is not built by this stack")
        })?;
        // On the disk of the images, so that a rename takes it in; gone with us if that does not come about.
        make_dir(&self.root().join("building"))?;
        let scratch = tempfile::TempDir::new_in(self.root().join("building"));
        let scratch = scratch.map_err(|error| failed(what, self.root(), error))?;
        let (from, copy) = (dir.join(&build.from), scratch.path().join("release"));
        copy_folder(&from, &copy).map_err(|error| failed(what, &from, error))?;
        run(what, &copy, &build.command).await?;
        let id = self.take_in(&copy)?;
        self.tag(&id, reference).await?;
        self.image(&id).ok_or_else(|| BackendError::new(BackendErrorKind::Failed, what, "it is gone again"))
    }
}

/// Runs the build's command to its end.
async fn run(what: &str, dir: &Path, words: &[String]) -> BackendResult<()> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    let done = command.output().await.map_err(|error| failed(what, dir, error))?;
    if done.status.success() {
        return Ok(());
    }
    let printed = [done.stdout, done.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    let lines: Vec<&str> = printed.lines().collect();
    let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n");
    Err(BackendError::new(BackendErrorKind::Failed, what, format!("{}\n{last}", done.status)))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
