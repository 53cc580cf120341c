//! Databases outside of the stack: the programs that dump them run in a container of their own, for as long as that
//! takes. The URL gets into a file in that container's memory over standard input, so that it is neither in an
//! argument, nor in what the engine tells of the container, nor on a disk.

use std::collections::HashMap;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use ala_promote_core::domain::{DatabaseKind, OperationId, StackRef, UrlDatabase};
use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
};

use super::client::Client;
use super::url::Connection;
use super::{Databases, QUESTION_LIMIT};
use crate::error::{engine_error, is_conflict, is_not_found};
use crate::exec;
use crate::labels;
use crate::scrub::Scrubber;

/// Where the container keeps the URL, in its memory.
const FOLDER: &str = "/run/ala-promote";
/// Takes so many bytes of standard input for the URL; only their owner may read them.
const TAKE: &str = r#"umask 077; head -c "$1" > /run/ala-promote/url"#;
/// Gives the URL to the program that follows.
const WITH_URL: &str = r#". /run/ala-promote/url; exec "$@""#;
/// How long the container lives if nobody removes it, in seconds.
const QUESTION_LIFE: u32 = 120;
const DUMP_LIFE: u32 = 7 * 24 * 3600;

impl Databases {
    /// Starts the container of a database outside of the stack; whoever calls closes it, also after a failure. One for
    /// questions belongs to no operation.
    pub(super) async fn open(
        &self,
        stack: &StackRef,
        target: &UrlDatabase,
        operation: Option<&OperationId>,
        what: &str,
    ) -> BackendResult<Client<'_>> {
        let UrlDatabase { url_env, image, network } = target;
        let url = self.compose.env_value(stack, url_env).await?.ok_or_else(|| {
            let file =
                stack.env_file.as_ref().map_or("the env file".into(), |file| file.display().to_string());
            BackendError::new(BackendErrorKind::Invalid, what, format!("{file} does not set {url_env}"))
                .with_hint(format!(
                    "set {url_env} there, or correct `url_env` of [backup] in ala-promote.toml"
                ))
        })?;
        let connection = Connection::read(&url).map_err(|problem| {
            BackendError::new(
                BackendErrorKind::Invalid,
                what,
                format!("{url_env} in the env file: {problem}"),
            )
        })?;
        if connection.is_local() && network.as_deref() != Some("host") {
            let detail = format!("{url_env} names this very host, and a container is a host of its own");
            return Err(BackendError::new(BackendErrorKind::Invalid, what, detail)
                .with_hint("set `network = \"host\"` beside `url_env` in ala-promote.toml"));
        }
        if self.images.inspect(&image.to_string()).await?.is_none() {
            let detail = format!("the engine does not have the image {image}, which pg_dump is to run in");
            return Err(BackendError::new(BackendErrorKind::NotFound, what, detail)
                .with_hint(format!("docker pull {image}")));
        }
        let place = format!("a container of {image}");
        let id = self.create(target, operation, what).await?;
        let client = Client {
            engine: &self.engine,
            kind: DatabaseKind::PostgreSql,
            container: id,
            place,
            script: WITH_URL,
            login: Vec::new(),
            database: connection.database().to_owned(),
            scrub: Scrubber::new(
                [Some(url.reveal()), connection.password()].into_iter().flatten().map(|text| (url_env, text)),
            ),
            hint: format!(
                "see whether the database of {url_env} can be reached from containers; `network` beside `url_env` \
                 names another network"
            ),
        };
        match self.begin(&client, &connection, what).await {
            Ok(()) => Ok(client),
            Err(error) => {
                self.remove(&client.container).await;
                Err(error)
            }
        }
    }

    async fn create(
        &self,
        target: &UrlDatabase,
        operation: Option<&OperationId>,
        what: &str,
    ) -> BackendResult<String> {
        let life = operation.map_or(QUESTION_LIFE, |_| DUMP_LIFE);
        let mut labels = HashMap::from([(labels::BACKUP.to_owned(), target.url_env.clone())]);
        labels.extend(operation.map(|operation| (labels::OPERATION.to_owned(), operation.to_string())));
        let memory = HashMap::from([(FOLDER.to_owned(), "rw,noexec,nosuid,size=256k,mode=1777".to_owned())]);
        let network = target.network.clone();
        let host_config = HostConfig {
            auto_remove: Some(true),
            tmpfs: Some(memory),
            // As applications call a database on the host.
            extra_hosts: (network.as_deref() != Some("host"))
                .then(|| vec!["host.docker.internal:host-gateway".to_owned()]),
            network_mode: network,
            ..HostConfig::default()
        };
        let body = ContainerCreateBody {
            image: Some(target.image.to_string()),
            entrypoint: Some(vec!["sleep".to_owned()]),
            cmd: Some(vec![life.to_string()]),
            labels: Some(labels),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            host_config: Some(host_config),
            ..ContainerCreateBody::default()
        };
        let created = self.engine.docker().create_container(None::<CreateContainerOptions>, body).await;
        created.map(|created| created.id).map_err(|error| engine_error(what, error))
    }

    async fn begin(&self, client: &Client<'_>, connection: &Connection, what: &str) -> BackendResult<()> {
        let start = self.engine.docker().start_container(&client.container, None::<StartContainerOptions>);
        start.await.map_err(|error| {
            engine_error(what, error)
                .with_hint("`network` and `image` beside `url_env` say where it is started")
        })?;
        let script = connection.script();
        let bytes = script.reveal().as_bytes();
        let take = ["sh", "-c", TAKE, "sh", &bytes.len().to_string()].map(str::to_owned).to_vec();
        let taken =
            exec::run_with_input(&self.engine, &client.container, take, bytes, what, QUESTION_LIMIT).await?;
        match taken.exit_code {
            0 => Ok(()),
            code => Err(client.failure(what, code, &taken.stderr)),
        }
    }

    /// Removes a container of ours, with the anonymous volumes that only it has.
    pub(super) async fn remove(&self, id: &str) {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.engine.docker().remove_container(id, Some(options)).await {
            Err(error) if !is_not_found(&error) && !is_conflict(&error) => {
                tracing::warn!(%error, id, "a container for a backup may be left; it ends by itself");
            }
            _ => {}
        }
    }

    /// Removes what a killed dump left on the engine, and with it the dump; whether there was anything.
    pub(super) async fn remove_left(
        &self,
        target: &UrlDatabase,
        operation: &OperationId,
    ) -> BackendResult<bool> {
        let filters =
            [format!("{}={operation}", labels::OPERATION), format!("{}={}", labels::BACKUP, target.url_env)];
        let left = self.containers.labelled_all(&filters).await?;
        for id in left.iter().filter_map(|summary| summary.id.as_ref()) {
            self.remove(id).await;
        }
        Ok(!left.is_empty())
    }
}
