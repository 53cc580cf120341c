//! Labels on containers and volumes: Compose's, Swarm's and our own.

/// The Compose project.
pub(crate) const PROJECT: &str = "com.docker.compose.project";
/// The project's folder.
pub(crate) const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// Its Compose files, with commas between them.
pub(crate) const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// Its env file, where one was given.
pub(crate) const ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// The service.
pub(crate) const SERVICE: &str = "com.docker.compose.service";
/// `True` on containers of `docker compose run`.
pub(crate) const ONE_OFF: &str = "com.docker.compose.oneoff";
/// The hash of the configuration that the container was made from.
pub(crate) const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// `db:service_healthy:false,…`; Compose v2 and later.
pub(crate) const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// The container that this one is about to replace; Compose v2, left behind when it is killed.
pub(crate) const REPLACE: &str = "com.docker.compose.replace";

/// On containers of a Swarm service.
pub(crate) const SWARM_SERVICE: &str = "com.docker.swarm.service.id";
/// The name of a stack that Swarm runs.
pub(crate) const SWARM_STACK: &str = "com.docker.stack.namespace";

/// The operation that runs something in this container.
pub(crate) const OPERATION: &str = "ala-promote.operation";
/// The hook that runs in this container.
pub(crate) const HOOK: &str = "ala-promote.hook";
/// The database outside of its stack that this container is for, by the key that holds its URL.
pub(crate) const BACKUP: &str = "ala-promote.backup";

/// The id of the container that this one was made again from.
pub(crate) const RESTORED_FROM: &str = "ala-promote.restored-from";
/// The reference that a restored container was first made with, where that meanwhile names another image.
pub(crate) const IMAGE_REFERENCE: &str = "ala-promote.image-reference";
